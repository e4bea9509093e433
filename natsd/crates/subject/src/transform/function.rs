//! One token of a destination: parsing, resolving its placeholders, writing its text.
//!
//! Source: Go `server/subject_transform.go` `indexPlaceHolders`, `TransformTokenizedSubject`.

use smallvec::SmallVec;

use super::error::{DestinationProblem, TransformError};
use crate::subject::{ANY_TAIL, SEPARATOR};

/// What the tokens of the source are cut into.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    SplitFromLeft,
    SplitFromRight,
    SliceFromLeft,
    SliceFromRight,
    Left,
    Right,
}

/// A destination token. Positions count the tokens of the source from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Function {
    Text(Box<[u8]>),
    /// `>`: everything that the source's `>` stands for.
    Tail,
    Wildcard {
        position: usize,
    },
    /// Hash of some tokens modulo `count`; without positions of the whole subject.
    Partition {
        count: u32,
        positions: Vec<usize>,
    },
    /// Random number below the size of `ceiling`.
    Random {
        ceiling: i32,
    },
    Cut {
        cut: Cut,
        position: usize,
        size: usize,
    },
    Split {
        position: usize,
        delimiter: Box<[u8]>,
    },
}

/// A destination token as written: placeholders count the source's wildcards from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Parsed {
    function: Function,
    indexes: SmallVec<[i64; 2]>,
}

impl Parsed {
    fn new(function: Function, indexes: &[i64]) -> Self {
        Self { function, indexes: SmallVec::from_slice(indexes) }
    }

    #[cfg(test)]
    pub(super) fn function(&self) -> &Function {
        &self.function
    }

    pub(super) fn indexes(&self) -> &[i64] {
        &self.indexes
    }

    pub(super) fn is_reversible(&self) -> bool {
        matches!(self.function, Function::Text(_) | Function::Tail | Function::Wildcard { .. })
    }

    pub(super) fn is_allowed_for_literal_source(&self) -> bool {
        matches!(
            self.function,
            Function::Text(_)
                | Function::Tail
                | Function::Partition { .. }
                | Function::Random { .. }
        )
    }

    pub(super) fn without_positions(self) -> Function {
        self.function
    }

    /// Replaces wildcard numbers by positions of tokens. `wildcards` holds the positions of the
    /// source's `*`. Numbers below 1 mean the first token, as in Go.
    pub(super) fn resolve(
        self,
        token: &[u8],
        wildcards: &[usize],
    ) -> Result<Function, TransformError> {
        let mut resolved = Vec::with_capacity(self.indexes.len());
        for &index in &self.indexes {
            let found = match usize::try_from(index).ok().and_then(|index| index.checked_sub(1)) {
                None => 0,
                Some(nth) => *wildcards.get(nth).ok_or_else(|| {
                    let place = [token, format!(": [{index}]").as_bytes()].concat();
                    DestinationProblem::IndexOutOfRange.in_token(&place)
                })?,
            };
            resolved.push(found);
        }
        let first = resolved.first().copied().unwrap_or(0);
        Ok(match self.function {
            Function::Wildcard { .. } => Function::Wildcard { position: first },
            Function::Partition { count, .. } => Function::Partition { count, positions: resolved },
            Function::Cut { cut, size, .. } => Function::Cut { cut, position: first, size },
            Function::Split { delimiter, .. } => Function::Split { position: first, delimiter },
            other @ (Function::Text(_) | Function::Tail | Function::Random { .. }) => other,
        })
    }
}

/// Whether `token` has the form of a function call, `{{…}}`.
pub(super) fn is_call(token: &[u8]) -> bool {
    token.len() > 4 && token.starts_with(b"{{") && token.ends_with(b"}}")
}

/// Whether `token` is a call of a function that exists, whatever its arguments.
pub(super) fn is_known_call(token: &[u8]) -> bool {
    const NAMES: [&str; 10] = [
        "Wildcard",
        "Partition",
        "SplitFromLeft",
        "SplitFromRight",
        "SliceFromLeft",
        "SliceFromRight",
        "Split",
        "Left",
        "Right",
        "Random",
    ];
    call(token).is_some_and(|(name, _)| NAMES.iter().any(|known| is_named(name, known)))
}

/// Whether `token` is `$n` or `{{wildcard(n)}}`.
pub(super) fn is_placeholder(token: &[u8]) -> bool {
    if let [b'$', b'1'..=b'9', ..] = token {
        return true;
    }
    call(token).is_some_and(|(name, text)| {
        is_named(name, "Wildcard") && !text.is_empty() && !text.contains(&b',')
    })
}

/// Name and argument text of a call.
fn call(token: &[u8]) -> Option<(&[u8], &[u8])> {
    if !is_call(token) {
        return None;
    }
    let inside = token[2..token.len() - 2].trim_ascii();
    let open = inside.iter().position(|&byte| byte == b'(')?;
    let arguments = inside[open + 1..].strip_suffix(b")")?;
    Some((inside[..open].trim_ascii_end(), arguments))
}

