use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64URL_NOPAD;
use natsd_base::{Prng, Timestamp};

use super::{JwtDir, JwtDirConfig, JwtDirError, JwtExpiry, JwtRemoval};
use crate::disk::{Disk, Faults, MemDisk, SimDisk};

const START: Timestamp = Timestamp(1_700_000_000_000_000_000);
const DIR: &str = "/jwt";

fn key(number: u64) -> String {
    format!("A{number:055}")
}

/// A JWT of the account `number`; `exp` seconds from the start, 0 for none.
fn jwt(number: u64, id: u64, issued_at: u64, exp: u64) -> String {
    let start = 1_700_000_000;
    let exp = if exp == 0 { 0 } else { start + exp };
    let issued_at = start + issued_at;
    let subject = key(number);
    let json =
        format!(r#"{{"jti":"{id}","iat":{issued_at},"exp":{exp},"sub":"{subject}","nats":{{}}}}"#);
    format!("e30.{}.c2ln", BASE64URL_NOPAD.encode(json.as_bytes()))
}

fn plain() -> JwtDirConfig {
    JwtDirConfig {
        is_sharded: false,
        creates: true,
        read_only: false,
        removal: None,
        expiry: None,
        is_public_key: |key| key.len() == 56,
    }
}

fn expiring(limit: usize, evicts: bool) -> JwtDirConfig {
    let limit = Some(limit).filter(|&limit| limit > 0);
    JwtDirConfig { expiry: Some(JwtExpiry { limit, evicts, ttl: None }), ..plain() }
}

fn open(disk: &MemDisk, config: &JwtDirConfig) -> JwtDir {
    JwtDir::open(Arc::new(disk.clone()), Path::new(DIR), config.clone(), START).unwrap()
}

fn path(number: u64) -> PathBuf {
    Path::new(DIR).join(format!("{}.jwt", key(number)))
}

/// The accounts whose file is there.
fn files(disk: &MemDisk, of: impl IntoIterator<Item = u64>) -> Vec<u64> {
    of.into_iter().filter(|&number| disk.open(&path(number), false).is_ok()).collect()
}

fn seconds(count: u64) -> Timestamp {
    START + Duration::from_secs(count)
}

/// Go: TestShardedDirStoreWriteAndReadonly server/dirstore_test.go:67
/// Go: TestUnshardedDirStoreWriteAndReadonly server/dirstore_test.go:120
#[test]
fn dir_store_write_and_readonly() {
    for is_sharded in [true, false] {
        let disk = MemDisk::new();
        let config = JwtDirConfig { is_sharded, ..plain() };
        let mut store = open(&disk, &config);
        for number in 1..5 {
            assert!(store.save(&key(number), &format!("jwt {number}"), START).unwrap());
        }
        let read_only = JwtDirConfig { read_only: true, creates: false, ..config };
        for mut store in [store, open(&disk, &read_only)] {
            for number in 1..5 {
                assert_eq!(store.load(&key(number), START).unwrap(), format!("jwt {number}"));
            }
            assert!(matches!(store.load(&key(5), START), Err(JwtDirError::NotFound)));
            for wrong in ["random", "", "../../../../../../../../../../etc/passwd................."]
            {
                assert!(matches!(store.load(wrong, START), Err(JwtDirError::InvalidKey)));
                let saved = store.save(wrong, "x", START);
                let is_refused = match store.is_read_only() {
                    true => matches!(saved, Err(JwtDirError::ReadOnly)),
                    false => matches!(saved, Err(JwtDirError::InvalidKey)),
                };
                assert!(is_refused, "{wrong}");
            }
        }
    }
}

/// Go: TestNoCreateRequiresDir server/dirstore_test.go:175
/// Go: TestCreateMakesDir server/dirstore_test.go:181
/// Go: TestDirStoreInaccessibleParent server/dirstore_test.go:199
#[test]
fn the_folder_is_made_when_the_configuration_says_so() {
    let disk = Arc::new(MemDisk::new());
    let dir = Path::new("/a/b/c");
    let absent = JwtDirConfig { creates: false, ..plain() };
    let opened = JwtDir::open(disk.clone(), dir, absent, START);
    assert!(matches!(opened, Err(JwtDirError::NoDirectory(_))));
    assert!(disk.list(dir).is_err());
    JwtDir::open(disk.clone(), dir, plain(), START).unwrap();
    assert!(disk.list(dir).is_ok());
    // A file in the way, and a disk that refuses.
    disk.open(&dir.join("file"), true).unwrap();
    assert!(JwtDir::open(disk, &dir.join("file/d"), plain(), START).is_err());
    let full = SimDisk::new(1, Faults { capacity: Some(0), ..Faults::default() });
    assert!(JwtDir::open(Arc::new(full), Path::new(DIR), expiring(0, true), START).is_ok());
}

/// Go: TestShardedDirStorePackMerge server/dirstore_test.go:224
/// Go: TestShardedToUnsharedDirStorePackMerge server/dirstore_test.go:299
#[test]
fn packs_are_merged_into_other_folders() {
    let config = JwtDirConfig { is_sharded: true, ..plain() };
    let mut store = open(&MemDisk::new(), &config);
    for number in 1..5 {
        store.save(&key(number), &format!("jwt {number}"), START).unwrap();
    }
    let pack = store.pack(None, START).unwrap();
    for is_sharded in [true, false] {
        let mut merged = open(&MemDisk::new(), &JwtDirConfig { is_sharded, ..plain() });
        let (changed, result) = merged.merge(&pack, START);
        assert!(result.is_ok() && changed.len() == 4);
        for number in 1..5 {
            assert_eq!(merged.load(&key(number), START).unwrap(), format!("jwt {number}"));
        }
        let one = merged.pack(Some(1), START).unwrap();
        let mut limited = open(&MemDisk::new(), &config);
        limited.merge(&one, START).1.unwrap();
        let found = (1..5).filter(|&number| limited.load(&key(number), START).is_ok());
        assert_eq!(found.count(), 1);
    }
    // Up to the line that is wrong.
    let mut other = open(&MemDisk::new(), &config);
    let user = format!("U{:055}", 1);
    for wrong in [format!("{user}|x"), "random|x".to_owned(), "one".to_owned(), "a|b|c".to_owned()]
    {
        let pack = format!("\n{}|new {wrong}\n{wrong}\n{}|x", key(7), key(8));
        let (changed, result) = other.merge(&pack.replace("new a|b|c", "new"), START);
        assert!(result.is_err() && changed.len() <= 1, "{wrong}");
        assert!(other.load(&key(8), START).is_err());
    }
}

/// Go: TestMergeOnlyOnNewer server/dirstore_test.go:358
#[test]
fn merge_only_on_newer() {
    let mut store = open(&MemDisk::new(), &JwtDirConfig { is_sharded: true, ..plain() });
    let (old, new) = (jwt(1, 1, 0, 0), jwt(1, 2, 2, 0));
    store.save(&key(1), &old, START).unwrap();
    assert!(store.save_if_newer(&key(1), &new, START).unwrap());
    for stale in [&old, &new] {
        assert!(!store.save_if_newer(&key(1), stale, START).unwrap());
        assert_eq!(store.load(&key(1), START).unwrap(), new);
    }
    let other = store.save_if_newer(&key(1), &jwt(2, 3, 5, 0), START);
    assert!(matches!(other, Err(JwtDirError::OtherSubject)));
    let garbage = store.save_if_newer(&key(1), "no.jwt", START);
    assert!(matches!(garbage, Err(JwtDirError::InvalidJwt)));
    assert!(matches!(store.save(&key(1), "", START), Err(JwtDirError::InvalidJwt)));
    assert_eq!(store.load(&key(1), START).unwrap(), new);
}

/// Go: TestExpiration server/dirstore_test.go:444
#[test]
fn expiration() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(10, true));
    assert_eq!(store.hash(), [0; 32]);
    store.save(&key(1), &jwt(1, 1, 0, 100), START).unwrap();
    let hash = store.hash();
    assert_ne!(hash, [0; 32]);
    store.save(&key(2), &jwt(2, 1, 0, 1), START).unwrap();
    assert_ne!(store.hash(), hash);
    assert_eq!((store.tracked(), store.next_expiration()), (2, Some(seconds(1))));
    assert_eq!(store.pack(None, seconds(1)).unwrap().lines().count(), 2);
    assert_eq!(store.pack(None, seconds(2)).unwrap().lines().count(), 1);
    assert!(store.expire(START).unwrap().is_empty());
    assert_eq!(store.expire(seconds(1)).unwrap(), [key(2)]);
    assert_eq!((store.tracked(), store.hash()), (1, hash));
    assert_eq!(files(&disk, 1..3), [1]);
}

