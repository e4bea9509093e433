//! Names the values that every layer passes around: time, randomness, identifiers, limits, locks.
//!
//! Pure: nothing here reads a clock, a file or a socket.
#![warn(missing_docs)]

mod id;
pub mod limits;
mod os_error;
mod prng;
mod quote;
mod sync;
mod time;

pub use id::{ConnectionId, Nuid};
pub use os_error::os_error;
pub use prng::Prng;
pub use quote::quote;
pub use sync::{LeveledGuard, LeveledMutex};
pub use time::{Timestamp, format_duration, format_go_duration};
