//! What every module here starts from: the server under test.

use std::path::PathBuf;

use natsd_testkit::{Launch, Server};

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
