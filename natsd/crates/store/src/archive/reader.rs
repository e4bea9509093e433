//! Reads a backup that comes in pieces.

use std::collections::BTreeSet;

use natsd_subject::subject;

use super::entry::{CONSUMER_PREFIX, EntryHeader, MAGIC, STATE_NAME};
use super::s2::Decoder;
use super::tar::{TarItem, TarReader, printable};
use super::{ArchiveError, ArchiveLimits, SEQ_LIMIT};
use crate::stream_store::StoredMessage;

/// Larger descriptions are refused.
const DOCUMENT_SIZE_MAX: u64 = 16 << 20;
/// Subjects have a size of 16 bits on disk.
const NAME_SIZE_MAX: u64 = u16::MAX as u64;
/// Names of consumers are names of folders.
const CONSUMER_NAME_SIZE_MAX: usize = 255;
/// More of the text of an error is not kept.
const ERROR_SIZE_MAX: usize = 4096;

/// A file of an old backup. There are no others.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ArchivedFile {
    /// `meta.inf`.
    Meta,
    /// `meta.sum`.
    MetaSum,
    /// `msgs/N.blk`.
    Block(u32),
    /// `msgs/index.db`.
    Index,
    /// `obs/NAME/meta.inf`.
    ConsumerMeta(String),
    /// `obs/NAME/meta.sum`.
    ConsumerMetaSum(String),
    /// `obs/NAME/o.dat`.
    ConsumerState(String),
}

impl ArchivedFile {
    /// Its path below the folder of the stream.
    #[must_use]
    pub fn path(&self) -> String {
        match self {
            Self::Meta => "meta.inf".into(),
            Self::MetaSum => "meta.sum".into(),
            Self::Block(number) => format!("msgs/{number}.blk"),
            Self::Index => "msgs/index.db".into(),
            Self::ConsumerMeta(name) => format!("obs/{name}/meta.inf"),
            Self::ConsumerMetaSum(name) => format!("obs/{name}/meta.sum"),
            Self::ConsumerState(name) => format!("obs/{name}/o.dat"),
        }
    }

    /// The largest it may be.
    fn size_max(&self) -> u64 {
        match self {
            Self::Block(_) | Self::Index => u64::MAX,
            Self::Meta | Self::ConsumerMeta(_) | Self::ConsumerState(_) => DOCUMENT_SIZE_MAX,
            Self::MetaSum | Self::ConsumerMetaSum(_) => 64,
        }
    }
}

/// What a name in a tar means.
enum TarName {
    File(ArchivedFile),
    /// Servers before 2.10 kept caches of each block.
    Obsolete,
    Error,
}

impl TarName {
    fn parse(name: &[u8]) -> Option<Self> {
        let name = str::from_utf8(name).ok()?;
        let file = match name {
            "meta.inf" => ArchivedFile::Meta,
            "meta.sum" => ArchivedFile::MetaSum,
            "msgs/index.db" => ArchivedFile::Index,
            "errors.txt" => return Some(Self::Error),
            _ => {
                let (folder, rest) = name.split_once('/')?;
                let (name, file) = match folder {
                    "msgs" => return Self::parse_block(rest),
                    "obs" => rest.split_once('/').filter(|(name, _)| is_consumer_name(name))?,
                    _ => return None,
                };
                match file {
                    "meta.inf" => ArchivedFile::ConsumerMeta(name.into()),
                    "meta.sum" => ArchivedFile::ConsumerMetaSum(name.into()),
                    "o.dat" => ArchivedFile::ConsumerState(name.into()),
                    _ => return None,
                }
            }
        };
        Some(Self::File(file))
    }

    fn parse_block(name: &str) -> Option<Self> {
        let (digits, extension) = name.split_once('.')?;
        let number: u32 = digits.parse().ok()?;
        if number == 0 || number.to_string() != digits {
            return None; // Another spelling would be another file of the same block.
        }
        match extension {
            "blk" => Some(Self::File(ArchivedFile::Block(number))),
            "idx" | "fss" => Some(Self::Obsolete),
            _ => None,
        }
    }
}

/// Whether a name can be that of a consumer, and so of a folder.
pub(super) fn is_consumer_name(name: &str) -> bool {
    let is_bad = |char: char| char.is_control() || char.is_whitespace() || "/\\.*>".contains(char);
    !name.is_empty() && name.len() <= CONSUMER_NAME_SIZE_MAX && !name.contains(is_bad)
}

/// Whether a message can have this subject. Streams hold what was published, valid or not.
fn is_message_subject(name: &[u8]) -> bool {
    !name.is_empty() && subject::is_literal(name)
}

