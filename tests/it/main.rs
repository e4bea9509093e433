//! Integration tests: the built server as a process, spoken to over sockets.
//!
//! The same tests judge any server that `NATS_SERVER_BIN` names. A test that fails on the Go
//! server is a wrong test. Nothing here sleeps: everything waits for a condition with a deadline.

mod accounts;
mod authentication;
mod connz;
mod differential;
mod events;
mod lame_duck;
mod load;
mod logging;
mod monitor;
mod monitoring;
mod nkeys;
mod process;
mod protocol;
mod proxy_protocol;
mod reload;
mod support;
mod tls;
