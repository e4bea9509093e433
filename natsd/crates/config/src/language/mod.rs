//! The configuration language: text to values.
//!
//! Knows nothing of what keys mean. Source: Go `conf/`.

mod digest;
mod lexer;
mod parser;
mod value;

pub use digest::digest;
pub use parser::{parse_file, parse_text};
pub use value::{Array, Map, Token, Value};
