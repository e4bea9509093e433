use super::{Float, to_compact, to_pretty};
use serde_json::json;

#[test]
fn strings_are_escaped_as_go_does() {
    for (text, expected) in [
        ("plain", "\"plain\""),
        ("<a>&", "\"\\u003ca\\u003e\\u0026\""),
        ("\u{2028}\u{2029}é", "\"\\u2028\\u2029é\""),
        ("\"\\\n\u{1}", "\"\\\"\\\\\\n\\u0001\""),
    ] {
        assert_eq!(String::from_utf8_lossy(&to_compact(&text)), expected);
    }
}

#[test]
fn floats_have_no_needless_fraction() {
    for (value, expected) in [
        (0.0, "0"),
        (2.0, "2"),
        (-3.0, "-3"),
        (0.5, "0.5"),
        (0.411_764_705_882_352_9, "0.4117647058823529"),
        (1e16, "10000000000000000"),
    ] {
        assert_eq!(String::from_utf8_lossy(&to_compact(&Float(value))), expected);
    }
    let read: Float = serde_json::from_str("2").expect("a number");
    assert_eq!(read, Float(2.0));
}

#[test]
fn layout_is_that_of_marshal_indent() {
    let value = json!({ "a": [], "b": {}, "c": [1, { "d": null }] });
    let expected = "{\n  \"a\": [],\n  \"b\": {},\n  \"c\": [\n    1,\n    {\n      \"d\": null\n    }\n  ]\n}";
    assert_eq!(String::from_utf8_lossy(&to_pretty(&value, "  ")), expected);
    assert_eq!(String::from_utf8_lossy(&to_pretty(&json!({ "a": 1 }), "   ")), "{\n   \"a\": 1\n}");
}
