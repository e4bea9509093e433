use super::Query;

#[test]
fn values_are_found_and_unescaped() {
    for (text, expected) in [
        ("", ""),
        ("a", ""),
        ("a=", ""),
        ("a=1", "1"),
        ("b=2&a=1&a=3", "1"),
        ("%61=x%2By+z", "x+y z"),
        ("a=%zz&a=2", "2"),
        ("a=1;b=2&a=3", "3"),
        ("a=%2", ""),
        ("a=%C3%A9", "é"),
        ("A=1", ""),
        ("a=b=c", "b=c"),
    ] {
        assert_eq!(Query::new(Some(text)).text("a"), expected, "{text}");
    }
    assert_eq!(Query::new(None).text("a"), "");
}

#[test]
fn truths() {
    for (value, expected) in [
        ("", Ok(false)),
        ("1", Ok(true)),
        ("True", Ok(true)),
        ("t", Ok(true)),
        ("FALSE", Ok(false)),
        (
            "tRUE",
            Err(
                "Error decoding boolean for 'a': strconv.ParseBool: parsing \"tRUE\": invalid syntax",
            ),
        ),
        (
            "%22",
            Err(
                "Error decoding boolean for 'a': strconv.ParseBool: parsing \"\\\"\": invalid syntax",
            ),
        ),
    ] {
        let text = format!("a={value}");
        let actual = Query::new(Some(&text)).bool("a").map_err(|error| error.to_string());
        assert_eq!(actual, expected.map_err(str::to_owned), "{value}");
    }
}

#[test]
fn numbers() {
    for (value, expected) in [
        ("", Ok(0)),
        ("5", Ok(5)),
        ("-5", Ok(-5)),
        ("%2B5", Ok(5)),
        ("9223372036854775807", Ok(i64::MAX)),
        ("x", Err("parsing \"x\": invalid syntax")),
        ("1.5", Err("parsing \"1.5\": invalid syntax")),
        ("9223372036854775808", Err("parsing \"9223372036854775808\": value out of range")),
        ("-9223372036854775809", Err("parsing \"-9223372036854775809\": value out of range")),
    ] {
        let text = format!("a={value}");
        let actual = Query::new(Some(&text)).int("a").map_err(|error| error.to_string());
        let expected = expected
            .map_err(|reason| format!("Error decoding int for 'a': strconv.Atoi: {reason}"));
        assert_eq!(actual, expected, "{value}");
    }
}

#[test]
fn numbers_without_sign() {
    for (value, expected) in [
        ("", Ok(0)),
        ("18446744073709551615", Ok(u64::MAX)),
        ("-1", Err("parsing \"-1\": invalid syntax")),
        ("%2B1", Err("parsing \"+1\": invalid syntax")),
        ("18446744073709551616", Err("parsing \"18446744073709551616\": value out of range")),
    ] {
        let text = format!("a={value}");
        let actual = Query::new(Some(&text)).uint("a").map_err(|error| error.to_string());
        let expected = expected.map_err(|reason| {
            format!("Error decoding uint64 for 'a': strconv.ParseUint: {reason}")
        });
        assert_eq!(actual, expected, "{value}");
    }
}
