//! Arguments of control lines: splitting and sizes.
//!
//! Source: Go `server/client.go` (`splitArg`, `processPub`), `server/util.go` (`parseSize`).

/// Digits a size may have. Go: `parseSize` refuses more, so that a size fits 32 bits.
pub(super) const SIZE_DIGITS_MAX: usize = 9;

/// Parses a size: 1 to 9 digits, nothing else.
#[must_use]
pub fn parse_size(text: &[u8]) -> Option<usize> {
    if text.is_empty() || text.len() > SIZE_DIGITS_MAX {
        return None;
    }
    let mut size = 0usize;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        size = size * 10 + usize::from(digit);
    }
    Some(size)
}

/// Splits `line` at runs of bytes for which `separates` holds. Returns how many arguments there
/// are, and the first `N` of them.
#[inline]
pub(super) fn split<const N: usize>(
    line: &[u8],
    separates: impl Fn(u8) -> bool,
) -> (usize, [&[u8]; N]) {
    let mut args: [&[u8]; N] = [&[]; N];
    let mut count = 0;
    let mut rest = line;
    while let Some(start) = rest.iter().position(|byte| !separates(*byte)) {
        let Some((_, from)) = rest.split_at_checked(start) else { break };
        let end = from.iter().position(|byte| separates(*byte)).unwrap_or(from.len());
        let (arg, tail) = from.split_at(end);
        if let Some(slot) = args.get_mut(count) {
            *slot = arg;
        }
        count += 1;
        rest = tail;
    }
    (count, args)
}

/// Separators of `PUB` and `HPUB` lines.
#[inline]
pub(super) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

/// Separators of `SUB` and `UNSUB` lines.
#[inline]
pub(super) fn is_blank_or_line_end(byte: u8) -> bool {
    is_blank(byte) || byte == b'\r' || byte == b'\n'
}
