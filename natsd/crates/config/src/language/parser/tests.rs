//! Values of texts, ported from Go `conf/parse_test.go`, and the limits that Go does not have.

use serde_json::{Value as Json, json};

use super::{parse_file, parse_text};
use crate::language::digest;
use crate::language::value::{Map, Value};
use crate::source::NoSource;
use crate::testing::MapSource;

fn to_json(value: &Value) -> Json {
    match value {
        Value::String(text) | Value::Datetime(text) => json!(&**text),
        Value::Integer(number) => json!(number),
        Value::Float(number) => json!(number),
        Value::Bool(flag) => json!(flag),
        Value::Array(array) => array.items().iter().map(|token| to_json(&token.value)).collect(),
        Value::Map(map) => map_to_json(map),
    }
}

fn map_to_json(map: &Map) -> Json {
    Json::Object(map.iter().map(|(key, token)| (key.to_string(), to_json(&token.value))).collect())
}

#[track_caller]
fn check_with(source: &MapSource, text: &str, expected: &Json) {
    let map = parse_text(text.as_bytes(), source).unwrap();
    assert_eq!(map_to_json(&map), *expected, "in {text:?}");
}

#[track_caller]
fn check(text: &str, expected: &Json) {
    check_with(&MapSource::default(), text, expected);
}

#[track_caller]
fn check_error(source: &MapSource, text: &str, fragments: &[&str]) {
    let error = parse_text(text.as_bytes(), source).unwrap_err().to_string();
    for fragment in fragments {
        assert!(error.contains(fragment), "{fragment:?} is not in {error:?}");
    }
}

/// Go: TestSimpleTopLevel conf/parse_test.go:53
#[test]
fn simple_top_level() {
    check(
        "foo='1'; bar=2.2; baz=true; boo=22",
        &json!({"foo": "1", "bar": 2.2, "baz": true, "boo": 22}),
    );
}

/// Go: TestBools conf/parse_test.go:63
#[test]
fn bools() {
    for word in ["true", "TRUE", "yes", "on"] {
        check(&format!("foo={word}"), &json!({"foo": true}));
    }
    for word in ["false", "No", "OFF"] {
        check(&format!("foo={word}"), &json!({"foo": false}));
    }
}

/// Go: TestSimpleVariable conf/parse_test.go:79
#[test]
fn simple_variable() {
    check("index = 22\nfoo = $index", &json!({"index": 22, "foo": 22}));
}

/// Go: TestNestedVariable conf/parse_test.go:96
#[test]
fn nested_variable() {
    check(
        "index = 22\nnest {\nindex = 11\nfoo = $index\n}\nbar = $index",
        &json!({"index": 22, "nest": {"index": 11, "foo": 11}, "bar": 22}),
    );
}

/// Go: TestMissingVariable conf/parse_test.go:108
#[test]
fn missing_variable() {
    check_error(
        &MapSource::default(),
        "foo=$index",
        &["variable reference for 'index' on line 1 can not be found"],
    );
}

/// Go: TestEnvVariable conf/parse_test.go:118
/// Go: TestEnvVariableString conf/parse_test.go:128
/// Go: TestEnvVariableStringStartingWithNumberAndSizeUnit conf/parse_test.go:149
/// Go: TestEnvVariableStringStartingWithNumberUsingQuotes conf/parse_test.go:159
#[test]
fn env_variable() {
    let rows = [
        ("22", json!(22)),
        ("xyz", json!("xyz")),
        ("3Gyz", json!("3Gyz")),
        ("'3xyz'", json!("3xyz")),
        ("[a, b]", json!(["a", "b"])),
    ];
    for (value, expected) in rows {
        let source = MapSource::default().variable("UNIQUE", value);
        check_with(&source, "foo = $UNIQUE", &json!({"foo": expected}));
    }
}

/// Go: TestEnvVariableStringStartingWithNumber conf/parse_test.go:138
#[test]
fn env_variable_string_starting_with_number() {
    let source = MapSource::default().variable("UNIQUE", "3xyz");
    check_error(&source, "foo = $%s", &["variable reference for '%s' on line 1 can not be found"]);
}

/// Go: TestBcryptVariable conf/parse_test.go:169
#[test]
fn bcrypt_variable() {
    check("password: $2a$11$ooo", &json!({"password": "$2a$11$ooo"}));
}

