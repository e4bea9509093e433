use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};

use super::{LOCK_FILE, LockError, LockHolder, StoreLock};

#[test]
fn two_never_have_it() {
    let dir = tempfile::tempdir().unwrap();
    let ours = Some(LockHolder { process: Some(std::process::id()) });
    assert_eq!(StoreLock::holder(dir.path()).unwrap(), None);
    for _ in 0..3 {
        let lock = StoreLock::acquire(dir.path()).unwrap();
        let refused = StoreLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(&refused, LockError::InUse { holder, .. } if Some(*holder) == ours));
        let text = refused.to_string();
        assert!(text.starts_with(dir.path().to_str().unwrap()), "{text}");
        assert!(text.contains(&std::process::id().to_string()), "{text}");
        assert!(text.ends_with("has to stop first"), "{text}");
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), ours);
        drop(lock);
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), None);
    }
    let other = tempfile::tempdir().unwrap();
    let _lock = StoreLock::acquire(dir.path()).unwrap();
    let _other = StoreLock::acquire(other.path()).unwrap();
}

#[test]
fn what_is_left_in_the_file_means_nothing() {
    for left in ["", "1", "4294967295", "99999999999999999999999", "x", "\u{fffd}\0"] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(LOCK_FILE), left).unwrap();
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), None, "{left}");
        let _lock = StoreLock::acquire(dir.path()).unwrap();
        let holder = LockHolder { process: Some(std::process::id()) };
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), Some(holder), "{left}");
    }
}

#[test]
fn without_the_directory_there_is_no_lock() {
    let dir = tempfile::tempdir().unwrap();
    let absent = dir.path().join("absent");
    assert!(matches!(StoreLock::acquire(&absent), Err(LockError::Disk { .. })));
    assert_eq!(StoreLock::holder(&absent).unwrap(), None);
}

/// Runs twice: the test starts itself as another process, with the folder in the environment.
#[test]
fn the_death_of_its_process_lets_go_of_it() {
    const FOLDER: &str = "NATSD_TEST_LOCK_FOLDER";
    if let Some(dir) = std::env::var_os(FOLDER) {
        let _lock = StoreLock::acquire(dir.as_ref()).unwrap();
        println!("\nlocked");
        std::io::stdin().read_to_end(&mut Vec::new()).unwrap();
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    for kills in [true, false] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        let name = "lock::tests::the_death_of_its_process_lets_go_of_it";
        command.args(["--exact", name, "--nocapture"]).env(FOLDER, dir.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let is_locked = lines.by_ref().map_while(Result::ok).any(|line| line == "locked");
        assert!(is_locked, "the child has no lock");
        let holder = LockHolder { process: Some(child.id()) };
        let refused = StoreLock::acquire(dir.path()).unwrap_err();
        assert!(matches!(refused, LockError::InUse { holder: found, .. } if found == holder));
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), Some(holder));
        if kills {
            child.kill().unwrap();
        }
        drop(child.stdin.take());
        child.wait().unwrap();
        let left = std::fs::read(dir.path().join(LOCK_FILE)).unwrap();
        assert_eq!(left.is_empty(), !kills);
        assert_eq!(StoreLock::holder(dir.path()).unwrap(), None);
        drop(StoreLock::acquire(dir.path()).unwrap());
    }
}
