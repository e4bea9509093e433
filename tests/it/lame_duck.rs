//! Lame duck mode: no new clients, a notice to the present ones, then they are closed.

use natsd_testkit::{DEADLINE, RawClient, wait_until};
use serde_json::Value;
use std::time::Duration;

use crate::support::{launch, server};

/// Longest that the few clients of a test are kept.
const PATIENCE: Duration = Duration::from_secs(25);
const CONFIG: &str = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"200ms\"";

/// Go: TestLameDuckMode server/server_test.go:1011
/// Go: TestLameDuckModeInfo server/server_test.go:1220
#[test]
fn lame_duck_mode() {
    let mut server = launch().monitoring().config(CONFIG).start();
    let mut informed = server.client_with(r#"{"verbose":false,"pedantic":false,"protocol":1}"#);
    let first = informed.read_info().clone();
    assert_eq!(first["connect_info"], true);
    let mut old = server.client();
    server.signal("USR2");
    let info: Value = informed.read_info().clone();
    assert_eq!(info["ldm"], true, "{info}");
    assert!(first["ldm"].is_null(), "{first}");
    wait_until("no new client is taken", DEADLINE, || {
        RawClient::try_dial(server.address()).is_err().then_some(())
    });
    // Those who are there still work, and then are closed; the server ends well.
    informed.send("SUB foo 1\r\nPUB foo 2\r\nok\r\n");
    informed.expect("MSG foo 1 2\r\nok\r\n");
    assert!(informed.wait_closed());
    assert_eq!(String::from_utf8_lossy(&old.read_to_eof()), "");
    assert_eq!(server.wait_exit_within(PATIENCE).code(), Some(0));
}

#[test]
fn without_clients_lame_duck_mode_ends_at_once() {
    let mut server = server("");
    server.signal("USR2");
    assert_eq!(server.wait_exit().code(), Some(0), "{}", server.log());
}

/// Go: TestProcessSignalTermDuringLameDuckMode server/signal_test.go:428
#[test]
fn process_signal_term_during_lame_duck_mode() {
    let mut server = server(CONFIG);
    let mut client = server.client();
    server.signal("USR2");
    server.wait_log("Entering lame duck mode");
    server.signal("TERM");
    // The client is still served: TERM changes nothing now.
    client.expect_nothing();
    assert!(client.wait_closed());
    assert_eq!(server.wait_exit_within(PATIENCE).code(), Some(0));
    // SIGINT, however, ends it.
    let mut server = crate::support::server("lame_duck_grace_period: \"60s\"");
    let mut client = server.client();
    server.signal("USR2");
    server.wait_log("Entering lame duck mode");
    server.signal("INT");
    assert_eq!(server.wait_exit().code(), Some(0));
    assert!(client.wait_closed());
}
