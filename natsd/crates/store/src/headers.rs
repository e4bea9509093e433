//! Reading and rewriting a message's header block: `NATS/1.0`, lines of `Name: value`, an empty
//! line.
//!
//! Source: Go `server/client.go` `sliceHeader`, `removeHeaderIfPrefixPresent`, `genHeader`.

/// The header that makes a message replace earlier ones.
pub(crate) const ROLLUP: &[u8] = b"Nats-Rollup";

const VERSION: &[u8] = b"NATS/1.0\r\n";

/// The value of header `name` without leading spaces. Names are compared as they are written.
pub(crate) fn value<'a>(headers: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    // The first line is the version.
    for line in headers.split(|&byte| byte == b'\n').skip(1) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let value = line.strip_prefix(name).and_then(|rest| rest.strip_prefix(b":"));
        if let Some(value) = value {
            return Some(value.trim_ascii_start());
        }
    }
    None
}

/// The same for a header that counts only when it says something.
pub(crate) fn text<'a>(headers: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    value(headers, name).filter(|value| !value.is_empty())
}

/// A header block that is being written.
#[derive(Debug, Default)]
pub(crate) struct HeaderBlock {
    /// Whole lines, without the version and the empty line at the end.
    lines: Vec<u8>,
}

impl HeaderBlock {
    /// The lines of `headers` that `keep` wants; it is asked with the whole line.
    pub(crate) fn filtered(headers: &[u8], keep: impl Fn(&[u8]) -> bool) -> Self {
        let mut block = Self::default();
        for line in headers.split(|&byte| byte == b'\n').skip(1) {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if !line.is_empty() && keep(line) {
                block.lines.extend_from_slice(line);
                block.lines.extend_from_slice(b"\r\n");
            }
        }
        block
    }

    /// Adds a line.
    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        self.lines.extend([name, b": ", value, b"\r\n"].concat());
    }

    /// The bytes.
    pub(crate) fn finish(self) -> Vec<u8> {
        [VERSION, &self.lines, b"\r\n"].concat()
    }
}
