//! Context files: shared with the `nats` tool, private, and never half written.

use std::os::unix::fs::PermissionsExt;

use super::*;

/// A file as the `nats` tool writes it, with a key of the future.
const FILE: &str = r#"{
  "description": "tests",
  "url": "nats://u:secret@localhost:4222,b:1",
  "socks_proxy": "",
  "token": "",
  "user": "joe",
  "password": "hunter2",
  "creds": "",
  "nkey": "",
  "cert": "",
  "key": "",
  "ca": "",
  "nsc": "",
  "jetstream_domain": "hub",
  "jetstream_api_prefix": "",
  "jetstream_event_prefix": "",
  "inbox_prefix": "",
  "user_jwt": "",
  "user_seed": "",
  "color_scheme": "",
  "tls_first": false,
  "windows_cert_store": "",
  "windows_cert_match_by": "",
  "windows_cert_match": "",
  "windows_ca_certs_match": null,
  "future": {"deep": [1, "x", null]}
}"#;

fn store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().expect("temporary folder");
    let store = Store::at(&folder.path().join("nats"));
    (folder, store)
}

#[test]
fn files_keep_every_key() {
    let before: Value = serde_json::from_str(FILE).expect("JSON");
    let context: Context = serde_json::from_str(FILE).expect("a context");
    assert_eq!(context.user, "joe");
    assert_eq!(serde_json::to_value(&context).expect("JSON"), before);
}

#[test]
fn a_new_context_has_the_keys_of_the_other_tool() {
    let Value::Object(mut known) = serde_json::from_str(FILE).expect("JSON") else { panic!() };
    known.remove("future");
    let Ok(Value::Object(new)) = serde_json::to_value(Context::new()) else { panic!() };
    assert_eq!(new.keys().collect::<Vec<_>>(), known.keys().collect::<Vec<_>>());
}

#[test]
fn contexts_are_saved_selected_and_removed() {
    let (_folder, store) = store();
    assert_eq!(store.names().expect("no folder yet"), Vec::<String>::new());
    assert_eq!(store.selected().expect("no file yet"), None);
    let context: Context = serde_json::from_str(FILE).expect("a context");
    store.save("a", &context).expect("saved");
    store.save("b", &Context::new()).expect("saved");
    assert_eq!(store.names().expect("readable"), ["a", "b"]);
    assert_eq!(store.load("a").expect("readable"), context);

    store.select("a").expect("there");
    store.select("b").expect("there");
    assert_eq!(store.selected().expect("readable").as_deref(), Some("b"));
    assert_eq!(store.previous().expect("readable").as_deref(), Some("a"));
    store.select("b").expect("again");
    assert_eq!(store.previous().expect("readable").as_deref(), Some("a"));

    let error = store.remove("b").expect_err("selected").to_string();
    assert!(error.contains("is the selected one"), "{error}");
    store.remove("a").expect("not selected");
    store.remove("b").expect("the only one");
    assert_eq!(store.selected().expect("readable"), None);
    assert!(store.remove("b").is_err());
}

#[test]
fn unselecting_remembers_what_was() {
    let (_folder, store) = store();
    store.save("a", &Context::new()).expect("saved");
    store.select("a").expect("there");
    assert_eq!(store.unselect().expect("writable").as_deref(), Some("a"));
    assert_eq!(store.unselect().expect("writable"), None);
    assert_eq!(store.previous().expect("readable").as_deref(), Some("a"));
}

#[test]
fn files_are_private_and_nothing_is_left_beside_them() {
    let (_folder, store) = store();
    store.save("a", &Context::new()).expect("saved");
    store.save("a", &Context::new()).expect("saved over");
    let path = store.path("a").expect("allowed");
    let mode = |path: &std::path::Path| path.metadata().expect("there").permissions().mode();
    assert_eq!(mode(&path) & 0o777, 0o600);
    let folder = path.parent().expect("has a folder");
    assert_eq!(mode(folder) & 0o777, 0o700);
    assert_eq!(std::fs::read_dir(folder).expect("readable").count(), 1);
}

