//! Comparing passwords, plain and bcrypt.
//!
//! Source: Go `server/auth.go` (`comparePasswords`, `isBcrypt`).

/// Whether `password` is the bcrypt hash of one.
#[must_use]
pub fn is_bcrypt(password: &str) -> bool {
    let mut parts = password.split('$');
    matches!((parts.next(), parts.next()), (Some(""), Some("2a" | "2b" | "2x" | "2y")))
        && parts.next().is_some_and(|cost| cost.len() == 2)
}

/// Compares in a time that does not tell how much of the two is equal.
pub(crate) fn equal(expected: &str, given: &str) -> bool {
    let (expected, given) = (expected.as_bytes(), given.as_bytes());
    expected.len() == given.len()
        && expected.iter().zip(given).fold(0, |seen, (one, other)| seen | (one ^ other)) == 0
}

/// A comparison with a bcrypt hash: tens of milliseconds of work.
#[derive(Clone)]
pub struct PasswordCheck {
    pub(crate) hash: String,
    pub(crate) given: String,
}

/// Secrets are left out.
impl core::fmt::Debug for PasswordCheck {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("PasswordCheck")
    }
}

impl PasswordCheck {
    /// The hash that is compared with.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Runs the comparison. A hash that is none compares as unequal.
    #[must_use]
    pub fn run(&self) -> bool {
        bcrypt::verify(&self.given, &self.hash).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::{PasswordCheck, equal, is_bcrypt};

    #[test]
    fn bcrypt_is_told_from_plain() {
        assert!(is_bcrypt("$2a$04$P/.bd.7unw9Ew7yWJqXsl.f4oNRLQGvadEL2YnqQXbbb.IVQajRdK"));
        assert!(!is_bcrypt("$2c$04$abc"));
        assert!(!is_bcrypt("2a$04$abc"));
        assert!(!is_bcrypt("secret"));
    }

    #[test]
    fn passwords_are_compared() {
        assert!(equal("abc", "abc") && !equal("abc", "abd") && !equal("abc", "ab"));
        let hash = bcrypt::hash("top", 4).unwrap();
        let check = |given: &str| PasswordCheck { hash: hash.clone(), given: given.into() }.run();
        assert!(check("top") && !check("tip"));
        assert!(!PasswordCheck { hash: "none".into(), given: "none".into() }.run());
    }
}