/// Whether `name` is `known`, where a capital letter of `known` may be small.
fn is_named(name: &[u8], known: &str) -> bool {
    name.len() == known.len()
        && name.iter().zip(known.bytes()).all(|(&byte, wanted)| {
            byte == wanted || (wanted.is_ascii_uppercase() && byte == wanted.to_ascii_lowercase())
        })
}

/// The arguments between commas, without white space after a comma.
fn split_arguments(text: &[u8]) -> Vec<&[u8]> {
    let mut arguments: Vec<&[u8]> = text.split(|&byte| byte == b',').collect();
    for argument in arguments.iter_mut().skip(1) {
        *argument = argument.trim_ascii_start();
    }
    arguments
}

/// A decimal number as Go's `strconv.Atoi` reads it.
fn parse_number(text: &[u8]) -> Option<i64> {
    std::str::from_utf8(text).ok()?.parse().ok()
}

fn trim_spaces(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| byte != b' ').unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| byte != b' ').map_or(start, |last| last + 1);
    &text[start..end]
}

/// Parses a destination token. Text that is no placeholder and no call stands for itself.
pub(super) fn parse(token: &[u8]) -> Result<Parsed, TransformError> {
    if let [b'$', number @ ..] = token {
        // Other subjects begin with `$` too, so what is no number is text.
        if let Some(index) = parse_number(number) {
            return Ok(Parsed::new(Function::Wildcard { position: 0 }, &[index]));
        }
    } else if is_call(token) {
        return parse_call(token).map_err(|problem| problem.in_token(token));
    }
    let function = if token == ANY_TAIL { Function::Tail } else { Function::Text(token.into()) };
    Ok(Parsed::new(function, &[]))
}

fn parse_call(token: &[u8]) -> Result<Parsed, DestinationProblem> {
    let (name, text) = call(token).ok_or(DestinationProblem::UnknownFunction)?;
    let arguments = split_arguments(text);
    let cuts = [
        ("SplitFromLeft", Cut::SplitFromLeft),
        ("SplitFromRight", Cut::SplitFromRight),
        ("SliceFromLeft", Cut::SliceFromLeft),
        ("SliceFromRight", Cut::SliceFromRight),
        ("Right", Cut::Right),
        ("Left", Cut::Left),
    ];
    if let Some(&(_, cut)) = cuts.iter().find(|(known, _)| is_named(name, known)) {
        return parse_cut(cut, &arguments);
    }
    if is_named(name, "Wildcard") {
        return match arguments.as_slice() {
            [b""] => Err(DestinationProblem::NotEnoughArguments),
            [index] => {
                let index = number(index)?;
                Ok(Parsed::new(Function::Wildcard { position: 0 }, &[index]))
            }
            _ => Err(DestinationProblem::TooManyArguments),
        };
    }
    if is_named(name, "Partition") {
        return parse_partition(&arguments);
    }
    if is_named(name, "Split") {
        return parse_split(&arguments);
    }
    if is_named(name, "Random") {
        let [ceiling] = arguments.as_slice() else {
            return Err(DestinationProblem::NotEnoughArguments);
        };
        return Ok(Parsed::new(Function::Random { ceiling: low_bits(number(ceiling)?)? }, &[]));
    }
    Err(DestinationProblem::UnknownFunction)
}

fn number(argument: &[u8]) -> Result<i64, DestinationProblem> {
    parse_number(trim_spaces(argument)).ok_or(DestinationProblem::InvalidArgument)
}

/// The number as Go's conversion to `int32` leaves it; too large is refused, too small wraps.
fn low_bits(number: i64) -> Result<i32, DestinationProblem> {
    if number > i64::from(i32::MAX) {
        return Err(DestinationProblem::InvalidArgument);
    }
    let low = u32::try_from(number.rem_euclid(1 << 32)).expect("a remainder of 2^32 fits");
    Ok(low.cast_signed())
}

fn two<'a>(arguments: &[&'a [u8]]) -> Result<[&'a [u8]; 2], DestinationProblem> {
    match arguments {
        [] | [_] => Err(DestinationProblem::NotEnoughArguments),
        [one, other] => Ok([one, other]),
        _ => Err(DestinationProblem::TooManyArguments),
    }
}

fn parse_cut(cut: Cut, arguments: &[&[u8]]) -> Result<Parsed, DestinationProblem> {
    let [index, size] = two(arguments)?;
    let index = number(index)?;
    let size = i32::try_from(number(size)?).map_err(|_| DestinationProblem::InvalidArgument)?;
    // A size below 1 cuts nothing, just as 0 does.
    let size = usize::try_from(size).unwrap_or(0);
    Ok(Parsed::new(Function::Cut { cut, position: 0, size }, &[index]))
}

