use super::{SignalError, send_signal_with, write_ports_file};
use rustix::process::{Pid, Signal};
use std::cell::RefCell;
use std::io;

/// Runs with a fake process list and records what would be sent.
fn run(expression: &str, running: &[i32], signal: Signal) -> (Result<(), String>, Vec<i32>) {
    let sent = RefCell::new(Vec::new());
    let send = |pid: Pid, seen: Signal| -> io::Result<()> {
        assert_eq!(seen, signal);
        sent.borrow_mut().push(pid.as_raw_nonzero().get());
        Ok(())
    };
    let list = || Ok(running.to_vec());
    let result = send_signal_with("quit", signal, expression, list, send);
    (result.map_err(|error| error.to_string()), sent.into_inner())
}

#[track_caller]
fn check_error(expression: &str, running: &[i32], expected: &str) {
    let (result, sent) = run(expression, running, Signal::INT);
    assert_eq!(result, Err(expected.to_owned()));
    assert!(sent.is_empty());
}

/// Go: TestProcessSignalNoProcesses server/signal_test.go:123
#[test]
fn process_signal_no_processes() {
    check_error("", &[], "no nats-server processes running");
}

/// Go: TestProcessSignalMultipleProcesses server/signal_test.go:142
#[test]
fn process_signal_multiple_processes() {
    check_error("", &[123, 456], "multiple nats-server processes running:\n123\n456");
}

/// Go: TestProcessSignalMultipleProcessesGlob server/signal_test.go:162
#[test]
fn process_signal_multiple_processes_glob() {
    let (result, sent) = run("*", &[123, 456], Signal::INT);
    assert_eq!((result, sent), (Ok(()), vec![123, 456]));
}

/// Go: TestProcessSignalMultipleProcessesGlobPartial server/signal_test.go:183
#[test]
fn process_signal_multiple_processes_glob_partial() {
    let (result, sent) = run("12*", &[123, 124, 456], Signal::INT);
    assert_eq!((result, sent), (Ok(()), vec![123, 124]));
}

/// Go: TestProcessSignalPgrepError server/signal_test.go:204
/// Go: TestProcessSignalPgrepMangled server/signal_test.go:223
#[test]
fn process_signal_pgrep_error() {
    let list = || Err(SignalError::Unresolved);
    let result = send_signal_with("quit", Signal::INT, "", list, |_, _| Ok(()));
    assert_eq!(result.unwrap_err().to_string(), "unable to resolve pid, try providing one");
}

/// Go: TestProcessSignalResolveSingleProcess server/signal_test.go:242
#[test]
fn process_signal_resolve_single_process() {
    assert_eq!(run("", &[123], Signal::KILL), (Ok(()), vec![123]));
}

/// Go: TestProcessSignalInvalidPid server/signal_test.go:287
#[test]
fn process_signal_invalid_pid() {
    check_error("abc", &[], "invalid pid: abc");
    check_error("0", &[], "invalid pid: 0");
    check_error("-1", &[], "invalid pid: -1");
}

/// Go: TestProcessSignalQuitProcess server/signal_test.go:298
/// Go: TestProcessSignalTermProcess server/signal_test.go:324
/// Go: TestProcessSignalReopenProcess server/signal_test.go:350
/// Go: TestProcessSignalReloadProcess server/signal_test.go:376
/// Go: TestProcessSignalLameDuckMode server/signal_test.go:402
#[test]
fn a_named_process_gets_the_signal() {
    for signal in [Signal::INT, Signal::TERM, Signal::USR1, Signal::HUP, Signal::USR2] {
        assert_eq!(run("123", &[], signal), (Ok(()), vec![123]));
    }
}

#[test]
fn refusals_are_listed() {
    let send = |_, _| Err(io::Error::from(io::ErrorKind::PermissionDenied));
    let result = send_signal_with("quit", Signal::INT, "123", || Ok(vec![]), send);
    assert_eq!(result.unwrap_err().to_string(), "signal \"quit\" 123: permission denied");
}

#[test]
fn the_ports_file_goes_with_its_owner() {
    let dir = tempfile::tempdir().unwrap();
    let file = write_ports_file(dir.path(), &["nats://127.0.0.1:4222".into()], &[]).unwrap();
    let text = std::fs::read_to_string(&file.path).unwrap();
    assert_eq!(text, r#"{"nats":["nats://127.0.0.1:4222"]}"#);
    let path = file.path.clone();
    assert!(path.to_string_lossy().ends_with(&format!("_{}.ports", std::process::id())));
    drop(file);
    assert!(!path.exists());
}
