//! Subject mappings: from a subject that a source filter stands for to a new subject.
//!
//! A destination token is text, a placeholder (`$2`, `{{wildcard(2)}}`), or a function of the
//! source's tokens such as `{{partition(10,1)}}`. Placeholders count the source's `*` from 1.
//! Pure: random numbers are asked of the caller.
//!
//! Source: Go `server/subject_transform.go`, `ValidateMapping` in `server/sublist.go`.

mod error;
mod function;

use smallvec::SmallVec;

pub use error::{DestinationProblem, TransformError};
use function::Function;

use crate::subject::{
    ANY_TAIL, ANY_TOKEN, SEPARATOR, is_subset_match, is_valid_literal_subject, is_well_formed,
    tokens,
};

type Tokens<'a> = SmallVec<[&'a [u8]; 32]>;

/// Which destinations are allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransformMode {
    /// Every function, and wildcards of the source may be left out.
    Any,
    /// For imports, which must be reversible: placeholders only, and every wildcard is used.
    Strict,
}

/// A mapping from one subject space to another.
///
/// Source: Go `server/subject_transform.go` `subjectTransform`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectTransform {
    source: Box<[u8]>,
    destination: Box<[u8]>,
    source_token_count: usize,
    functions: Vec<Function>,
}

impl SubjectTransform {
    /// A transform in [`TransformMode::Any`].
    pub fn new(source: &[u8], destination: &[u8]) -> Result<Option<Self>, TransformError> {
        Self::with_mode(source, destination, TransformMode::Any)
    }

    /// A transform in [`TransformMode::Strict`].
    pub fn new_strict(source: &[u8], destination: &[u8]) -> Result<Option<Self>, TransformError> {
        Self::with_mode(source, destination, TransformMode::Strict)
    }

    /// Compiles a mapping. An empty `source` means `>`; an empty `destination` means that there is
    /// no mapping, which gives `None`.
    ///
    /// Source: Go `server/subject_transform.go` `NewSubjectTransformWithStrict`.
    pub fn with_mode(
        source: &[u8],
        destination: &[u8],
        mode: TransformMode,
    ) -> Result<Option<Self>, TransformError> {
        if destination.is_empty() {
            return Ok(None);
        }
        let source = if source.is_empty() { ANY_TAIL } else { source };
        let has_tail = |subject: &[u8]| tokens(subject).last() == Some(ANY_TAIL);
        if !is_well_formed(source)
            || !is_well_formed(destination)
            || tokens(destination).any(|token| token == ANY_TOKEN)
            || has_tail(source) != has_tail(destination)
        {
            return Err(TransformError::BadSubject);
        }
        let functions = compile(source, destination, mode, has_tail(source))?;
        Ok(Some(Self {
            source: source.into(),
            destination: destination.into(),
            source_token_count: tokens(source).count(),
            functions,
        }))
    }

    /// The filter of the subjects that are mapped.
    pub fn source(&self) -> &[u8] {
        &self.source
    }

    /// The destination as it was given.
    pub fn destination(&self) -> &[u8] {
        &self.destination
    }

    /// The new subject of a literal `subject`, when the source stands for it.
    ///
    /// `random` gives a fresh random number whenever `{{random(n)}}` needs one.
    /// Source: Go `server/subject_transform.go` `Match`.
    pub fn match_subject(
        &self,
        subject: &[u8],
        random: &mut dyn FnMut() -> u32,
    ) -> Result<Vec<u8>, TransformError> {
        if &*self.source == ANY_TAIL && &*self.destination == ANY_TAIL {
            return Ok(subject.to_vec());
        }
        if !is_valid_literal_subject(subject) {
            return Err(TransformError::BadSubject);
        }
        if &*self.source == ANY_TAIL || is_subset_match(subject, &self.source) {
            return Ok(self.transform_subject(subject, random));
        }
        Err(TransformError::NoTransforms)
    }

    /// The new subject of `subject`, which the caller knows to match the source. A token that
    /// `subject` lacks gives no text.
    ///
    /// Source: Go `server/subject_transform.go` `TransformSubject`.
    pub fn transform_subject(&self, subject: &[u8], random: &mut dyn FnMut() -> u32) -> Vec<u8> {
        let subject_tokens: Tokens<'_> = tokens(subject).collect();
        self.transform_tokens(&subject_tokens, random)
    }

    /// [`SubjectTransform::transform_subject`] of a subject that is cut into tokens already.
    ///
    /// Source: Go `server/subject_transform.go` `TransformTokenizedSubject`.
    pub fn transform_tokens(
        &self,
        subject_tokens: &[&[u8]],
        random: &mut dyn FnMut() -> u32,
    ) -> Vec<u8> {
        let mut output = Vec::with_capacity(self.destination.len() + 32);
        for (index, function) in self.functions.iter().enumerate() {
            if index > 0 {
                output.push(SEPARATOR);
            }
            if *function == Function::Tail {
                let rest = subject_tokens.get(self.source_token_count - 1..).unwrap_or(&[]);
                for (index, token) in rest.iter().enumerate() {
                    if index > 0 {
                        output.push(SEPARATOR);
                    }
                    output.extend_from_slice(token);
                }
            } else {
                function.write(subject_tokens, random, &mut output);
            }
        }
        output
    }

