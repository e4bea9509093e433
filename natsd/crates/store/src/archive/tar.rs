//! A tar archive, in pieces: regular files with their names, and nothing else.
//!
//! A header has 512 bytes:
//!
//! | offset | size | field |
//! |---|---|---|
//! | 0 | 100 | name |
//! | 124 | 12 | size: octal digits, or big endian with the top bit set |
//! | 148 | 8 | sum of all bytes, these eight taken as spaces |
//! | 156 | 1 | type: `0` or 0 a file, `x` extended header of the next one |
//! | 257 | 5 | `ustar` |
//! | 345 | 155 | what comes before the name, with a `/` |
//!
//! Content follows, filled up to 512 bytes; two blocks of zeros are the end. An extended header
//! has lines `SIZE KEY=VALUE`, of which `path` and `size` count. Links, folders, devices and
//! sparse files are refused.
//!
//! Source: POSIX `pax`, as Go's `archive/tar` writes it.

use super::ArchiveError;

const BLOCK_SIZE: usize = 512;
/// Go writes a few lines; names are short.
const EXTENSION_SIZE_MAX: u64 = 64 << 10;

/// What comes next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum TarItem {
    /// A file begins.
    File { name: Vec<u8>, size: u64 },
    /// So many bytes of the input belong to the file.
    Data(usize),
    /// There are no more files.
    End,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Header,
    /// The content of an extended header.
    Extension {
        size: usize,
    },
    Data {
        left: u64,
        padding: usize,
    },
    Padding(usize),
    End,
}

/// Reads the headers of a tar archive.
#[derive(Debug, Default)]
pub(super) struct TarReader {
    state: State,
    /// Of the extended header before a file.
    name: Option<Vec<u8>>,
    size: Option<u64>,
}

impl TarReader {
    /// What comes next in `input`, and how much of that is done; none when more is needed. The
    /// bytes of [`TarItem::Data`] are not done by this.
    pub(super) fn next(
        &mut self,
        input: &[u8],
        offset: u64,
    ) -> Result<(usize, Option<TarItem>), ArchiveError> {
        let mut done = 0;
        loop {
            let rest = input.get(done..).unwrap_or_default();
            let bad = ArchiveError::Invalid { offset: offset + done as u64 };
            match self.state {
                State::End => return Ok((done, Some(TarItem::End))),
                State::Data { left: 0, padding } => self.state = State::Padding(padding),
                State::Padding(0) => self.state = State::Header,
                State::Data { .. } | State::Padding(_) if rest.is_empty() => {
                    return Ok((done, None));
                }
                State::Padding(size) => {
                    let padding = size.min(rest.len());
                    self.state = State::Padding(size - padding);
                    done += padding;
                }
                State::Data { left, padding } => {
                    let size = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                    self.state = State::Data { left: left - size as u64, padding };
                    return Ok((done, Some(TarItem::Data(size))));
                }
                State::Extension { size } => {
                    let whole = size.next_multiple_of(BLOCK_SIZE);
                    let Some(content) = rest.get(..whole) else { return Ok((done, None)) };
                    self.take_extension(content.get(..size).unwrap_or_default()).ok_or(bad)?;
                    self.state = State::Header;
                    done += whole;
                }
                State::Header => {
                    let Some(header) = rest.first_chunk() else { return Ok((done, None)) };
                    done += BLOCK_SIZE;
                    if let Some(item) = self.take_header(header, bad)? {
                        return Ok((done, Some(item)));
                    }
                }
            }
        }
    }

    fn take_header(
        &mut self,
        header: &[u8; BLOCK_SIZE],
        bad: ArchiveError,
    ) -> Result<Option<TarItem>, ArchiveError> {
        if header.iter().all(|&byte| byte == 0) {
            self.state = State::End;
            return Ok(Some(TarItem::End));
        }
        let field = |start: usize, size: usize| header.get(start..start + size).unwrap_or_default();
        let (before, after) = (field(0, 148), field(156, 356));
        let sum: u64 = before.iter().chain(after).map(|&byte| u64::from(byte)).sum();
        let sum = sum + 8 * u64::from(b' ');
        let size = number(field(124, 12));
        let (Some(size), true) = (size, number(field(148, 8)) == Some(sum)) else {
            return Err(bad);
        };
        let name = text(field(0, 100));
        let is_ustar = field(257, 5) == b"ustar";
        let prefix = if is_ustar { text(field(345, 155)) } else { &[] };
        let name = if prefix.is_empty() { name.to_vec() } else { [prefix, b"/", name].concat() };
        match field(156, 1) {
            b"x" => {
                let fits = usize::try_from(size).ok().filter(|_| size <= EXTENSION_SIZE_MAX);
                let (what, limit) = ("extended header", EXTENSION_SIZE_MAX);
                let size = fits.ok_or(ArchiveError::TooLarge { what, size, limit })?;
                self.state = State::Extension { size };
                Ok(None)
            }
            b"0" | b"\0" => {
                let name = self.name.take().unwrap_or(name);
                let size = self.size.take().unwrap_or(size);
                let over = usize::try_from(size % BLOCK_SIZE as u64).map_err(|_| bad)?;
                let padding = (BLOCK_SIZE - over) % BLOCK_SIZE;
                self.state = State::Data { left: size, padding };
                Ok(Some(TarItem::File { name, size }))
            }
            _ => Err(ArchiveError::Unexpected { name: printable(&name) }),
        }
    }

    fn take_extension(&mut self, content: &[u8]) -> Option<()> {
        let mut rest = content;
        while !rest.is_empty() {
            let space = rest.iter().position(|&byte| byte == b' ')?;
            let size: usize = str::from_utf8(rest.get(..space)?).ok()?.parse().ok()?;
            let line = rest.get(space + 1..size)?.strip_suffix(b"\n")?;
            let equals = line.iter().position(|&byte| byte == b'=')?;
            let (key, value) = (line.get(..equals)?, line.get(equals + 1..)?);
            match key {
                b"path" => self.name = Some(value.to_vec()),
                b"size" => self.size = Some(str::from_utf8(value).ok()?.parse().ok()?),
                _ if key.starts_with(b"GNU.sparse") => return None,
                _ => {}
            }
            rest = rest.get(size..)?;
        }
        Some(())
    }
}

/// The number in a field of a header.
fn number(field: &[u8]) -> Option<u64> {
    if let [first, rest @ ..] = field
        && first & 0x80 != 0
    {
        let mut value = u64::from(first & 0x7f);
        for &byte in rest {
            value = value.checked_mul(256)? | u64::from(byte);
        }
        return Some(value);
    }
    let digits = field.trim_ascii_start();
    let end = digits.iter().position(|&byte| byte == b' ' || byte == 0).unwrap_or(digits.len());
    let digits = digits.get(..end)?;
    if digits.is_empty() {
        return Some(0);
    }
    u64::from_str_radix(str::from_utf8(digits).ok()?, 8).ok()
}

/// A field up to its first zero.
fn text(field: &[u8]) -> &[u8] {
    field.split(|&byte| byte == 0).next().unwrap_or_default()
}

/// The beginning of a name, for an error.
pub(super) fn printable(name: &[u8]) -> String {
    String::from_utf8_lossy(name.get(..name.len().min(300)).unwrap_or_default()).into_owned()
}
