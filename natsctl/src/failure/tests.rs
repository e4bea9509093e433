//! How failures are shown.

use super::*;

#[track_caller]
fn check(error: anyhow::Error, text: &str, code: u8) {
    assert_eq!(render(&error, false), (text.to_owned(), code));
}

#[test]
fn errors_have_a_line_and_a_hint() {
    check(anyhow::anyhow!("gone"), "error: gone\n", 1);
    check(anyhow::anyhow!("inner").context("outer"), "error: outer: inner\n", 1);
    check(Failure::new("no").hint("say yes").into(), "error: no\nhint: say yes\n", 1);
    check(Failure::usage("bad flag").into(), "error: bad flag\n", 2);
    let wrapped = anyhow::Error::from(Failure::new("no").hint("say yes")).context("while asking");
    check(wrapped, "error: while asking: no\nhint: say yes\n", 1);
}

#[test]
fn color_surrounds_the_labels_only() {
    let (text, _) = render(&Failure::new("no").hint("yes").into(), true);
    assert_eq!(text, "\x1b[1;31merror:\x1b[0m no\n\x1b[1;36mhint:\x1b[0m yes\n");
}

#[test]
fn a_closed_pipe_is_recognised_below_other_causes() {
    let pipe = io::Error::from(io::ErrorKind::BrokenPipe);
    assert!(is_broken_pipe(&anyhow::Error::from(pipe).context("write")));
    assert!(!is_broken_pipe(&anyhow::anyhow!("broken pipe")));
}
