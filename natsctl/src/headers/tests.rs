//! Headers of the command line.

use super::*;

#[test]
fn headers_are_collected_and_sorted() {
    let pairs: Vec<_> = ["B: two words ", "A:1", "A:2", "C:", "D:x:y"]
        .iter()
        .map(|text| parse(text).expect("valid"))
        .collect();
    let map = collect(&pairs);
    assert_eq!(
        sorted(map.as_ref()),
        [("A", vec!["1", "2"]), ("B", vec!["two words"]), ("C", vec![""]), ("D", vec!["x:y"]),]
    );
    assert!(collect(&[]).is_none());
    assert!(sorted(None).is_empty());
}

#[test]
fn bad_headers_say_why() {
    for (text, part) in [
        ("novalue", "Name:Value"),
        (":x", "header \":x\""),
        ("A:x\ny", "cannot hold"),
        ("A\u{e9}:x", "cannot hold"),
    ] {
        let error = parse(text).expect_err(text);
        assert!(error.contains(part), "{text}: {error}");
    }
}