/// Go: TestConvenientNumbers conf/parse_test.go:197
#[test]
fn convenient_numbers() {
    let rows: &[(&str, i64)] = &[
        ("8k", 8000),
        ("4kb", 4096),
        ("3ki", 3072),
        ("4ki", 4096),
        ("1m", 1000000),
        ("2MB", 2097152),
        ("2Mi", 2097152),
        ("64MiB", 67108864),
        ("2g", 2000000000),
        ("22GB", 23622320128),
        ("22Gi", 23622320128),
        ("22GiB", 23622320128),
        ("22TB", 24189255811072),
        ("22Ti", 24189255811072),
        ("22TiB", 24189255811072),
        ("22PB", 24769797950537728),
        ("22Pi", 24769797950537728),
        ("22PiB", 24769797950537728),
        ("3t", 3000000000000),
        ("3P", 3000000000000000),
        ("3E", 3000000000000000000),
        ("2eb", 2305843009213693952),
        ("-5k", -5000),
    ];
    for (text, expected) in rows {
        check(&format!("n = {text}"), &json!({"n": expected}));
    }
}

/// Go: TestParseFileWithChecksDigestPreservesConfigKeyUsedAsVariable conf/parse_test.go:221
#[test]
fn parse_file_with_checks_digest_preserves_config_key_used_as_variable() {
    let map = parse_text(b"port = 4222\nmonitor_port = $port", &NoSource).unwrap();
    assert_eq!(map_to_json(&map), json!({"port": 4222, "monitor_port": 4222}));
    assert!(map.get("port").unwrap().is_used_variable);
    assert!(!map.get("monitor_port").unwrap().is_used_variable);
}

/// Go: TestSample1 conf/parse_test.go:249
/// Go: TestSample2 conf/parse_test.go:285
/// Go: TestSample3 conf/parse_test.go:312
/// Go: TestSample4 conf/parse_test.go:329
/// Go: TestSample5 conf/parse_test.go:345
#[test]
fn samples() {
    check(
        r#"
foo  {
  host {
    ip   = '127.0.0.1'
    port = 4242
  }
  servers = [ "a.com", "b.com", "c.com"]
}
"#,
        &json!({"foo": {
            "host": {"ip": "127.0.0.1", "port": 4242},
            "servers": ["a.com", "b.com", "c.com"],
        }}),
    );
    check(
        r"
cluster {
  port: 4244

  authorization {
    user: route_user
    password: top_secret
    timeout: 1
  }

  # Routes are actively solicited and connected to from this server.
  # Other servers can connect to us if they supply the correct credentials
  # in their routes definitions from above.

  // Test both styles of comments

  routes = [
    nats-route://foo:bar@apcera.me:4245
    nats-route://foo:bar@apcera.me:4246
  ]
}
",
        &json!({"cluster": {
            "port": 4244,
            "authorization": {"user": "route_user", "password": "top_secret", "timeout": 1},
            "routes": [
                "nats-route://foo:bar@apcera.me:4245",
                "nats-route://foo:bar@apcera.me:4246",
            ],
        }}),
    );
    check(
        r#"
foo  {
  expr = '(true == "false")'
  text = 'This is a multi-line
text block.'
}
"#,
        &json!({"foo": {
            "expr": "(true == \"false\")",
            "text": "This is a multi-line\ntext block.",
        }}),
    );
    check(
        r#"
  array [
    { abc: 123 }
    { xyz: "word" }
  ]
"#,
        &json!({"array": [{"abc": 123}, {"xyz": "word"}]}),
    );
    check(
        r"
  now = 2016-05-04T18:53:41Z
  gmt = false

",
        &json!({"now": "2016-05-04T18:53:41Z", "gmt": false}),
    );
}

const ALICE: &str = "$2a$10$UHR6GhotWhpLsKtVP0/i6.Nh9.fuY73cWjLoJjb2sKT8KISBcUW5q";
const BOB: &str = "$2a$11$dZM98SpGeI7dCFFGSpt.JObQcix8YHml4TBUZoge9R1uxnMIln5ly";

fn included() -> MapSource {
    MapSource::default()
        .file(
            "conf/simple.conf",
            "listen: 127.0.0.1:4222\n\nauthorization {\n  include 'includes/users.conf' # file\n  \
             timeout: 0.5\n}\n",
        )
        .file(
            "conf/includes/users.conf",
            "include ./passwords.conf;\n\nusers = [\n  {user: alice, password: $ALICE_PASS}\n  \
             {user: bob,   password: $BOB_PASS}\n]\n",
        )
        .file(
            "conf/includes/passwords.conf",
            format!("# Just foo & bar for testing\nALICE_PASS: {ALICE}\nBOB_PASS: {BOB}\n"),
        )
}

