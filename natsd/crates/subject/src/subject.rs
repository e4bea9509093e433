//! The rules of subjects: what is valid, what is a wildcard, what matches what.
//!
//! Nothing here allocates. A subject is a list of tokens separated by `.`; in a filter the token
//! `*` stands for any one token and a last token `>` for one or more. A wildcard character inside
//! a longer token is an ordinary character.
//!
//! Source: Go `server/sublist.go` (from `subjectHasWildcard` to `matchLiteral`).

/// The byte between two tokens.
pub const SEPARATOR: u8 = b'.';
/// The token that stands for any one token.
pub const ANY_TOKEN: &[u8] = b"*";
/// The last token that stands for one or more tokens.
pub const ANY_TAIL: &[u8] = b">";

/// The tokens of `subject`, in order. The empty subject has one empty token, as in Go.
pub fn tokens(subject: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    subject.split(|&byte| byte == SEPARATOR)
}

/// How many tokens `subject` has; 0 for the empty subject.
pub fn token_count(subject: &[u8]) -> usize {
    if subject.is_empty() {
        return 0;
    }
    1 + subject.iter().filter(|&&byte| byte == SEPARATOR).count()
}

/// The token at `position`, which counts from 1. Empty when there is no such token.
///
/// Source: Go `server/sublist.go` `tokenAt`.
pub fn token_at(subject: &[u8], position: usize) -> &[u8] {
    let Some(index) = position.checked_sub(1) else { return b"" };
    tokens(subject).nth(index).unwrap_or(b"")
}

/// Splits off the first token; the second part is absent when the first token is the last.
#[inline]
pub(crate) fn split_first_token(subject: &[u8]) -> (&[u8], Option<&[u8]>) {
    match subject.iter().position(|&byte| byte == SEPARATOR) {
        Some(at) => (&subject[..at], Some(&subject[at + 1..])),
        None => (subject, None),
    }
}

fn is_wildcard_token(token: &[u8]) -> bool {
    token == ANY_TOKEN || token == ANY_TAIL
}

