//! Servers' answers as people see them.

use super::*;

fn answer() -> Answer {
    Answer {
        document: json!({
            "server": {"name": "n1", "id": "NID", "ver": "2.15.1", "host": "0.0.0.0"},
            "data": {"host": "h", "port": 4222, "connections": 1_234, "in_msgs": 5,
                     "in_bytes": 2_048, "out_msgs": 0, "out_bytes": 0, "mem": 1_048_576,
                     "cpu": 1.25, "uptime": "3s"},
        }),
        rtt: Duration::from_millis(2),
    }
}

#[test]
fn servers_are_listed() {
    let expected = "\
┌──────┬─────┬─────────┬─────────┬─────────┬────────┐
│ Name ┆ ID  ┆ Version ┆ Cluster ┆ Host    ┆    RTT │
╞══════╪═════╪═════════╪═════════╪═════════╪════════╡
│ n1   ┆ NID ┆ 2.15.1  ┆         ┆ 0.0.0.0 ┆ 2.00ms │
└──────┴─────┴─────────┴─────────┴─────────┴────────┘
1 server";
    assert_eq!(ping_table(&[answer()]), expected);
    let expected = json!([{"server": answer().document["server"], "rtt": 0.002}]);
    assert_eq!(ping_json(&[answer()]), expected);
    assert!(ping_table(&[answer(), answer()]).ends_with("\n2 servers"));
}

#[test]
fn facts_of_a_server_leave_out_what_it_does_not_say() {
    let text = info_text(&answer().document);
    for line in [
        "Name: n1",
        "Address: h:4222",
        "Connections: 1,234",
        "Messages in: 5 (2.0 KiB)",
        "Memory: 1.0 MiB",
        "CPU: 1.2%",
    ] {
        assert!(text.contains(line), "{line:?} in\n{text}");
    }
    assert!(!text.contains("Cluster") && !text.contains("Cores"), "{text}");
}

#[test]
fn servers_are_found_by_name_or_id() {
    for (name, expected) in [("n1", true), ("NID", true), ("n2", false), ("", false)] {
        assert_eq!(is_named(&answer().document, name), expected, "{name}");
    }
}

#[test]
fn documents_are_asked_for_by_their_token() {
    for (kind, token) in [(Kind::Varz, "VARZ"), (Kind::Leafz, "LEAFZ"), (Kind::Statsz, "STATSZ")] {
        assert_eq!(kind.token(), token);
    }
    for kind in Kind::value_variants() {
        assert!(kind.token().ends_with('Z'), "{kind:?}");
    }
}

#[test]
fn options_are_an_object() {
    for (options, refused) in [
        ("", None),
        ("{}", None),
        (r#"{"limit": 1}"#, None),
        ("[]", Some("are not a JSON object")),
        ("{", Some("are not JSON")),
    ] {
        let result = check_options(options);
        match refused {
            None => assert_eq!(result, Ok(()), "{options}"),
            Some(part) => assert!(result.expect_err(options).contains(part), "{options}"),
        }
    }
}

#[test]
fn a_server_s_refusal_is_told() {
    let document = json!({"server": {"name": "n1"}, "error": {"code": 400, "description": "no"}});
    let failure = refusal(&document).map(|failure| failure.to_string());
    assert_eq!(failure.as_deref(), Some("server n1 says: no"));
    assert!(refusal(&answer().document).is_none());
}