/// Go: TestIncludes conf/parse_test.go:354
#[test]
fn includes() {
    let map = parse_file("conf/simple.conf", &included()).unwrap();
    let expected = json!({
        "listen": "127.0.0.1:4222",
        "authorization": {
            "ALICE_PASS": ALICE,
            "BOB_PASS": BOB,
            "users": [
                {"user": "alice", "password": ALICE},
                {"user": "bob", "password": BOB},
            ],
            "timeout": 0.5,
        },
    });
    assert_eq!(map_to_json(&map), expected);
}

/// Go: TestIncludeVariablesWithChecks conf/parse_test.go:400
#[test]
fn include_variables_with_checks() {
    let mut source = included();
    let passwords = source.files["conf/includes/passwords.conf"].clone();
    source = source.file("includes/passwords.conf", passwords);
    let text = "
authorization {

  include \"./includes/passwords.conf\"

  CAROL_PASS: foo

  users = [
   {user: alice, password: $ALICE_PASS}
   {user: bob,   password: $BOB_PASS}
   {user: carol, password: $CAROL_PASS}
  ]
}
";
    let map = parse_text(text.as_bytes(), &source).unwrap();
    let Value::Map(authorization) = &map.get("authorization").unwrap().value else {
        panic!("not a map");
    };
    let rows = [("ALICE_PASS", ALICE, 2, 1), ("BOB_PASS", BOB, 3, 1), ("CAROL_PASS", "foo", 6, 3)];
    for (key, text, line, column) in rows {
        let token = authorization.get(key).unwrap();
        assert_eq!(to_json(&token.value), json!(text));
        assert_eq!((token.line, token.column), (line, column), "{key}");
    }
}

/// Go: TestParserNoInfiniteLoop conf/parse_test.go:439
#[test]
fn parser_no_infinite_loop() {
    for text in ["A@@Føøøø?˛ø:{øøøø˙˙", "include \"9/\u{fffd}"] {
        check_error(&MapSource::default(), text, &["Unexpected EOF"]);
    }
}

/// Go: TestParseWithNoValuesAreInvalid conf/parse_test.go:449
#[test]
fn parse_with_no_values_are_invalid() {
    let rows = [
        ("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "config is invalid (:1:41)"),
        ("              aaaaaaaaaaaaaaaaaaaaaaaaaaa", "config is invalid (:1:41)"),
        ("     aaaaaaaaaaaaaaaaaaaaaaaaaaa         ", "config is invalid (:1:41)"),
        (
            "\n          \t\t# with comments and no spaces to create key values\n         \t\t# is also an invalid config.\n         \t\taaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n                        ",
            "config is invalid (:5:25)",
        ),
        (
            "\n                        a,a,a,a,a,a,a,a,a,a,a\n                        ",
            "config is invalid (:3:25)",
        ),
    ];
    for (text, error) in rows {
        check_error(&MapSource::default(), text, &[error]);
    }
}

/// Go: TestParseWithNoValuesEmptyConfigsAreValid conf/parse_test.go:497
#[test]
fn parse_with_no_values_empty_configs_are_valid() {
    for text in [
        "",
        "\n\n\n                        ",
        "\n                        # just comments with no values\n                        # is still valid.\n                        ",
    ] {
        check(text, &json!({}));
    }
}

/// Go: TestParseWithTrailingBracketsAreValid conf/parse_test.go:529
#[test]
fn parse_with_trailing_brackets_are_valid() {
    check("{}", &json!({}));
    check(
        "\n                        {\n                        # comments in the body\n                        }\n                        ",
        &json!({}),
    );
    check(
        "\n                        accounts { users = [{}]}\n                        }\n                        ",
        &json!({"accounts": {"users": [{}]}}),
    );
    check(
        "{\n                          accounts { users = [{}]}\n                        }\n                        ",
        &json!({"accounts": {"users": [{}]}}),
    );
}

/// Go: TestParseWithNoValuesIncludes conf/parse_test.go:571
#[test]
fn parse_with_no_values_includes() {
    let text = "accounts {
        foo { include 'foo.conf'}
        bar { include 'bar.conf' }
        quux { include 'quux.conf'}
    }";
    let rows = [
        (
            "users = [{user = \"bar\"}]",
            "?????????????",
            "error parsing include file 'quux.conf', config is invalid",
            "quux.conf:1:1",
        ),
        (
            "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
            "\n   # just some comments,\n   # and no key values also ok.\n",
            "error parsing include file 'bar.conf', config is invalid",
            "bar.conf:1:34",
        ),
    ];
    for (bar, quux, error, place) in rows {
        let source =
            MapSource::default().file("foo.conf", "").file("bar.conf", bar).file("quux.conf", quux);
        check_error(&source, text, &[error, place]);
    }
}