/// Go: TestLimit server/dirstore_test.go:481
#[test]
fn limit() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(5, true));
    for id in 0..10 {
        store.save(&key(100), &jwt(100, id, 0, 50), START).unwrap();
        assert_eq!(store.tracked(), 1);
    }
    let mut hash = store.hash();
    for number in 0..10 {
        store.save(&key(number), &jwt(number, 1, 0, number), START).unwrap();
        assert_ne!(store.hash(), hash);
        hash = store.hash();
    }
    assert!(files(&disk, [100]).is_empty());
    for id in 0..10 {
        store.save(&key(100), &jwt(100, id, 0, 50), START).unwrap();
        assert_eq!((store.tracked(), files(&disk, 0..101).len()), (5, 5));
    }
}

/// Go: TestLimitNoEvict server/dirstore_test.go:523
#[test]
fn limit_no_evict() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(2, false));
    store.save(&key(1), &jwt(1, 1, 0, 100), START).unwrap();
    store.save(&key(2), &jwt(2, 1, 0, 1), START).unwrap();
    let hash = store.hash();
    let third = jwt(3, 1, 0, 0);
    assert!(matches!(store.save(&key(3), &third, START), Err(JwtDirError::Full)));
    assert_eq!((files(&disk, 1..4), store.hash()), (vec![1, 2], hash));
    store.expire(seconds(2)).unwrap();
    assert!(store.save(&key(3), &third, seconds(2)).unwrap());
    assert_eq!((files(&disk, 1..4), store.tracked()), (vec![1, 3], 2));
}

