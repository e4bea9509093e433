//! Is the JSON contract: monitoring documents, requests, replies and error codes.
//!
//! Only shapes and how they are written; nothing here knows where a value comes from. Fields are
//! named as their JSON keys and stand in the order in which Go prints them.

pub mod admin;
pub mod events;
mod json;
pub mod monitor;
pub mod system;
mod time;

pub use json::{Float, to_compact, to_pretty};
pub use time::{Rfc3339, TimeError};
