//! Why a mapping was refused, in the words that Go uses.
//!
//! Source: Go `server/errors.go` (`ErrInvalidMappingDestination` and its kind).

/// What is wrong with the destination of a mapping.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DestinationProblem {
    /// A token is empty, holds white space, or stands after `>`.
    #[error("invalid transform")]
    InvalidTransform,
    /// A strict transform leaves a wildcard of the source out.
    #[error("not using all of the token wildcard(s)")]
    NotUsingAllWildcards,
    /// `{{…}}` names no function.
    #[error("unknown function")]
    UnknownFunction,
    /// A placeholder names a wildcard that the source does not have.
    #[error("wildcard index out of range")]
    IndexOutOfRange,
    /// An argument is missing.
    #[error("not enough arguments passed to the function")]
    NotEnoughArguments,
    /// An argument is no number in range, or no usable delimiter.
    #[error("function argument is invalid or in the wrong format")]
    InvalidArgument,
    /// There are arguments left over.
    #[error("too many arguments passed to the function")]
    TooManyArguments,
    /// A strict transform uses a function.
    #[error("the only mapping function allowed for import transforms is {{{{Wildcard()}}}}")]
    NotSupportedForImport,
}

impl DestinationProblem {
    /// The error that names the destination token `token`; an empty one is not named.
    pub(super) fn in_token(self, token: &[u8]) -> TransformError {
        TransformError::InvalidDestination {
            problem: self,
            token: String::from_utf8_lossy(token).into_owned(),
        }
    }
}

/// Why a transform could not be made, or does not apply.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransformError {
    /// Source, destination or subject is not valid, or their `>` do not go together.
    #[error("invalid subject")]
    BadSubject,
    /// The source does not stand for the subject.
    #[error("no matching transforms available")]
    NoTransforms,
    /// The destination is not valid.
    #[error("invalid mapping destination: {problem}{}", in_token(token))]
    InvalidDestination {
        /// What is wrong.
        problem: DestinationProblem,
        /// The destination token where it is wrong, or empty.
        token: String,
    },
}

fn in_token(token: &str) -> String {
    if token.is_empty() { String::new() } else { format!(" in {token}") }
}
