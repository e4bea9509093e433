//! Turns configuration text into valid options.
//!
//! Pure: files and environment variables are read through the functions that the caller passes,
//! no certificate is loaded, no clock is read. Text from outside never panics.
//!
//! Source: Go `conf/` (the language), `server/opts.go` (the keys), `server/server.go`
//! (`validateOptions`), `main.go` (the flags).
#![warn(missing_docs)]

pub mod options;
mod position;
mod quote;
mod url;

pub use options::Options;
pub use position::Position;
pub use url::{Url, UrlError, UserInfo};
