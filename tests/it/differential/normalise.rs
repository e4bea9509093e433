//! Makes two servers' answers comparable: values that must differ become `*`.
//!
//! INFO is compared by its keys, their order, and every value that is not listed here. All other
//! bytes count as they are.

use natsd_testkit::escape;

/// Keys of INFO whose values belong to one server or one connection.
const DYNAMIC: [&str; 13] = [
    "server_id",
    "server_name",
    "version",
    "git_commit",
    "go",
    "nonce",
    "xkey",
    "client_id",
    "client_ip",
    "port",
    "connect_urls",
    "ws_connect_urls",
    "leafnode_urls",
];

/// Received bytes as text, one protocol line per line.
pub(super) fn normalise(bytes: &[u8]) -> String {
    let mut text = String::new();
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let masked = line
            .strip_prefix(b"INFO ")
            .and_then(|rest| std::str::from_utf8(rest).ok())
            .and_then(|rest| mask(rest.strip_suffix("\r\n")?));
        match masked {
            Some(masked) => text.push_str(&format!("INFO {masked}\\r\\n\n")),
            None => {
                text.push_str(&escape(line));
                text.push('\n');
            }
        }
    }
    text
}

/// A JSON object with dynamic values replaced, everything else as it came. Nothing when the text
/// is not a JSON object.
fn mask(json: &str) -> Option<String> {
    serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(json.trim()).ok()?;
    let start = json.find('{')?;
    let mut text = json[..=start].to_owned();
    let mut rest = &json[start + 1..];
    while let Some(key_start) = rest.find('"') {
        let key_end = key_start + 1 + rest[key_start + 1..].find('"')?;
        let colon = key_end + rest[key_end..].find(':')?;
        let value_end = colon + 1 + value_length(&rest[colon + 1..]);
        let key = &rest[key_start + 1..key_end];
        text.push_str(&rest[..=colon]);
        let value = &rest[colon + 1..value_end];
        text.push_str(if DYNAMIC.contains(&key) { kind(value) } else { value });
        rest = &rest[value_end..];
    }
    text.push_str(rest);
    Some(text)
}

/// What remains of a masked value: that it is there, and of which kind.
fn kind(value: &str) -> &'static str {
    match value.trim_start().as_bytes().first() {
        Some(b'"') => "\"*\"",
        Some(b'[') => "[*]",
        Some(b'{') => "{*}",
        _ => "*",
    }
}

/// Length of the first value of `text`, up to the comma or the bracket that ends it.
fn value_length(text: &str) -> usize {
    let (mut depth, mut in_string, mut escaped) = (0_u32, false, false);
    for (at, byte) in text.bytes().enumerate() {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'[' | b'{' => depth += 1,
            b',' | b']' | b'}' if depth == 0 => return at,
            b']' | b'}' => depth -= 1,
            _ => {}
        }
    }
    text.len()
}

#[test]
fn only_dynamic_values_are_masked() {
    let cases = [
        (
            r#"INFO {"server_id":"NA","headers":true,"port":4222,"max_payload":10} "#,
            r#"INFO {"server_id":"*","headers":true,"port":*,"max_payload":10} "#,
        ),
        (
            r#"INFO {"connect_urls":["a:1","b:2"],"a":{"go":"x"}}"#,
            r#"INFO {"connect_urls":[*],"a":{"go":"x"}}"#,
        ),
        (r#"INFO {"go":"a\"b,c","x":1}"#, r#"INFO {"go":"*","x":1}"#),
        ("INFO {}", "INFO {}"),
        ("INFO {bad", "INFO {bad"),
        ("MSG port 1 2", "MSG port 1 2"),
    ];
    for (line, expected) in cases {
        assert_eq!(normalise(format!("{line}\r\n").as_bytes()), format!("{expected}\\r\\n\n"));
    }
}