/// Go: TestJSONParseCompat conf/parse_test.go:642
#[test]
fn json_parse_compat() {
    check(
        r#"
        {
          "http_port": 8227,
          "port": 4227,
          "write_deadline": "1h",
          "cluster": {
            "port": 6222,
            "routes": [
              "nats://127.0.0.1:4222",
              "nats://127.0.0.1:4223",
              "nats://127.0.0.1:4224"
            ]
          }
        }
        "#,
        &json!({
            "http_port": 8227,
            "port": 4227,
            "write_deadline": "1h",
            "cluster": {
                "port": 6222,
                "routes": [
                    "nats://127.0.0.1:4222",
                    "nats://127.0.0.1:4223",
                    "nats://127.0.0.1:4224",
                ],
            },
        }),
    );
    check(
        r#"{
          "jetstream": {
            "store_dir": "/tmp/nats"
            "max_mem": 1000000,
          },
          "port": 4222,
          "server_name": "nats1"
        }
        "#,
        &json!({
            "jetstream": {"store_dir": "/tmp/nats", "max_mem": 1_000_000},
            "port": 4222,
            "server_name": "nats1",
        }),
    );
    check("{}", &json!({}));
    check("\n   {\n   }\n   ", &json!({}));
    let source = MapSource::default()
        .file("foo.json", r#"{ "users": [ {"user": "foo"} ] }"#)
        .file("bar.json", "{\n \"users\": [ {\"user\": \"bar\"} ]\n }")
        .file("quux.json", "{}");
    check_with(
        &source,
        "
        accounts {
          foo  { include 'foo.json'  }
          bar  { include 'bar.json'  }
          quux { include 'quux.json' }
        }
        ",
        &json!({"accounts": {
            "foo": {"users": [{"user": "foo"}]},
            "bar": {"users": [{"user": "bar"}]},
            "quux": {},
        }}),
    );
}

/// Go: TestBlocks conf/parse_test.go:785
#[test]
fn blocks() {
    check("{ listen: 0.0.0.0:4222 }", &json!({ "listen": "0.0.0.0:4222"}));
    check("{\n\t\t\t\tlisten: 0.0.0.0:4222\n\t\t\t }", &json!({ "listen": "0.0.0.0:4222"}));
    check(
        "\n\t\t\t{\n\t\t\t\tlisten: 0.0.0.0:4222\n\t\t\t}\n\t\t\t# wibble\n\t\t\t",
        &json!({ "listen": "0.0.0.0:4222"}),
    );
    check(
        "\n\t\t\t{\n\t\t\t\t{\n\t\t\t\t\tlisten: 0.0.0.0:4222 // random comment\n\t\t\t\t}\n\t\t\t\t# wibble1\n\t\t\t}\n\t\t\t# wibble2\n\t\t\t",
        &json!({ "listen": "0.0.0.0:4222"}),
    );
    check(
        "\n\t\t\t{\n\t\t\t  \"debug\":              False\n\t\t\t  \"prof_port\":          8221\n\t\t\t  \"server_name\":        \"aws-useast2-natscj1-1\"\n\t\t\t}\n\t\t\t",
        &json!({ "debug": false, "prof_port": 8221, "server_name": "aws-useast2-natscj1-1"}),
    );
    check(
        "\n\t\t\t{\n\t\t\t  \"debug\":              False\n\t\t\t  \"server_name\":        \"gcp-asianortheast3-natscj1-1\"\n\n\t\t\t  # Profile port specification.\n\t\t\t  \"prof_port\":          8221\n\t\t\t}\n\t\t\t",
        &json!({ "debug": false, "prof_port": 8221, "server_name": "gcp-asianortheast3-natscj1-1"}),
    );
}

#[track_caller]
fn check_digest(source: &MapSource, text: &str, expected: &str) {
    assert_eq!(digest(&parse_text(text.as_bytes(), source).unwrap()), expected, "in {text:?}");
}

