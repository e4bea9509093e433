//! Turns configuration text into valid options.
//!
//! Pure: files and environment variables are read through the functions that the caller passes,
//! no certificate is loaded, no clock is read. Text from outside never panics.
//!
//! Source: Go `conf/` (the language), `server/opts.go` (the keys), `server/server.go`
//! (`validateOptions`), `main.go` (the flags).
#![warn(missing_docs)]

mod duration;
mod error;
pub mod flags;
mod imports;
mod jwt;
pub mod language;
mod nkey;
pub mod options;
mod position;
mod quote;
mod read;
pub mod reload;
mod render;
mod source;
mod subjects;
#[cfg(test)]
mod testing;
mod unsupported;
mod url;
mod validate;
mod version;

pub use error::{ConfigError, ConfigErrors};
pub use options::Options;
pub use position::Position;
pub use read::{Loaded, load_file, load_text, parse_bytes};
pub use render::render;
pub use source::{DirectoryState, NoSource, RealSource, Source};
pub use unsupported::{Unsupported, unsupported};
pub use url::{Url, UrlError, UserInfo};
pub use validate::{prepare, validate};
