//! Rules of subjects that a configuration needs.
//!
//! Source: Go `server/sublist.go` (`IsValidSubject`, `SubjectsCollide`), `server/accounts.go`.

/// Tokens that are not empty and hold no white space; `>` only at the end.
pub(crate) fn is_valid(subject: &str) -> bool {
    let mut is_closed = false;
    !subject.is_empty()
        && subject.split('.').all(|token| {
            let is_token = !token.is_empty() && !is_closed && !token.contains(is_space);
            is_closed = token == ">";
            is_token
        })
}

/// Valid, and without wildcards.
pub(crate) fn is_valid_literal(subject: &str) -> bool {
    is_valid(subject) && is_literal(subject)
}

/// Without wildcards.
pub(crate) fn is_literal(subject: &str) -> bool {
    subject.split('.').all(|token| token != "*" && token != ">")
}

/// Is every subject that matches `subject` matched by `filter` too?
pub(crate) fn is_subset(subject: &str, filter: &str) -> bool {
    let mut tokens = subject.split('.');
    for wanted in filter.split('.') {
        match (wanted, tokens.next()) {
            (_, None) => return false,
            (">", Some(_)) => return true,
            ("*", Some(token)) if token != ">" => {}
            (wanted, Some(token)) if wanted == token => {}
            _ => return false,
        }
    }
    tokens.next().is_none()
}

/// Is there a subject that both match?
pub(crate) fn collide(left: &str, right: &str) -> bool {
    let (mut left, mut right) = (left.split('.'), right.split('.'));
    loop {
        match (left.next(), right.next()) {
            (None, None) => return true,
            (None, Some(_)) | (Some(_), None) => return false,
            (Some(">"), Some(_)) | (Some(_), Some(">")) => return true,
            (Some(one), Some(other)) if one == other || one == "*" || other == "*" => {}
            _ => return false,
        }
    }
}

/// A name that can stand as one token in a subject.
pub(crate) fn is_valid_name(name: &str) -> bool {
    !name.is_empty() && !name.contains(|c| is_space(c) || matches!(c, '.' | '*' | '>'))
}

fn is_space(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}
