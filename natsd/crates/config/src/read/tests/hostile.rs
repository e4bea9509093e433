//! Bytes from anywhere: never a panic, whatever they say.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::rows::ROWS;
use crate::error::ConfigErrors;
use crate::flags::{configure, redact_args};
use crate::language::{Value, digest, parse_text};
use crate::read::parse_bytes;
use crate::render::render;
use crate::source::NoSource;
use crate::testing::MapSource;
use crate::unsupported::unsupported;
use crate::url::Url;

/// Pieces that change what a text means.
const PIECES: &[&str] = &[
    "{",
    "}",
    "[",
    "]",
    "(",
    ")",
    "\n)\n",
    ",",
    ";",
    "\n",
    "\r",
    "\"",
    "'",
    "#",
    "//",
    "=",
    ":",
    " ",
    "$",
    "$A",
    "\\",
    "\\x",
    "\\x41",
    "\\n",
    "-1",
    "1k",
    "99999999999999999999",
    "0.5",
    "1.2.3.4",
    ".",
    "true",
    "\"1s\"",
    "-1s",
    "2016-05-04T18:53:41Z",
    "é",
    "\u{0}",
    "*",
    ">",
    "{{",
    "}}",
    "$1",
    "include x",
    "%",
    "@",
    "[::1]:-1",
    "users",
    "accounts",
    "tls",
    "jetstream",
    "operator: eyJ.eyJ.x",
];

/// Does everything that a server does with a text, and all that an error is used for.
fn run(bytes: &[u8]) {
    match parse_bytes(bytes) {
        Ok(options) => {
            let _ = unsupported(&options);
        }
        Err(errors) => {
            let source = MapSource::default().file("", bytes);
            let _ = (errors.to_string(), render(&errors, &source));
        }
    }
}

#[derive(Clone, Debug)]
enum Edit {
    Insert(Index, &'static str),
    Delete(Index, usize),
    Copy(Index, Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), select(PIECES)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..20_usize).prop_map(|(at, count)| Edit::Delete(at, count)),
        (any::<Index>(), any::<Index>(), 1..40_usize)
            .prop_map(|(from, to, count)| Edit::Copy(from, to, count)),
    ]
}

fn apply(text: &mut Vec<u8>, edit: &Edit) {
    let place = |index: &Index, text: &[u8]| index.index(text.len() + 1);
    match edit {
        Edit::Insert(at, piece) => {
            let at = place(at, text);
            text.splice(at..at, piece.bytes());
        }
        Edit::Delete(at, count) => {
            let at = place(at, text);
            let end = (at + count).min(text.len());
            text.drain(at..end);
        }
        Edit::Copy(from, to, count) => {
            let (from, to) = (place(from, text), place(to, text));
            let end = (from + count).min(text.len());
            let piece = text[from..end].to_vec();
            text.splice(to..to, piece);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn random_bytes_never_panic(bytes in vec(any::<u8>(), 0..200)) {
        run(&bytes);
    }

    #[test]
    fn random_pieces_never_panic(pieces in vec(select(PIECES), 0..60)) {
        run(pieces.concat().as_bytes());
    }

    #[test]
    fn changed_configurations_never_panic(
        row in any::<Index>(),
        edits in vec(edit(), 1..6),
    ) {
        let mut text = row.get(ROWS).text.as_bytes().to_vec();
        for edit in &edits {
            apply(&mut text, edit);
        }
        run(&text);
    }

    #[test]
    fn random_command_lines_never_panic(
        args in vec(prop_oneof![
            select(&["-p", "-c", "-D", "--routes", "--cluster", "-sl", "-T=", "--pass", "-tls"][..])
                .prop_map(str::to_string),
            ".{0,12}",
        ], 0..6),
    ) {
        let _ = configure(&args, &NoSource);
        let mut args = args;
        redact_args(&mut args);
    }

    #[test]
    fn a_url_that_parses_prints_as_one_that_parses_the_same(text in "[a-z]{1,6}://([a-z0-9:%@]{0,8}@)?[a-z0-9.]{1,9}(:[0-9]{1,5})?(/[a-z%0-9 ]{0,6})?") {
        if let Ok(url) = Url::parse(&text) {
            prop_assert_eq!(Url::parse(&url.to_string()), Ok(url));
        }
    }

    #[test]
    fn a_text_survives_quotes(text in "[^\"\\\\\u{0}]{0,40}") {
        let map = parse_text(format!("key = \"{text}\"").as_bytes(), &NoSource).unwrap();
        prop_assert_eq!(&map.get("key").unwrap().value, &Value::String(text.into()));
        prop_assert!(digest(&map).starts_with("sha256:"));
    }
}

#[test]
fn errors_of_many_kinds_print() {
    let errors: ConfigErrors = parse_bytes(b"port: x\nfoo: 1\nwrite_deadline: 3").unwrap_err();
    assert_eq!((errors.errors.len(), errors.warnings.len()), (2, 1));
    run(b"a = \xff\xfe, b = { \xc3");
}
