//! Integers in seven-bit groups, lowest first, as Go's `encoding/binary` writes them.
//!
//! Signed ones are zigzag-coded. At most ten bytes; a longer or an unfinished one is refused.

const CONTINUES: u8 = 0x80;

/// Appends an unsigned integer.
pub(crate) fn put_unsigned(out: &mut Vec<u8>, value: u64) {
    let mut rest = value;
    loop {
        let low = u8::try_from(rest & 0x7f).expect("seven bits");
        rest >>= 7;
        if rest == 0 {
            out.push(low);
            return;
        }
        out.push(low | CONTINUES);
    }
}

/// Appends a signed integer.
pub(crate) fn put_signed(out: &mut Vec<u8>, value: i64) {
    put_unsigned(out, ((value << 1) ^ (value >> 63)).cast_unsigned());
}

/// Appends a text with its size before it.
pub(crate) fn put_text(out: &mut Vec<u8>, text: &[u8]) {
    put_unsigned(out, text.len() as u64);
    out.extend(text);
}

/// Takes an unsigned integer off the front. Nothing is taken when there is none.
pub(crate) fn take_unsigned(input: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for (index, &byte) in input.iter().enumerate() {
        if index == 9 && byte > 1 {
            return None; // More than 64 bits.
        }
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & CONTINUES == 0 {
            *input = input.get(index + 1..).unwrap_or_default();
            return Some(value);
        }
    }
    None
}

/// Takes a signed integer off the front. Nothing is taken when there is none.
pub(crate) fn take_signed(input: &mut &[u8]) -> Option<i64> {
    let coded = take_unsigned(input)?;
    Some((coded >> 1).cast_signed() ^ -(coded & 1).cast_signed())
}

/// Takes a text with its size before it. `None` when it is not all there.
pub(crate) fn take_text(input: &mut &[u8]) -> Option<Vec<u8>> {
    let size = usize::try_from(take_unsigned(input)?).ok()?;
    let (text, rest) = input.split_at_checked(size)?;
    *input = rest;
    Some(text.to_vec())
}

#[cfg(test)]
mod tests {
    use super::{put_signed, put_unsigned, take_signed, take_unsigned};

    #[test]
    fn integers_come_back_and_damage_is_refused() {
        for value in [0, 1, 127, 128, 300, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_unsigned(&mut bytes, value);
            assert_eq!(take_unsigned(&mut bytes.as_slice()), Some(value));
            let unfinished = &bytes[..bytes.len() - 1];
            assert_eq!(take_unsigned(&mut { unfinished }), None);
        }
        for value in [0, -1, 1, -64, 64, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, value);
            bytes.push(9);
            let mut input = bytes.as_slice();
            assert_eq!(take_signed(&mut input), Some(value));
            assert_eq!(input, [9]);
        }
        assert_eq!(take_unsigned(&mut [0xff; 12].as_slice()), None);
        assert_eq!(take_unsigned(&mut [&[0xff; 9][..], &[2]].concat().as_slice()), None);
    }
}
