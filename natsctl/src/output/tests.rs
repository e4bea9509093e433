//! Numbers and tables for people.

use super::*;

#[test]
fn numbers_have_commas() {
    for (number, text) in [
        (0, "0"),
        (999, "999"),
        (1_000, "1,000"),
        (12_345, "12,345"),
        (1_234_567, "1,234,567"),
        (u64::MAX, "18,446,744,073,709,551,615"),
    ] {
        assert_eq!(thousands(number), text);
    }
}

#[test]
fn sizes_have_a_fitting_unit() {
    for (size, text) in [
        (0.0, "0 B"),
        (512.0, "512 B"),
        (1536.0, "1.5 KiB"),
        (1024.0 * 1024.0 * 20.3, "20.3 MiB"),
        (1024.0_f64.powi(3), "1.0 GiB"),
        (1024.0_f64.powi(4) * 3.0, "3.0 TiB"),
    ] {
        assert_eq!(bytes(size), text);
    }
}

#[test]
fn tables_align_numbers_to_the_right() {
    let rows = vec![vec!["a".to_owned(), "1".to_owned()], vec!["bb".to_owned(), "200".to_owned()]];
    let text = table(&["Name", "Messages"], &rows, &["Messages"]);
    let expected = "\
┌──────┬──────────┐
│ Name ┆ Messages │
╞══════╪══════════╡
│ a    ┆        1 │
│ bb   ┆      200 │
└──────┴──────────┘";
    assert_eq!(text, expected);
}

#[test]
fn facts_line_up_at_the_colon() {
    let text = facts(&[("Name", "a".to_owned()), ("Id", "b".to_owned())]);
    assert_eq!(text, "Name: a\n  Id: b");
}
