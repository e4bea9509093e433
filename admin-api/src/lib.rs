//! Serves the HTTP view of a backend that it knows only by trait.
//!
//! Two routers over one [`AdminBackend`]: Go's monitoring endpoints, open as Go's are, and the
//! management API `/api/v1`, closed to everybody without a token. Knows no server type, so both are
//! tested with a fake backend.
#![warn(missing_docs)]

mod backend;
mod error;
mod lenient;
pub mod monitor;
mod query;
mod serve;
#[cfg(test)]
mod testing;
pub mod v1;

pub use backend::{AdminBackend, Answer, QueryError};
pub use error::AdminError;
pub use serve::{Accept, Plain, serve};
