//! A filter cut at its wildcards, compared with a subject piece by piece.
//!
//! Source: the role of Go `server/stree/parts.go`; the algorithm is our own.

use smallvec::SmallVec;

use crate::subject::{ANY_TAIL, ANY_TOKEN, SEPARATOR};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part<'a> {
    /// These bytes, separators included.
    Text(&'a [u8]),
    AnyToken,
    AnyTail,
}

/// How far a subject was compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Progress {
    part: usize,
    /// Bytes of the part that were seen; for a wildcard, whether there was any.
    seen: usize,
    /// Whether the rest of the subject no longer matters.
    is_decided: bool,
}

impl Progress {
    pub(super) const START: Self = Self { part: 0, seen: 0, is_decided: false };
    /// Nothing is left to compare.
    pub(super) const DECIDED: Self = Self { part: 0, seen: 0, is_decided: true };
}

/// What may come next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Next {
    /// Only the end of the subject.
    End,
    /// Only this byte.
    Byte(u8),
    /// Several things.
    Any,
}

pub(super) struct CompiledFilter<'a> {
    parts: SmallVec<[Part<'a>; 12]>,
}

impl<'a> CompiledFilter<'a> {
    pub(super) fn new(filter: &'a [u8]) -> Self {
        let mut parts = SmallVec::new();
        let add_text = |parts: &mut SmallVec<[Part<'a>; 12]>, text: &'a [u8]| {
            if !text.is_empty() {
                parts.push(Part::Text(text));
            }
        };
        let mut text_start = 0;
        let mut token_start = 0;
        loop {
            let size = filter[token_start..].iter().position(|&byte| byte == SEPARATOR);
            let token_end = size.map_or(filter.len(), |size| token_start + size);
            let token = &filter[token_start..token_end];
            let part = match token {
                ANY_TOKEN => Some(Part::AnyToken),
                ANY_TAIL if size.is_none() => Some(Part::AnyTail),
                _ => None,
            };
            if let Some(part) = part {
                add_text(&mut parts, &filter[text_start..token_start]);
                parts.push(part);
                text_start = token_end;
            }
            if size.is_none() {
                break;
            }
            token_start = token_end + 1;
        }
        add_text(&mut parts, &filter[text_start..]);
        Self { parts }
    }

    fn part(&self, progress: Progress) -> Option<Part<'a>> {
        self.parts.get(progress.part).copied()
    }

    /// Compares the next bytes of a subject. `None` means that no subject that goes on like this
    /// matches.
    pub(super) fn advance(&self, progress: Progress, bytes: &[u8]) -> Option<Progress> {
        let mut progress = progress;
        let mut bytes = bytes;
        while !bytes.is_empty() && !progress.is_decided {
            match self.part(progress)? {
                Part::Text(text) => {
                    let wanted = &text[progress.seen..];
                    let size = wanted.len().min(bytes.len());
                    if wanted[..size] != bytes[..size] {
                        return None;
                    }
                    bytes = &bytes[size..];
                    progress = if size == wanted.len() {
                        Self::after(progress)
                    } else {
                        Progress { seen: progress.seen + size, ..progress }
                    };
                }
                Part::AnyToken => {
                    let size = bytes.iter().position(|&byte| byte == SEPARATOR);
                    let seen_any = progress.seen > 0 || size != Some(0);
                    if !seen_any {
                        return None; // The token is empty.
                    }
                    bytes = &bytes[size.unwrap_or(bytes.len())..];
                    progress = match size {
                        Some(_) => Self::after(progress),
                        None => Progress { seen: 1, ..progress },
                    };
                }
                Part::AnyTail => return Some(Progress::DECIDED),
            }
        }
        Some(progress)
    }

    fn after(progress: Progress) -> Progress {
        Progress { part: progress.part + 1, seen: 0, is_decided: false }
    }

    /// Whether a subject that ends here matches.
    pub(super) fn is_match(&self, progress: Progress) -> bool {
        let left = self.parts.len() - progress.part;
        progress.is_decided
            || left == 0
            || (left == 1 && progress.seen > 0 && self.part(progress) == Some(Part::AnyToken))
    }

    pub(super) fn next(&self, progress: Progress) -> Next {
        if progress.is_decided {
            return Next::Any;
        }
        match self.part(progress) {
            None => Next::End,
            Some(Part::Text(text)) => Next::Byte(text[progress.seen]),
            Some(Part::AnyToken | Part::AnyTail) => Next::Any,
        }
    }
}
