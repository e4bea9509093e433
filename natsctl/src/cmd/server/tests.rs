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