/// What a backup holds, one after the other.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// The state of the stream, as JSON. The first of all in a backup of messages.
    State(&'a [u8]),
    /// A consumer: configuration and state, as JSON. They come before the messages.
    Consumer {
        /// Its name, which can be that of a folder.
        name: &'a str,
        /// JSON.
        content: &'a [u8],
    },
    /// A message. Sequences ascend.
    Message(StoredMessage<'a>),
    /// A file begins, in a backup of files. None comes twice.
    File {
        /// Which.
        file: ArchivedFile,
        /// Its size in bytes, all of which come as [`Item::Data`].
        size: u64,
    },
    /// Bytes of the file that began last.
    Data(&'a [u8]),
    /// The backup is complete. What follows is not looked at.
    End,
}

#[derive(Debug)]
enum Format {
    Unknown,
    /// The header of the entry that is not whole yet.
    Messages(Option<EntryHeader>),
    Files(TarReader),
    End,
}

/// What comes next in a backup of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    State,
    ConsumerOrMessage,
    Message,
}

/// What becomes of the bytes of the file that began last.
#[derive(Debug, Default, PartialEq, Eq)]
enum Content {
    #[default]
    Wanted,
    Skipped,
    /// `errors.txt`.
    Error(Vec<u8>),
}

/// Reads a backup. After each [`ArchiveReader::push`], [`ArchiveReader::next_item`] is to be called
/// until it has nothing more.
#[derive(Debug)]
pub struct ArchiveReader {
    limits: ArchiveLimits,
    decoder: Decoder,
    /// Decompressed.
    plain: Vec<u8>,
    /// What of it is done.
    done: usize,
    /// Where `plain` begins in all uncompressed bytes.
    offset: u64,
    is_ended: bool,
    format: Format,
    expected: Expected,
    content: Content,
    last_seq: u64,
    /// Bytes of messages or files so far.
    bytes: u64,
    seen: BTreeSet<ArchivedFile>,
}

impl ArchiveReader {
    /// A reader that has got nothing yet.
    #[must_use]
    pub fn new(limits: ArchiveLimits) -> Self {
        Self {
            limits,
            decoder: Decoder::default(),
            plain: Vec::new(),
            done: 0,
            offset: 0,
            is_ended: false,
            format: Format::Unknown,
            expected: Expected::State,
            content: Content::Wanted,
            last_seq: 0,
            bytes: 0,
            seen: BTreeSet::new(),
        }
    }

    /// Takes the next bytes of the backup.
    pub fn push(&mut self, bytes: &[u8]) {
        if !self.is_complete() {
            self.decoder.push(bytes);
        }
    }

    /// Says that no more bytes come. An incomplete backup is an error from now on.
    pub fn end(&mut self) {
        self.is_ended = true;
    }

    /// Bytes that are kept until more come.
    #[must_use]
    pub fn buffered(&self) -> usize {
        self.decoder.buffered() + self.plain.capacity()
    }

    /// Whether [`Item::End`] was there.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        matches!(self.format, Format::End)
    }

    /// The next item, or none when more bytes are needed or the backup is complete. After an error
    /// there is nothing more to be had.
    pub fn next_item(&mut self) -> Result<Option<Item<'_>>, ArchiveError> {
        loop {
            // What is returned may point into the buffer, so it is found out first where it is.
            match self.step()? {
                Step::More => {
                    let Some(block) = self.decoder.next_block()? else {
                        return self.at_end().map(|()| None);
                    };
                    self.plain.drain(..self.done);
                    self.offset += self.done as u64;
                    self.done = 0;
                    self.plain.extend_from_slice(&block);
                }
                Step::Again => {}
                Step::Entry(header) => return self.entry(header).map(Some),
                Step::File(file, size) => return Ok(Some(Item::File { file, size })),
                Step::Data(size) => {
                    let start = self.done;
                    self.done += size;
                    let data = self.plain.get(start..self.done).unwrap_or_default();
                    return Ok(Some(Item::Data(data)));
                }
                Step::End => {
                    self.format = Format::End;
                    self.plain = Vec::new();
                    self.done = 0;
                    return Ok(Some(Item::End));
                }
            }
        }
    }

    /// Nothing more is there: is that right?
    fn at_end(&self) -> Result<(), ArchiveError> {
        let is_whole = self.is_complete();
        if self.is_ended && !is_whole { Err(ArchiveError::Truncated) } else { Ok(()) }
    }

    fn here(&self) -> u64 {
        self.offset + self.done as u64
    }

    fn step(&mut self) -> Result<Step, ArchiveError> {
        let offset = self.here();
        let rest = self.plain.get(self.done..).unwrap_or_default();
        match &mut self.format {
            Format::End => Ok(Step::More),
            Format::Unknown => {
                let Some(magic) = rest.first_chunk::<{ MAGIC.len() }>() else {
                    return Ok(Step::More);
                };
                self.format = if magic == MAGIC {
                    self.done += MAGIC.len();
                    Format::Messages(None)
                } else {
                    Format::Files(TarReader::default())
                };
                Ok(Step::Again)
            }
            Format::Messages(None) => {
                let mut after = rest;
                let taken = EntryHeader::take(&mut after);
                let taken = taken.map_err(|_| ArchiveError::Invalid { offset })?;
                let Some(header) = taken else { return Ok(Step::More) };
                self.done += rest.len() - after.len();
                if header.is_end() && self.expected != Expected::State {
                    return Ok(Step::End);
                }
                self.check_header(&header, offset)?;
                self.format = Format::Messages(Some(header));
                Ok(Step::Again)
            }
            Format::Messages(pending @ Some(_)) => {
                let size = |header: &EntryHeader| {
                    header.name_size + header.headers_size + header.body_size
                };
                let whole = pending.take_if(|header| size(header) <= rest.len() as u64);
                Ok(whole.map_or(Step::More, Step::Entry))
            }
            Format::Files(tar) => {
                let (done, item) = tar.next(rest, offset)?;
                self.done += done;
                item.map_or(Ok(Step::More), |item| self.tar_item(item))
            }
        }
    }

    /// Refuses what is too large before it is waited for.
    fn check_header(&mut self, header: &EntryHeader, offset: u64) -> Result<(), ArchiveError> {
        let too_large = |what, size, limit| Err(ArchiveError::TooLarge { what, size, limit });
        if header.name_size > NAME_SIZE_MAX {
            return too_large("name", header.name_size, NAME_SIZE_MAX);
        }
        let size = header.headers_size.checked_add(header.body_size);
        let size = size.ok_or(ArchiveError::Invalid { offset })?;
        let (what, limit) = match header.seq {
            0 => ("description", DOCUMENT_SIZE_MAX),
            _ => ("message", self.limits.message_size_max),
        };
        if size > limit {
            return too_large(what, size, limit);
        }
        self.count(header.name_size + size)?;
        if header.seq > 0 {
            if header.seq <= self.last_seq || header.seq >= SEQ_LIMIT {
                return Err(ArchiveError::OutOfOrder { seq: header.seq });
            }
            self.last_seq = header.seq;
        }
        Ok(())
    }

    fn count(&mut self, size: u64) -> Result<(), ArchiveError> {
        let limit = self.limits.bytes_max;
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > limit {
            return Err(ArchiveError::TooLarge { what: "backup", size: self.bytes, limit });
        }
        Ok(())
    }

    fn entry(&mut self, header: EntryHeader) -> Result<Item<'_>, ArchiveError> {
        let size = |size: u64| usize::try_from(size).expect("checked against the limits");
        let start = self.done;
        let name_end = start + size(header.name_size);
        let headers_end = name_end + size(header.headers_size);
        self.done = headers_end + size(header.body_size);
        let part = |start, end| self.plain.get(start..end).unwrap_or_default();
        let (name, headers) = (part(start, name_end), part(name_end, headers_end));
        let body = part(headers_end, self.done);
        let unexpected = || ArchiveError::Unexpected { name: printable(name) };
        let expected = self.expected;
        if header.seq > 0 {
            if expected == Expected::State || !is_message_subject(name) {
                return Err(unexpected());
            }
            self.expected = Expected::Message;
            let (seq, timestamp) = (header.seq, header.timestamp);
            return Ok(Item::Message(StoredMessage {
                seq,
                timestamp,
                subject: name,
                headers,
                body,
            }));
        }
        let content = part(name_end, self.done);
        match (expected, name.strip_prefix(CONSUMER_PREFIX)) {
            (Expected::State, None) if name == STATE_NAME => {
                self.expected = Expected::ConsumerOrMessage;
                Ok(Item::State(content))
            }
            (Expected::ConsumerOrMessage, Some(name)) => {
                let name = str::from_utf8(name).ok().filter(|name| is_consumer_name(name));
                Ok(Item::Consumer { name: name.ok_or_else(unexpected)?, content })
            }
            _ => Err(unexpected()),
        }
    }

    fn tar_item(&mut self, item: TarItem) -> Result<Step, ArchiveError> {
        if let TarItem::Data(size) = item {
            if self.content == Content::Wanted {
                return Ok(Step::Data(size));
            }
            let data = self.plain.get(self.done..self.done + size).unwrap_or_default();
            if let Content::Error(text) = &mut self.content {
                text.extend(data.iter().take(ERROR_SIZE_MAX - text.len().min(ERROR_SIZE_MAX)));
            }
            self.done += size;
            return Ok(Step::Again);
        }
        if let Content::Error(text) = &self.content {
            return Err(ArchiveError::Failed { text: printable(text) });
        }
        let TarItem::File { name, size } = item else { return Ok(Step::End) };
        self.count(size)?;
        let unexpected = || ArchiveError::Unexpected { name: printable(&name) };
        self.content = match TarName::parse(&name).ok_or_else(unexpected)? {
            TarName::Obsolete => Content::Skipped,
            TarName::Error => Content::Error(Vec::new()),
            TarName::File(file) => {
                let limit = file.size_max();
                if size > limit {
                    return Err(ArchiveError::TooLarge { what: "file", size, limit });
                }
                if !self.seen.insert(file.clone()) {
                    return Err(unexpected());
                }
                self.content = Content::Wanted;
                return Ok(Step::File(file, size));
            }
        };
        Ok(Step::Again)
    }
}

/// What to do next.
enum Step {
    /// Nothing without another block.
    More,
    Again,
    /// An entry is whole.
    Entry(EntryHeader),
    File(ArchivedFile, u64),
    Data(usize),
    End,
}