fn parse_partition(arguments: &[&[u8]]) -> Result<Parsed, DestinationProblem> {
    let (count, tokens) = arguments.split_first().ok_or(DestinationProblem::NotEnoughArguments)?;
    let count = low_bits(number(count)?)?.cast_unsigned();
    let indexes = tokens.iter().map(|index| number(index)).collect::<Result<Vec<_>, _>>()?;
    Ok(Parsed::new(Function::Partition { count, positions: Vec::new() }, &indexes))
}

fn parse_split(arguments: &[&[u8]]) -> Result<Parsed, DestinationProblem> {
    let [index, delimiter] = two(arguments)?;
    let index = number(index)?;
    if delimiter.contains(&b' ') || delimiter.contains(&SEPARATOR) {
        return Err(DestinationProblem::InvalidArgument);
    }
    Ok(Parsed::new(Function::Split { position: 0, delimiter: delimiter.into() }, &[index]))
}

impl Function {
    /// Appends the text of this token. A token that the subject lacks gives none.
    pub(super) fn write(
        &self,
        tokens: &[&[u8]],
        random: &mut dyn FnMut() -> u32,
        output: &mut Vec<u8>,
    ) {
        let token = |position: usize| tokens.get(position).copied().unwrap_or_default();
        match self {
            Self::Text(text) => output.extend_from_slice(text),
            Self::Tail => output.extend_from_slice(ANY_TAIL),
            Self::Wildcard { position } => output.extend_from_slice(token(*position)),
            Self::Partition { count, positions } => {
                let hash = if positions.is_empty() {
                    let mut hash = Fnv::new();
                    for (index, token) in tokens.iter().enumerate() {
                        if index > 0 {
                            hash.add(b".");
                        }
                        hash.add(token);
                    }
                    hash
                } else {
                    positions.iter().fold(Fnv::new(), |mut hash, &position| {
                        hash.add(token(position));
                        hash
                    })
                };
                write_number(hash.0.checked_rem(*count).unwrap_or(0), output);
            }
            Self::Random { ceiling } => {
                // 31 bits, as Go draws them.
                let drawn = random() >> 1;
                write_number(drawn.checked_rem(ceiling.unsigned_abs()).unwrap_or(0), output);
            }
            Self::Cut { cut, position, size } => write_cut(*cut, token(*position), *size, output),
            Self::Split { position, delimiter } => {
                write_split(token(*position), delimiter, output);
            }
        }
    }
}

fn write_number(number: u32, output: &mut Vec<u8>) {
    output.extend_from_slice(number.to_string().as_bytes());
}

fn write_cut(cut: Cut, token: &[u8], size: usize, output: &mut Vec<u8>) {
    if size == 0 || size >= token.len() {
        output.extend_from_slice(token);
        return;
    }
    let from_right = token.len() - size;
    match cut {
        Cut::Left => output.extend_from_slice(&token[..size]),
        Cut::Right => output.extend_from_slice(&token[from_right..]),
        Cut::SplitFromLeft => write_joined([&token[..size], &token[size..]], output),
        Cut::SplitFromRight => write_joined([&token[..from_right], &token[from_right..]], output),
        Cut::SliceFromLeft => write_joined(token.chunks(size), output),
        Cut::SliceFromRight => {
            let (first, rest) = token.split_at(token.len() % size);
            let first = (!first.is_empty()).then_some(first);
            write_joined(first.into_iter().chain(rest.chunks(size)), output);
        }
    }
}

fn write_joined<'a>(parts: impl IntoIterator<Item = &'a [u8]>, output: &mut Vec<u8>) {
    for (index, part) in parts.into_iter().enumerate() {
        if index > 0 {
            output.push(SEPARATOR);
        }
        output.extend_from_slice(part);
    }
}

/// Writes the parts between delimiters as tokens; empty parts are left out.
fn write_split(token: &[u8], delimiter: &[u8], output: &mut Vec<u8>) {
    if delimiter.is_empty() {
        write_characters(token, output);
        return;
    }
    let mut is_first = true;
    let mut rest = Some(token);
    while let Some(current) = rest {
        let at = current.windows(delimiter.len()).position(|window| window == delimiter);
        let part = &current[..at.unwrap_or(current.len())];
        rest = at.map(|at| &current[at + delimiter.len()..]);
        if part.is_empty() {
            continue;
        }
        if !is_first {
            output.push(SEPARATOR);
        }
        is_first = false;
        output.extend_from_slice(part);
    }
}

/// An empty delimiter splits between all characters.
fn write_characters(token: &[u8], output: &mut Vec<u8>) {
    let mut characters: SmallVec<[&[u8]; 32]> = SmallVec::new();
    for chunk in token.utf8_chunks() {
        let valid = chunk.valid();
        let starts = valid.char_indices();
        characters.extend(
            starts.map(|(start, character)| &valid.as_bytes()[start..start + character.len_utf8()]),
        );
        characters.extend(chunk.invalid().chunks(1));
    }
    write_joined(characters, output);
}

/// FNV-1a with 32 bits, the hash behind `{{partition(…)}}`.
struct Fnv(u32);

impl Fnv {
    fn new() -> Self {
        Self(0x811c_9dc5)
    }

    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}
