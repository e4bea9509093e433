//! Rules of subjects, for text.
//!
//! Source: `natsd-subject`; Go `server/jetstream.go` (`isValidName`).

use natsd_subject::subject;

/// Tokens that are not empty and hold no white space; `>` only at the end.
pub(crate) fn is_valid(text: &str) -> bool {
    subject::is_valid_subject(text.as_bytes())
}

/// Valid, and without wildcards.
pub(crate) fn is_valid_literal(text: &str) -> bool {
    subject::is_valid_literal_subject(text.as_bytes())
}

/// With wildcards.
pub(crate) fn has_wildcard(text: &str) -> bool {
    subject::has_wildcard(text.as_bytes())
}

/// Is every subject that matches `text` matched by `filter` too?
pub(crate) fn is_subset(text: &str, filter: &str) -> bool {
    subject::is_subset_match(text.as_bytes(), filter.as_bytes())
}

/// Is there a subject that both match?
pub(crate) fn collide(left: &str, right: &str) -> bool {
    subject::subjects_collide(left.as_bytes(), right.as_bytes())
}

/// A name that can stand as one token in a subject.
pub(crate) fn is_valid_name(name: &str) -> bool {
    !name.is_empty()
        && !name.contains(|character: char| {
            matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}' | '.' | '*' | '>')
        })
}