#[test]
fn names_cannot_leave_the_folder() {
    let (_folder, store) = store();
    for name in ["", "..", "a/b", "a\\b", "../../etc/passwd"] {
        assert!(store.save(name, &Context::new()).is_err(), "{name}");
        assert!(store.load(name).is_err(), "{name}");
    }
}

#[test]
fn unknown_and_damaged_contexts_are_reported() {
    let (_folder, store) = store();
    let error = store.load("x").expect_err("not there").to_string();
    assert_eq!(error, "there is no context \"x\"");
    store.save("x", &Context::new()).expect("saved");
    std::fs::write(store.path("x").expect("allowed"), "{").expect("written");
    let error = format!("{:#}", store.load("x").expect_err("damaged"));
    assert!(error.contains("is damaged"), "{error}");
}

#[test]
fn secrets_are_not_shown() {
    let mut context: Context = serde_json::from_str(FILE).expect("a context");
    context.token = "env://TOKEN".to_owned();
    context.creds = "data:;base64,c2VjcmV0".to_owned();
    context.user_seed = "SUASECRET".to_owned();
    let shown = context.shown();
    let text = format!("{shown:?}");
    for secret in ["secret@", "hunter2", "c2VjcmV0", "SUASECRET"] {
        assert!(!text.contains(secret), "{text}");
    }
    for pair in [
        ("url", "nats://localhost:4222,b:1"),
        ("token", "env://TOKEN"),
        ("user", "joe"),
        ("password", "********"),
        ("jetstream_domain", "hub"),
    ] {
        assert!(shown.contains(&(pair.0.to_owned(), pair.1.to_owned())), "{pair:?} in {text}");
    }
    assert!(shown.iter().all(|(key, _)| key != "tls_first" && key != "ca"), "{text}");
}

#[test]
fn paths_are_expanded() {
    let environment = |name: &str| match name {
        "HOME" => Some("/home/joe".to_owned()),
        "DIR" => Some("keys".to_owned()),
        _ => None,
    };
    for (path, expected) in [
        ("/a/b", "/a/b"),
        ("~", "/home/joe"),
        ("~/x", "/home/joe/x"),
        ("~x", "~x"),
        ("/a/$DIR/b", "/a/keys/b"),
        ("/a/${DIR}b", "/a/keysb"),
        ("$NONE/b", "/b"),
        ("a$", "a$"),
        ("a$/b", "a$/b"),
        ("${DIR", "${DIR"),
    ] {
        assert_eq!(secret::expand_with(path, environment), expected, "{path}");
    }
}

#[test]
fn secrets_are_read_from_where_they_are() {
    let folder = tempfile::tempdir().expect("temporary folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "from a file").expect("written");
    let path = file.display().to_string();
    let read = |value: &str, bare_is_path| read_secret("creds", value, bare_is_path);
    assert_eq!(read(&path, true).expect("readable"), "from a file");
    assert_eq!(read(&format!("file://{path}"), false).expect("readable"), "from a file");
    assert_eq!(read("plain", false).expect("itself"), "plain");
    assert_eq!(read("data:;base64,aGVsbG8=", true).expect("decoded"), "hello");
    assert_eq!(read("env://CARGO_PKG_NAME", true).expect("set by cargo"), "natsctl");
    for (value, part) in [
        ("data:;base64,!", "not base64"),
        ("data:aGVsbG8=", "not base64"),
        ("env://NATSCTL_NOT_SET", "is not set"),
        ("/nonexistent/file", "cannot read"),
    ] {
        let error = read(value, true).expect_err(value).to_string();
        assert!(error.contains(part) && error.starts_with("creds: "), "{error}");
    }
}

#[test]
fn the_credentials_file_is_found_in_a_profile() {
    for (profile, path) in [
        (r#"{"user_creds": "/a/b.creds", "operator": {"service": []}}"#, Some("/a/b.creds")),
        (r#"{"user_creds": ""}"#, None),
        ("{}", None),
        ("no JSON", None),
    ] {
        assert_eq!(secret::creds_of_profile(profile).as_deref(), path, "{profile}");
    }
}
