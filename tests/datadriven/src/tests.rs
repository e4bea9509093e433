use std::path::PathBuf;

use super::*;

/// A script of its own for one test, removed at the end.
struct Script(PathBuf);

impl Script {
    fn new(name: &str, text: &str) -> Self {
        let name = format!("natsd-datadriven-{}-{name}.txt", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn text(&self) -> String {
        std::fs::read_to_string(&self.0).unwrap()
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

/// Upper-cases the input, says which arguments came, or repeats lines with a blank one between.
fn handle(case: &Case) -> String {
    match case.command.as_str() {
        "upper" => case.input.to_uppercase(),
        "arguments" => format!("{:?} {:?} {}", case.arguments, case.value("n"), case.has("x")),
        "spread" => case.lines().collect::<Vec<_>>().join("\n\n"),
        other => format!("unknown {other}"),
    }
}

const GOOD: &str = "\
# A comment.

upper
one
two
----
ONE
TWO

arguments x n=3
----
[\"x\", \"n=3\"] Some(\"3\") true

spread
a
b
----
----
a

b
----
----

upper
----
";

#[test]
fn a_right_script_passes_and_stays_as_it_is() {
    let script = Script::new("good", GOOD);
    assert_eq!(check(&script.0, false, handle), Ok(()));
    assert_eq!(check(&script.0, true, handle), Ok(()));
    assert_eq!(script.text(), GOOD);
}

#[test]
fn a_wrong_script_names_every_difference_and_can_be_rewritten() {
    let wrong = GOOD.replace("TWO\n", "").replace("a\n\nb", "a");
    let script = Script::new("wrong", &wrong);
    let report = check(&script.0, false, handle).unwrap_err();
    for expected in [":3: upper", "found:\nONE\nTWO\n", ":13: spread", "found:\na\n\nb\n"] {
        assert!(report.contains(expected), "{expected} in {report}");
    }
    assert_eq!(script.text(), wrong);
    assert_eq!(check(&script.0, true, handle), Ok(()));
    assert_eq!(script.text(), GOOD);
}

#[test]
fn a_broken_script_is_an_error() {
    for (name, text, expected) in [
        ("empty", "# nothing\n", "no cases"),
        ("open", "\nupper\na\n", ":2: no ---- after upper"),
        ("fence", "upper\n----\n----\nA\n", ":1: the output of upper has no end"),
    ] {
        let script = Script::new(name, text);
        let error = check(&script.0, false, handle).unwrap_err();
        assert!(error.ends_with(expected), "{error}");
    }
    assert!(check(Path::new("no/such/file"), false, handle).is_err());
}

#[test]
fn escapes_give_bytes() {
    for (text, expected) in [
        ("plain", &b"plain"[..]),
        (r"a\tb\nc\rd\fe\0", b"a\tb\nc\rd\x0ce\0"),
        (r"\s\\\x41\xff", b" \\A\xff"),
    ] {
        assert_eq!(unescape(text).as_deref(), Ok(expected), "{text}");
    }
    for text in [r"\", r"\q", r"\x4", r"\xzz"] {
        assert!(unescape(text).is_err(), "{text}");
    }
}