/// Go: TestParseDigest conf/parse_test.go:896
#[test]
fn parse_digest() {
    let source = MapSource::default();
    let rows = [
        ("foo = bar", "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de"),
        (
            "# Comments and whitespace have no effect\n                        foo = bar\n                        ",
            "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de",
        ),
        (
            "# Syntax changes have no effect\n                        'foo': 'bar'\n                        ",
            "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de",
        ),
        (
            "# Syntax changes have no effect\n                        { 'foo': 'bar' }\n                        ",
            "sha256:226e49e13d16e5e8aa0d62e58cd63361bf097d3e2b2444aa3044334628a2e8de",
        ),
        (
            "# substitutions\n                        BAR_USERS = { users = [ {user = \"bar\"} ]}\n                        hello = 'world'\n                        accounts {\n                          QUUX_USERS = [ { user: quux }]\n                          bar = $BAR_USERS\n                          quux = { users = $QUUX_USERS }\n                        }\n                        very { nested { env { VAR = 'NESTED', quux = $VAR }}}\n                        ",
            "sha256:bddb282343249c26d3edcef9bfaa9d2711505fc67210380e871405ba394a9186",
        ),
        (
            "# substitutions, same as previous one without env vars.\n                        hello = 'world'\n                        accounts {\n                          bar  = { users = [ { user = \"bar\" } ]}\n                          quux = { users = [ { user: quux   } ]}\n                        }\n                        very { nested { env { quux = 'NESTED' }}}\n                        ",
            "sha256:34f8faf3f269fe7509edc4742f20c8c4a7ad51fe21f8b361764314b533ac3ab5",
        ),
        (
            "# substitutions\n                        BAR_USERS = { users = [ {user = \"foo\"} ]}\n                        bar = $BAR_USERS\n                        accounts {\n                          users = $BAR_USERS\n                        }\n                        ",
            "sha256:b0e2ba0b8ec2cb75681b5c5d61789cda0c9942c2f9fe16cdb7f6703364485360",
        ),
        (
            "# substitutions\n                        bar = { users = [ {user = \"foo\"} ]}\n                        accounts {\n                          users = { users = [ {user = \"foo\"} ]}\n                        }\n                        ",
            "sha256:f5d943b4ed22b80c6199203f8a7eaa8eb68ef7b2d46ef6b1b26f05e21f8beb13",
        ),
    ];
    for (text, expected) in rows {
        check_digest(&source, text, expected);
    }
    let source = MapSource::default()
        .file("foo.conf", " users = [{user = \"foo\"}]")
        .file("bar.conf", " users = [{user = \"bar\"}]")
        .file("quux.conf", " users = [{user = \"quux\"}]");
    let rows = [
        (
            "# includes\n\t\t\taccounts {\n                          foo { include 'foo.conf'}\n                          bar { users = [{user = \"bar\"}] }\n                          quux { include 'quux.conf'}\n                        }\n                        ",
            "sha256:e72d70c91b64b0f880f86decb95ec2600cbdcf8bdcd2355fce5ebc54a84a77e9",
        ),
        (
            "# includes\n\t\t\taccounts {\n                          foo { include 'foo.conf'}\n                          bar { include 'bar.conf'}\n                          quux { include 'quux.conf'}\n                        }\n                        ",
            "sha256:e72d70c91b64b0f880f86decb95ec2600cbdcf8bdcd2355fce5ebc54a84a77e9",
        ),
    ];
    for (text, expected) in rows {
        check_digest(&source, text, expected);
    }
}

#[test]
fn deep_or_large_or_cyclic_texts_are_errors() {
    let source = MapSource::default()
        .file("a.conf", "include b.conf")
        .file("b.conf", "include a.conf")
        .variable("A", "$B")
        .variable("B", "$A");
    let mut bomb = "v0 = [x, x, x, x, x, x, x, x]\n".to_string();
    let mut deep = "v0 = {}\n".to_string();
    for index in 1..300 {
        let before = index - 1;
        bomb.push_str(&format!("v{index} = [$v{before}, $v{before}, $v{before}, $v{before}]\n"));
        deep.push_str(&format!("v{index} = {{ k: $v{before} }}\n"));
    }
    let rows: &[(&str, &str)] = &[
        (&format!("a = {}", "[".repeat(100_000)), "nested deeper"),
        (&format!("a = {}", "{ b = ".repeat(100_000)), "nested deeper"),
        (&bomb, "too many values"),
        (&deep, "nested deeper"),
        ("include a.conf", "it includes itself"),
        ("a = $A", "variable reference cycle for 'A'"),
        ("include none.conf", "open none.conf: no such file or directory"),
    ];
    for (text, error) in rows {
        check_error(&source, text, &[error]);
    }
}
