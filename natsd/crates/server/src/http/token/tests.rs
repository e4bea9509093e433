use super::{TokenFile, directory, random};
use std::ffi::OsString;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

#[test]
fn tokens_are_random_and_long() {
    let (first, second) = (random().expect("random"), random().expect("random"));
    assert_ne!(first, second);
    assert_eq!(first.len(), 64);
}

#[test]
fn the_directory_is_the_first_that_there_is() {
    for (set, expected) in [
        (&[("XDG_RUNTIME_DIR", "/run/1"), ("HOME", "/h")][..], Some("/run/1/natsd")),
        (&[("XDG_STATE_HOME", "/s"), ("HOME", "/h")], Some("/s/natsd")),
        (&[("HOME", "/h")], Some("/h/.local/state/natsd")),
        (&[("XDG_RUNTIME_DIR", "relative"), ("HOME", "/h")], Some("/h/.local/state/natsd")),
        (&[("XDG_RUNTIME_DIR", "")], None),
        (&[], None),
    ] {
        let variable = |name: &str| {
            set.iter().find(|(known, _)| *known == name).map(|(_, value)| OsString::from(value))
        };
        assert_eq!(directory(variable), expected.map(PathBuf::from), "{set:?}");
    }
}

#[test]
fn the_file_is_private_and_goes_with_its_owner() {
    let root = tempfile::tempdir().expect("a directory");
    let path = root.path().join("natsd/admin-1.token");
    let first = TokenFile::write(path.clone(), "one").expect("written");
    std::mem::forget(first);
    let second = TokenFile::write(path.clone(), "two").expect("written over what was left");
    assert_eq!(std::fs::read_to_string(second.path()).expect("readable"), "two\n");
    let mode = |path: &std::path::Path| {
        std::fs::metadata(path).expect("there").permissions().mode() & 0o777
    };
    assert_eq!(mode(&path), 0o600);
    assert_eq!(mode(path.parent().expect("a parent")), 0o700);
    drop(second);
    assert!(!path.exists());
}