/// Go: TestLruLoad server/dirstore_test.go:575
/// Go: TestLru server/dirstore_test.go:649
#[test]
fn lru() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(2, true));
    for number in 1..3 {
        store.save(&key(number), &jwt(number, 1, 0, 1000), START).unwrap();
    }
    store.load(&key(1), START).unwrap();
    store.save(&key(3), &jwt(3, 1, 0, 1000), START).unwrap();
    assert_eq!(files(&disk, 1..4), [1, 3]);
    // The same again, and another one, count as uses.
    store.save(&key(1), &jwt(1, 1, 0, 1000), START).unwrap();
    store.save(&key(2), &jwt(2, 1, 0, 1), START).unwrap();
    assert_eq!(files(&disk, 1..4), [1, 2]);
    store.save(&key(1), &jwt(1, 2, 0, 1000), START).unwrap();
    assert_eq!(store.expire(seconds(2)).unwrap(), [key(2)]);
    store.save(&key(3), &jwt(3, 1, 0, 1000), seconds(2)).unwrap();
    assert_eq!((files(&disk, 1..4), store.tracked()), (vec![1, 3], 2));
}

/// Go: TestLruVolume server/dirstore_test.go:607
#[test]
fn lru_volume() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(2, true));
    let mut prng = Prng::from_seed(1);
    for number in 0..500_u64 {
        let exp = 10_000 + prng.below(10_000) as u64;
        store.save(&key(number), &jwt(number, 1, 0, exp), START).unwrap();
        let from = number.saturating_sub(2);
        let expected: Vec<u64> = (number.saturating_sub(1)..=number).collect();
        assert_eq!(
            (files(&disk, from..=number), store.tracked()),
            (expected.clone(), expected.len())
        );
    }
}

