//! Command lines and programs.

use super::*;

#[test]
fn command_lines_are_split_into_words() {
    for (line, words) in [
        ("jq .", vec!["jq", "."]),
        ("  a\tb  c ", vec!["a", "b", "c"]),
        ("a 'b c' \"d e\"", vec!["a", "b c", "d e"]),
        ("a'b'\"c\"d", vec!["abcd"]),
        (r#"a\ b "c\"d" 'e\f'"#, vec!["a b", "c\"d", "e\\f"]),
        ("a '' b", vec!["a", "", "b"]),
        ("echo $HOME;ls", vec!["echo", "$HOME;ls"]),
    ] {
        assert_eq!(split(line).expect(line), words, "{line}");
    }
    for (line, part) in [("", "empty"), ("   ", "empty"), ("a 'b", "not closed")] {
        assert!(split(line).expect_err(line).contains(part), "{line}");
    }
}

#[tokio::test]
async fn programs_read_the_body_and_the_environment() {
    let words = |line| split(line).expect("valid");
    let output = run(&words("cat"), b"hello", &[]).await.expect("cat works");
    assert_eq!(output, b"hello");
    let large = vec![b'x'; 1 << 20];
    assert_eq!(run(&words("cat"), &large, &[]).await.expect("cat works"), large);
    let output = run(&words("sh -c 'printf %s \"$WHO\"'"), b"", &[("WHO", "joe")]).await;
    assert_eq!(output.expect("sh works"), b"joe");
    // One that does not read its input is no failure.
    assert_eq!(run(&words("true"), &large, &[]).await.expect("true works"), b"");
}

#[tokio::test]
async fn programs_that_fail_are_reported() {
    let words = |line| split(line).expect("valid");
    let error = run(&words("sh -c 'exit 3'"), b"", &[]).await.expect_err("exits with 3");
    assert!(error.to_string().contains("exit status: 3"), "{error}");
    let error = run(&words("/nonexistent/program"), b"", &[]).await.expect_err("not there");
    assert!(error.to_string().contains("cannot start"), "{error}");
}
