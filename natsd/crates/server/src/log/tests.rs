use super::{Log, LogError, Sink};
use natsd_config::Options;
use natsd_config::options::LogFormat;
use std::net::UdpSocket;
use std::path::Path;
use tracing::Level;

fn options(path: &Path) -> Options {
    Options { log_file: Some(path.display().to_string()), logtime: true, ..Options::default() }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Go: TestFileLogger logger/log_test.go:104
#[test]
fn file_logger() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats.log");
    let log = Log::open(&Options { logtime: false, ..options(&path) }).unwrap();
    log.write(Level::INFO, false, "foo");
    log.write(Level::ERROR, true, "bar");
    let pid = std::process::id();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("[{pid}] [INF] foo\n[{pid}] [FTL] bar\n"));
}

/// Go: TestFileLoggerSizeLimit logger/log_test.go:166
#[test]
fn file_logger_size_limit() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats.log");
    let log = Log::open(&Options { log_size_limit: 1000, ..options(&path) }).unwrap();
    let line = "x".repeat(400);
    for _ in 0..3 {
        log.write(Level::INFO, false, &line);
    }
    assert_eq!(names(dir.path()).len(), 2, "rotated once");
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.contains("[INF] Rotated log, backup saved as \""), "{text}");
    assert!(text.len() < 300);
}

/// Go: TestFileLoggerSizeLimitAndReopen server/log_test.go:142
/// Go: TestReOpenLogFile server/log_test.go:84
#[test]
fn file_logger_reopen() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats.log");
    let log = Log::open(&options(&path)).unwrap();
    log.write(Level::INFO, false, "first");
    std::fs::rename(&path, dir.path().join("moved.log")).unwrap();
    log.write(Level::INFO, false, "second");
    log.reopen();
    log.write(Level::INFO, false, "third");
    let moved = std::fs::read_to_string(dir.path().join("moved.log")).unwrap();
    assert!(moved.contains("first") && moved.contains("second"));
    let fresh = std::fs::read_to_string(&path).unwrap();
    assert!(fresh.contains("third") && !fresh.contains("second"));
}

/// Go: TestLogMaxArchives test/log_test.go:35
#[test]
fn only_as_many_files_are_kept_as_configured() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats.log");
    std::fs::write(dir.path().join("nats.log.other"), "kept").unwrap();
    let limits = Options { log_size_limit: 10, log_max_files: 3, ..options(&path) };
    let log = Log::open(&limits).unwrap();
    for _ in 0..6 {
        log.write(Level::INFO, false, "something");
    }
    let names = names(dir.path());
    assert_eq!(names.len(), 4, "{names:?}");
    assert!(names.contains(&"nats.log.other".to_owned()));
}

/// Go: TestRemoteSysLogger logger/syslog_test.go:102
/// Go: TestRemoteSysLoggerNotice logger/syslog_test.go:118
/// Go: TestRemoteSysLoggerDebug logger/syslog_test.go:127
/// Go: TestRemoteSysLoggerTrace logger/syslog_test.go:148
#[test]
fn remote_syslog_gets_priority_tag_and_text() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let url = format!("udp://{}", socket.local_addr().unwrap());
    let log = Log::open(&Options { remote_syslog: Some(url), ..Options::default() }).unwrap();
    for (level, fatal, priority) in [
        (Level::INFO, false, 5),
        (Level::ERROR, false, 3),
        (Level::ERROR, true, 2),
        (Level::WARN, false, 4),
        (Level::DEBUG, false, 7),
        (Level::TRACE, false, 5),
    ] {
        log.write(level, fatal, "foo");
        let mut buffer = [0; 500];
        let count = socket.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..count]).unwrap();
        assert!(text.starts_with(&format!("<{priority}>2")), "{text}");
        assert!(text.ends_with(&format!("[{}]: foo\n", std::process::id())), "{text}");
    }
}

/// Go: TestGetNetworkAndAddrUDP logger/syslog_test.go:169
/// Go: TestGetNetworkAndAddrTCP logger/syslog_test.go:181
/// Go: TestGetNetworkAndAddrUnix logger/syslog_test.go:193
#[test]
fn an_unknown_scheme_is_refused() {
    let unknown = Options { remote_syslog: Some("http://x".into()), ..Options::default() };
    assert!(matches!(Log::open(&unknown), Err(LogError::SyslogUrl(_))));
}

/// Go: TestStdLoggerDebugWithOutDebug logger/log_test.go:83
/// Go: TestStdLoggerTraceWithOutDebug logger/log_test.go:97
/// Go: TestStdLoggerWithDebugTraceAndTime logger/log_test.go:45
/// Go: TestSysLogger logger/syslog_test.go:31
/// Go: TestSysLoggerWithDebugAndTrace logger/syslog_test.go:43
/// Go: TestRemoteSysLoggerDebugDisabled logger/syslog_test.go:136
/// Go: TestRemoteSysLoggerTraceDisabled logger/syslog_test.go:157
#[test]
fn debug_and_trace_are_switched_apart() {
    for (debug, trace) in [(false, false), (true, false), (false, true), (true, true)] {
        let log = Log::open(&Options { debug, trace, ..Options::default() }).unwrap();
        let verbosity = log.verbosity();
        assert_eq!(verbosity.admits(Level::DEBUG), debug);
        assert_eq!(verbosity.admits(Level::TRACE), trace);
        assert!(verbosity.admits(Level::INFO) && verbosity.admits(Level::ERROR));
        assert!(matches!(log.state.lock().0, Sink::Stderr { .. }));
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let remote_syslog = Some(format!("udp://{}", socket.local_addr().unwrap()));
        let log =
            Log::open(&Options { debug, trace, remote_syslog, ..Options::default() }).unwrap();
        let verbosity = log.verbosity();
        let admitted = (verbosity.admits(Level::DEBUG), verbosity.admits(Level::TRACE));
        assert_eq!(admitted, (debug, trace));
    }
}

#[test]
fn json_lines_are_json() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("nats.log");
    let log = Log::open(&Options { log_format: LogFormat::Json, ..options(&path) }).unwrap();
    log.write(Level::WARN, false, "a \"quoted\" text");
    let line: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(line["level"], "WRN");
    assert_eq!(line["message"], "a \"quoted\" text");
    assert!(line["time"].is_string() && line["pid"].is_number());
}
