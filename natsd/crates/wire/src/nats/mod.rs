//! The NATS client protocol.

mod args;
mod connect;
mod info;
mod json;
mod op;
mod parser;

pub use args::parse_size;
pub use connect::{Connect, InvalidConnect, is_readable_info};
pub use info::Info;
pub use op::{Op, Publish};
pub use parser::{ParseError, Parsed, Parser, ParserLimits};

#[cfg(test)]
mod tests;