    /// The transform back. `None` when the destination uses a function or leaves a wildcard out.
    ///
    /// Differs from Go: right for any order of placeholders, not only where two were swapped.
    /// Source: Go `server/subject_transform.go` `reverse`.
    pub fn reverse(&self) -> Option<Self> {
        let mut source = Vec::with_capacity(self.destination.len());
        let mut wildcard_positions = Vec::new();
        for (token, function) in tokens(&self.destination).zip(&self.functions) {
            let is_wildcard = match function {
                Function::Wildcard { position } => {
                    wildcard_positions.push(*position);
                    true
                }
                Function::Text(_) | Function::Tail => false,
                _ => return None,
            };
            push_token(&mut source, if is_wildcard { ANY_TOKEN } else { token });
        }
        let mut destination = Vec::with_capacity(self.source.len());
        for (position, token) in tokens(&self.source).enumerate() {
            if token == ANY_TOKEN {
                let used = wildcard_positions.iter().position(|&used| used == position)?;
                push_token(&mut destination, format!("${}", used + 1).as_bytes());
            } else {
                push_token(&mut destination, token);
            }
        }
        Self::new_strict(&source, &destination).ok().flatten()
    }
}

fn push_token(subject: &mut Vec<u8>, token: &[u8]) {
    if !subject.is_empty() {
        subject.push(SEPARATOR);
    }
    subject.extend_from_slice(token);
}

fn compile(
    source: &[u8],
    destination: &[u8],
    mode: TransformMode,
    has_tail: bool,
) -> Result<Vec<Function>, TransformError> {
    let wildcards: SmallVec<[usize; 16]> = tokens(source)
        .enumerate()
        .filter(|(_, token)| *token == ANY_TOKEN)
        .map(|(position, _)| position)
        .collect();
    let has_wildcards = has_tail || !wildcards.is_empty();
    let mut placeholder_count = 0;
    let mut functions = Vec::new();
    for token in tokens(destination) {
        let parsed = function::parse(token)?;
        if !has_wildcards && !parsed.is_allowed_for_literal_source() {
            return Err(DestinationProblem::IndexOutOfRange.in_token(token));
        }
        if mode == TransformMode::Strict && has_wildcards && !parsed.is_reversible() {
            return Err(DestinationProblem::NotSupportedForImport.in_token(token));
        }
        placeholder_count += parsed.indexes().len();
        functions.push(if has_wildcards {
            parsed.resolve(token, &wildcards)?
        } else {
            // A literal source has no placeholders: partition hashes the whole subject.
            parsed.without_positions()
        });
    }
    if mode == TransformMode::Strict && has_wildcards && placeholder_count < wildcards.len() {
        return Err(DestinationProblem::NotUsingAllWildcards.in_token(destination));
    }
    Ok(functions)
}

/// Names the wildcards of a filter: `foo.*.*` becomes `foo.$1.$2`.
///
/// Source: Go `server/subject_transform.go` `transformTokenize`.
pub fn tokenize(filter: &[u8]) -> Vec<u8> {
    let mut output = Vec::with_capacity(filter.len() + 8);
    let mut wildcard_count = 0;
    for token in tokens(filter) {
        if token == ANY_TOKEN {
            wildcard_count += 1;
            push_token(&mut output, format!("${wildcard_count}").as_bytes());
        } else {
            push_token(&mut output, token);
        }
    }
    output
}

/// The filter of the subjects that a destination of placeholders gives, and the placeholders in
/// order: `foo.$2.$1` becomes `foo.*.*` with `$2`, `$1`.
///
/// Source: Go `server/subject_transform.go` `transformUntokenize`.
pub fn untokenize(destination: &[u8]) -> (Vec<u8>, Vec<Vec<u8>>) {
    let mut filter = Vec::with_capacity(destination.len());
    let mut placeholders = Vec::new();
    for token in tokens(destination) {
        if function::is_placeholder(token) {
            placeholders.push(token.to_vec());
            push_token(&mut filter, ANY_TOKEN);
        } else {
            push_token(&mut filter, token);
        }
    }
    (filter, placeholders)
}

/// Whether `destination` may be the destination of a mapping from `source`. The empty destination
/// may.
///
/// Accepts `{{left(…)}}` and `{{right(…)}}`, as Go 2.15.1 does; its sources of 2.15.0 did not.
/// Source: Go `server/sublist.go` `ValidateMapping`.
pub fn validate_mapping(source: &[u8], destination: &[u8]) -> Result<(), TransformError> {
    if destination.is_empty() {
        return Ok(());
    }
    let mut tail_seen = false;
    for token in tokens(destination) {
        if token.is_empty() || tail_seen {
            return Err(DestinationProblem::InvalidTransform.in_token(token));
        }
        if function::is_call(token) {
            if !function::is_known_call(token) {
                return Err(DestinationProblem::UnknownFunction.in_token(token));
            }
        } else if token == ANY_TAIL {
            tail_seen = true;
        } else if token.iter().any(|byte| b"\t\n\x0c\r ".contains(byte)) {
            return Err(DestinationProblem::InvalidTransform.in_token(b""));
        }
    }
    SubjectTransform::new(source, destination).map(|_| ())
}

#[cfg(test)]
mod tests;
