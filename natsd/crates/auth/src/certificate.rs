//! Users by the certificate that they show.
//!
//! Source: Go `server/auth.go` (`checkClientTLSCertSubject`).

/// The names in a client's certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CertificateNames {
    /// E-mail addresses, host names and URIs, in the order in which they are tried.
    pub alternatives: Vec<String>,
    /// The subject as RFC 2253 writes it; empty when there is none.
    pub subject: String,
    /// The attributes of the subject, type and value, in the order of the certificate.
    pub attributes: Vec<(String, String)>,
}

impl CertificateNames {
    /// Whether `user` is the subject written as a distinguished name, with its parts in any order.
    pub(crate) fn is_named(&self, user: &str) -> bool {
        let Some(mut wanted) = parse_name(user) else { return false };
        let mut own: Vec<_> = self.attributes.clone();
        wanted.sort();
        own.sort();
        !own.is_empty() && wanted == own
    }
}

/// The attributes of a distinguished name, types in upper case. `None` when the text is none.
fn parse_name(text: &str) -> Option<Vec<(String, String)>> {
    let mut attributes = Vec::new();
    for part in split_unescaped(text) {
        let (kind, value) = part.split_once('=')?;
        let kind = kind.trim().to_ascii_uppercase();
        if kind.is_empty() {
            return None;
        }
        attributes.push((kind, unescape(value.trim())));
    }
    Some(attributes)
}

/// Splits at commas and plus signs that no backslash stands before.
fn split_unescaped(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let (mut start, mut escaped) = (0, false);
    for (at, letter) in text.char_indices() {
        if matches!(letter, ',' | '+') && !escaped {
            parts.push(&text[start..at]);
            start = at + 1;
        }
        escaped = letter == '\\' && !escaped;
    }
    parts.push(&text[start..]);
    parts
}

fn unescape(text: &str) -> String {
    let mut escaped = false;
    let kept = text.chars().filter(|letter| {
        escaped = *letter == '\\' && !escaped;
        !escaped
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::CertificateNames;

    #[test]
    fn a_distinguished_name_is_compared_by_its_parts() {
        let attribute = |kind: &str, value: &str| (kind.to_owned(), value.to_owned());
        let names = CertificateNames {
            attributes: vec![attribute("CN", "Ada, L."), attribute("OU", "math")],
            ..CertificateNames::default()
        };
        for (user, expected) in [
            ("CN=Ada\\, L.,OU=math", true),
            ("ou=math, cn=Ada\\, L.", true),
            ("OU=math+CN=Ada\\, L.", true),
            ("CN=Ada\\, L.", false),
            ("CN=Ada\\, L.,OU=other", false),
            ("ada", false),
            ("", false),
        ] {
            assert_eq!(names.is_named(user), expected, "{user}");
        }
        assert!(!CertificateNames::default().is_named(""));
    }
}
