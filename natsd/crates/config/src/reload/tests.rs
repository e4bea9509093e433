use super::{NotReloadable, Part, plan};
use crate::{NoSource, Options, load_text, prepare};

fn options(text: &str) -> Options {
    let mut options = load_text(text, Options::empty(), &NoSource).unwrap().options;
    prepare(&mut options).unwrap();
    options
}

#[track_caller]
fn check(old: &str, new: &str, expected: &[(Part, &str)]) {
    let changes = plan(&options(old), &options(new)).unwrap();
    let found: Vec<_> = changes.iter().map(|one| (one.part, one.text.as_str())).collect();
    assert_eq!(found, expected, "{old} -> {new}");
}

#[track_caller]
fn check_refused(old: &str, new: &str, expected: &str) {
    let error: NotReloadable = plan(&options(old), &options(new)).unwrap_err();
    assert!(error.to_string().contains(expected), "{old} -> {new}: {error}");
}

#[test]
fn what_can_be_changed_is_planned_for_its_part() {
    let rows = [
        ("", "", &[][..]),
        ("debug: false", "debug: true", &[(Part::Log, "debug = true")]),
        ("trace: true", "trace: false", &[(Part::Log, "trace = false")]),
        ("", "log_file: a", &[(Part::Log, "log_file = Some(\"a\")")]),
        ("max_payload: 10", "max_payload: 20", &[(Part::Limits, "max_payload = 20")]),
        ("ping_max: 2", "ping_max: 3", &[(Part::Limits, "ping_max = 3")]),
        ("", "max_connections: 5", &[(Part::MaxConnections, "max_connections = 5")]),
        (
            "authorization { user: a, password: b }",
            "authorization { user: a, password: c }",
            &[(Part::Authorization, "authorization password")],
        ),
        (
            "accounts { A { users: [ {user: a, password: a} ] } }",
            "accounts { A { users: [ {user: a, password: b} ] } }",
            &[(Part::Authorization, "authorization users")],
        ),
        (
            "",
            "client_advertise: \"me:1\"",
            &[(Part::ClientAdvertise, "client_advertise = Some(\"me:1\")")],
        ),
        ("", "pid_file: x", &[(Part::PidFile, "pid_file = Some(\"x\")")]),
        ("", "ports_file_dir: x", &[(Part::PortsFile, "ports_file_dir = Some(\"x\")")]),
        ("", "server_tags: [a]", &[(Part::Shown, "tags")]),
    ];
    for (old, new, expected) in rows {
        check(old, new, expected);
    }
}

#[test]
fn what_is_fixed_is_refused_by_name() {
    for (old, new, expected) in [
        ("port: 4222", "port: 4223", "config reload not supported for Port: old="),
        ("", "host: \"127.0.0.1\"", "Host"),
        ("server_name: a", "server_name: b", "ServerName"),
        ("http: 8222", "http: 8223", "HTTPPort"),
        ("max_pending: 10MB", "max_pending: 20MB", "MaxPending"),
        ("max_subs: 1", "max_subs: 2", "MaxSubs"),
        ("", "no_header_support: true", "NoHeaderSupport"),
        ("", "lame_duck_duration: 40s", "LameDuckDuration"),
        ("", "jetstream: enabled", "jetstream"),
        ("", "cluster { port: 5000 }", "cluster"),
        ("", "disable_sublist_cache: true", "another option"),
        (
            "no_auth_user: a\nauthorization { users: [{user: a, password: a}, {user: b, password: b}] }",
            "no_auth_user: b\nauthorization { users: [{user: a, password: a}, {user: b, password: b}] }",
            "NoAuthUser",
        ),
    ] {
        check_refused(old, new, expected);
    }
}

#[test]
fn secrets_are_not_in_the_plan() {
    let changes = plan(
        &options("authorization { token: first }"),
        &options("authorization { token: s3cret }"),
    );
    assert!(!format!("{changes:?}").contains("s3cret"));
}