fn is_whitespace(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

/// Whether all tokens are there and `>` stands only at the end. Whitespace is allowed.
///
/// This is what the interest tables demand of a filter.
pub fn is_well_formed(subject: &[u8]) -> bool {
    let mut tail_seen = false;
    for token in tokens(subject) {
        if token.is_empty() || tail_seen {
            return false;
        }
        tail_seen = token == ANY_TAIL;
    }
    true
}

/// Whether every token has at least one byte, so that a message may be looked up under it.
pub(crate) fn has_no_empty_token(subject: &[u8]) -> bool {
    let mut previous = SEPARATOR;
    for &byte in subject {
        if byte == SEPARATOR && previous == SEPARATOR {
            return false;
        }
        previous = byte;
    }
    previous != SEPARATOR
}

/// Whether `subject` may be subscribed to: no empty token, no white space (SP, TAB, CR, LF, FF),
/// and `>` only as the last token.
///
/// Source: Go `server/sublist.go` `IsValidSubject`.
pub fn is_valid_subject(subject: &[u8]) -> bool {
    is_well_formed(subject) && !subject.iter().copied().any(is_whitespace)
}

/// [`is_valid_subject`], and the bytes are UTF-8 without NUL and without U+FFFD, which tells of
/// damage. The check for subjects that come from a disk.
///
/// Source: Go `server/sublist.go` `isValidSubject` with `checkRunes`.
pub fn is_valid_stored_subject(subject: &[u8]) -> bool {
    !subject.contains(&0)
        && std::str::from_utf8(subject)
            .is_ok_and(|text| !text.contains(char::REPLACEMENT_CHARACTER))
        && is_valid_subject(subject)
}

/// Whether no token is empty and none is a wildcard. White space is allowed, as in Go.
///
/// Source: Go `server/sublist.go` `IsValidLiteralSubject`.
pub fn is_valid_literal_subject(subject: &[u8]) -> bool {
    tokens(subject).all(|token| !token.is_empty() && !is_wildcard_token(token))
}

/// Whether a message may be published to `subject`: valid and without wildcards.
///
/// Source: Go `server/sublist.go` `IsValidPublishSubject`.
pub fn is_valid_publish_subject(subject: &[u8]) -> bool {
    is_valid_subject(subject) && is_literal(subject)
}

/// Whether no token is a wildcard. Says nothing about validity.
///
/// Source: Go `server/sublist.go` `subjectIsLiteral`.
pub fn is_literal(subject: &[u8]) -> bool {
    // Most subjects hold no wildcard character at all.
    !subject.iter().any(|&byte| byte == b'*' || byte == b'>')
        || !tokens(subject).any(is_wildcard_token)
}

/// Whether some token is a wildcard. Says nothing about validity.
///
/// Source: Go `server/sublist.go` `subjectHasWildcard`.
pub fn has_wildcard(subject: &[u8]) -> bool {
    !is_literal(subject)
}

/// Whether the last token is `>`.
pub fn has_tail_wildcard(subject: &[u8]) -> bool {
    subject == ANY_TAIL || subject.ends_with(b".>")
}

/// Whether the literal subject `literal` is one that `filter` stands for.
///
/// An empty token in `literal` is never matched by a wildcard. A `>` that is not last is an
/// ordinary token.
/// Source: Go `server/sublist.go` `matchLiteral`.
pub fn matches(literal: &[u8], filter: &[u8]) -> bool {
    let mut rest = Some(literal);
    let mut filter = Some(filter);
    while let Some(current) = filter {
        let Some(subject) = rest else { return false };
        let (wanted, filter_rest) = split_first_token(current);
        if wanted == ANY_TAIL && filter_rest.is_none() {
            return !subject.is_empty();
        }
        let (token, subject_rest) = split_first_token(subject);
        if wanted == ANY_TOKEN {
            if token.is_empty() {
                return false;
            }
        } else if token != wanted {
            return false;
        }
        rest = subject_rest;
        filter = filter_rest;
    }
    rest.is_none()
}

/// Whether everything that `subject` stands for is also what `filter` stands for. Both may hold
/// wildcards: `foo.*` is a subset of `>`, `*.*` and `foo.*`, not of `foo.bar`.
///
/// False when either has an empty token in the part that was compared.
/// Differs from Go: a filter token such as `*a` is an ordinary token, because only a lone `*` is
/// a wildcard anywhere else.
/// Source: Go `server/sublist.go` `SubjectMatchesFilter`, `isSubsetMatchTokenized`.
pub fn is_subset_match(subject: &[u8], filter: &[u8]) -> bool {
    let mut subject_tokens = tokens(subject);
    for wanted in tokens(filter) {
        let Some(token) = subject_tokens.next() else { return false };
        if wanted.is_empty() {
            return false;
        }
        if wanted == ANY_TAIL {
            return true;
        }
        if token.is_empty() || token == ANY_TAIL {
            return false;
        }
        if wanted != ANY_TOKEN && token != wanted {
            return false;
        }
    }
    subject_tokens.next().is_none()
}

/// Whether there can be a literal subject that both filters stand for.
///
/// Source: Go `server/sublist.go` `SubjectsCollide`.
pub fn subjects_collide(left: &[u8], right: &[u8]) -> bool {
    if left == right {
        return true;
    }
    let mut left_tokens = tokens(left);
    let mut right_tokens = tokens(right);
    loop {
        match (left_tokens.next(), right_tokens.next()) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(b""), _) | (_, Some(b"")) => return false,
            (Some(one), Some(other)) => {
                if one == ANY_TAIL || other == ANY_TAIL {
                    return true;
                }
                if one != other && one != ANY_TOKEN && other != ANY_TOKEN {
                    return false;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