/// Go: TestReload server/dirstore_test.go:698
#[test]
fn reload() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(2, true));
    let put = |number| {
        let file = disk.open(&path(number), true).unwrap();
        file.write_all_at(jwt(number, 1, 0, 0).as_bytes(), 0).unwrap();
    };
    for number in 0..5 {
        put(number);
        assert_eq!(store.reload(START).unwrap(), [key(number)]);
        let count = usize::try_from(number).unwrap() + 1;
        assert_eq!(store.tracked(), count);
        assert_eq!(store.pack(None, START).unwrap().lines().count(), count);
        assert_ne!(store.hash(), [0; 32]);
    }
    for number in 0..5 {
        assert_ne!(store.hash(), [0; 32]);
        disk.remove_file(&path(number)).unwrap();
        assert!(store.reload(START).unwrap().is_empty());
        assert_eq!(store.pack(None, START).unwrap().lines().count(), store.tracked());
    }
    assert_eq!((store.tracked(), store.hash()), (0, [0; 32]));
}

/// Go: TestExpirationUpdate server/dirstore_test.go:759
#[test]
fn expiration_update() {
    let disk = MemDisk::new();
    let mut store = open(&disk, &expiring(10, true));
    let (mut hash, mut now) = (store.hash(), START);
    for (id, exp, stays) in [(1, 0, true), (2, 4, true), (3, 0, true), (4, 5, false)] {
        store.save(&key(1), &jwt(1, id, 0, exp), now).unwrap();
        assert_ne!(store.hash(), hash);
        hash = store.hash();
        now = now + Duration::from_millis(1500);
        assert_eq!(store.expire(now).unwrap().is_empty(), stays, "{id}");
        assert_eq!(files(&disk, [1]).len(), usize::from(stays));
    }
    assert_eq!(store.hash(), [0; 32]);
}

/// Go: TestTTL server/dirstore_test.go:816
#[test]
fn ttl() {
    let uses: [fn(&mut JwtDir, u64, Timestamp); 3] = [
        |store, _, now| assert!(store.load(&key(1), now).is_ok()),
        |store, _, now| assert!(!store.save(&key(1), &jwt(1, 0, 0, 0), now).unwrap()),
        |store, id, now| assert!(store.save(&key(1), &jwt(1, id, 0, 0), now).unwrap()),
    ];
    let ttl = Some(Duration::from_millis(200));
    let expiry = Some(JwtExpiry { limit: Some(10), evicts: true, ttl });
    for used in uses {
        let mut store = open(&MemDisk::new(), &JwtDirConfig { expiry, ..plain() });
        store.save(&key(1), &jwt(1, 0, 0, 0), START).unwrap();
        let mut now = START;
        for id in 1..5 {
            now = now + Duration::from_millis(110);
            used(&mut store, id, now);
            assert!(store.expire(now).unwrap().is_empty());
        }
        assert_eq!(store.expire(now + Duration::from_millis(200)).unwrap(), [key(1)]);
    }
    let expiry = expiry.map(|expiry| JwtExpiry { ttl: Some(Duration::MAX), ..expiry });
    let mut store = open(&MemDisk::new(), &JwtDirConfig { expiry, ..plain() });
    store.save(&key(1), &jwt(1, 0, 0, 1), START).unwrap();
    assert!(store.expire(seconds(1_000_000)).unwrap().is_empty());
    assert_eq!(store.next_expiration(), None);
}

