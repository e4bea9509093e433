//! What every module here starts from: the server under test.

use std::path::PathBuf;

use natsd_testkit::{Launch, Server, testing_go};

/// Path of the binary under test.
pub(crate) fn binary() -> PathBuf {
    natsd_testkit::server_binary(Some(env!("CARGO_BIN_EXE_natsd")))
}

/// A start of the server under test, to be refined.
pub(crate) fn launch() -> Launch {
    Launch::new(&binary())
}

/// A running server with this configuration and a random port.
#[track_caller]
pub(crate) fn server(config: &str) -> Server {
    launch().config(config).start()
}

/// A configuration whose accounts share subjects.
pub(crate) const SHARING: &str = "accounts {
    A { exports [ {stream: a}, {service: b} ] }
    B { imports [ {stream: {account: A, subject: a}}, {service: {account: A, subject: b}} ] }
}";

/// Whether the rest of a test has to wait for `feature`, the last part of a key in `config`.
///
/// On the Go server nothing waits. natsd must still refuse to start with `config`, and name the
/// key. So a test cannot stay switched off once the feature is there.
///
/// # Panics
/// When natsd starts with `config`, or ends for another reason.
#[track_caller]
#[must_use]
pub(crate) fn awaits(feature: &str, config: &str) -> bool {
    if testing_go(&binary()) {
        return false;
    }
    let refused = match launch().config(config).try_start() {
        Ok(_) => panic!("{feature} is supported now: remove the awaits line"),
        Err(error) => format!("{error:#}"),
    };
    assert!(refused.contains("server exited with exit status: 1"), "{refused}");
    let names_feature = |line: &str| line.contains(&format!("{feature}\" is not supported yet: "));
    assert!(
        refused.lines().any(names_feature),
        "{feature} is supported now, or refused without a word: remove the awaits line\n{refused}"
    );
    true
}