/// Go: TestRemove server/dirstore_test.go:870
#[test]
fn remove() {
    let cases = [(Some(JwtRemoval::Remove), 0, 0), (Some(JwtRemoval::Rename), 0, 1), (None, 1, 0)];
    for (removal, left, moved) in cases {
        let disk = MemDisk::new();
        let mut store = open(&disk, &JwtDirConfig { removal, ..expiring(10, true) });
        store.save(&key(1), &jwt(1, 0, 0, 0), START).unwrap();
        match removal {
            Some(_) => assert!(store.remove(&key(1)).unwrap() && !store.remove(&key(1)).unwrap()),
            None => assert!(matches!(store.remove(&key(1)), Err(JwtDirError::NoDelete))),
        }
        let names = disk.list(Path::new(DIR)).unwrap();
        let count = |suffix: &str| {
            names.iter().filter(|entry| entry.name.to_str().unwrap().ends_with(suffix)).count()
        };
        assert_eq!((count(".jwt"), count(".jwt.deleted"), store.tracked()), (left, moved, left));
    }
}

/// Go: TestNotificationOnPack server/dirstore_test.go:920
#[test]
fn notification_on_pack() {
    let mut store = open(&MemDisk::new(), &expiring(0, true));
    for number in 1..5 {
        assert!(store.save(&key(number), &jwt(number, 1, 0, 0), START).unwrap());
    }
    let mut pack = store.pack(None, START).unwrap();
    for is_sharded in [true, false, true, false] {
        let mut merged = open(&MemDisk::new(), &JwtDirConfig { is_sharded, ..expiring(0, true) });
        let (changed, result) = merged.merge(&pack, START);
        let all: BTreeSet<String> = (1..5).map(key).collect();
        assert!(result.is_ok());
        assert_eq!(changed.into_iter().collect::<BTreeSet<_>>(), all);
        assert_eq!((merged.tracked(), merged.hash()), (4, store.hash()));
        assert!(merged.merge(&pack, START).0.is_empty());
        assert_eq!((merged.tracked(), merged.hash()), (4, store.hash()));
        pack = merged.pack(None, START).unwrap();
    }
}

/// Go: TestNotificationOnPackWalk server/dirstore_test.go:983
#[test]
fn notification_on_pack_walk() {
    let config = JwtDirConfig { is_sharded: true, ..expiring(0, true) };
    let mut stores: Vec<JwtDir> = (0..5).map(|_| open(&MemDisk::new(), &config)).collect();
    for round in 0..8 {
        for number in round * 50..(round + 1) * 50 {
            stores[0].save(&key(number), &jwt(number, 1, 0, 0), START).unwrap();
        }
        for at in 1..5 {
            let (before, rest) = stores.split_at_mut(at);
            let from = &before[at - 1];
            from.pack_all(3, START, |pack| rest[0].merge(pack, START).1.unwrap()).unwrap();
            assert_eq!(from.hash(), rest[0].hash());
        }
    }
    assert_eq!(stores[4].tracked(), 400);
}

/// After a crash each file is whole: the old one or the new one.
#[test]
fn a_crash_leaves_the_old_or_the_new_jwt() {
    for at in 0..40 {
        let disk = SimDisk::new(at, Faults::default());
        let mut store =
            JwtDir::open(Arc::new(disk.clone()), Path::new(DIR), plain(), START).unwrap();
        store.save(&key(1), "old", START).unwrap();
        let crash_at = Some(disk.operation_count() + at);
        disk.set_faults(Faults { crash_at, ..Faults::default() });
        let saved = store.save(&key(1), "new", START).is_ok();
        disk.set_faults(Faults::default());
        disk.crash();
        disk.restart();
        let mut store =
            JwtDir::open(Arc::new(disk.clone()), Path::new(DIR), plain(), START).unwrap();
        let found = store.load(&key(1), START).unwrap();
        assert!(found == "new" || (found == "old" && !saved), "{found} at {at}");
        assert!(store.files().unwrap().len() == 1);
    }
}
