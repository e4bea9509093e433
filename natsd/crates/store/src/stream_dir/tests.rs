use std::path::Path;

use natsd_base::Prng;
use proptest::prelude::*;

use super::*;
use crate::crypt::Cipher;
use crate::disk::{Faults, MemDisk, SimDisk, Unsynced};

const DIR: &str = "/a/streams/S";
const OLD: &[u8] = br#"{"name":"S","max_msgs":1}"#;
const NEW: &[u8] = br#"{"name":"S","max_msgs":22}"#;

fn random() -> impl FnMut(&mut [u8]) {
    let mut prng = Prng::from_seed(1);
    move |bytes: &mut [u8]| bytes.fill_with(|| prng.next_u64().to_le_bytes()[0])
}

fn store_keys(cipher: Cipher, key: &[u8], previous: Option<&[u8]>) -> StoreKeys {
    StoreKeys::new(cipher, key, previous)
}

fn permutations() -> [Option<StoreKeys>; 3] {
    let keys = |cipher| Some(store_keys(cipher, b"key", None));
    [None, keys(Cipher::ChaCha), keys(Cipher::Aes)]
}

fn stream(disk: &dyn Disk) -> StreamDir<'_> {
    StreamDir { disk, dir: Path::new(DIR), account: "A", name: "S" }
}

fn create(disk: &dyn Disk, content: &[u8], keys: Option<&StoreKeys>) -> Option<StreamKeys> {
    disk.create_dir_all(Path::new(DIR)).unwrap();
    for above in Path::new(DIR).ancestors() {
        disk.sync_dir(above).unwrap();
    }
    match keys {
        None => {
            stream(disk).write(content, None, &mut random()).unwrap();
            None
        }
        Some(keys) => Some(stream(disk).write_with_new_keys(content, keys, &mut random()).unwrap()),
    }
}

fn put(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let file = disk.open(&Path::new(DIR).join(name), true).unwrap();
    file.set_len(0).unwrap();
    file.write_all_at(bytes, 0).unwrap();
}

fn get(disk: &dyn Disk, name: &str) -> Vec<u8> {
    disk.open(&Path::new(DIR).join(name), false).unwrap().read_all().unwrap()
}

#[test]
fn folders_of_a_go_server_are_read() {
    macro_rules! files {
        ($name:literal) => {
            [
                include_bytes!(concat!("../../testdata/go-", $name, "/meta.inf")).as_slice(),
                include_bytes!(concat!("../../testdata/go-", $name, "/meta.sum")),
                include_bytes!(concat!("../../testdata/go-", $name, "/meta.key")),
                include_bytes!(concat!("../../testdata/go-", $name, "/obs/C/meta.inf")),
                include_bytes!(concat!("../../testdata/go-", $name, "/obs/C/meta.sum")),
                include_bytes!(concat!("../../testdata/go-", $name, "/obs/C/meta.key")),
            ]
        };
    }
    for (cipher, key, files) in [
        (Cipher::ChaCha, b"key of chacha".as_slice(), files!("chacha")),
        (Cipher::Aes, b"key of aes", files!("aes")),
    ] {
        let disk = MemDisk::new();
        let dir = Path::new(DIR);
        disk.create_dir_all(&dir.join("obs/C")).unwrap();
        let names = ["meta.inf", "meta.sum", "meta.key"];
        for (number, bytes) in files.into_iter().enumerate() {
            let folder = if number < 3 { "" } else { "obs/C/" };
            put(&disk, &format!("{folder}{}", names[number % 3]), bytes);
        }
        let place = StreamDir { account: "$G", name: "SECRET", ..stream(&disk) };
        let keys = store_keys(cipher, key, None);
        let description = place.read(Some(&keys)).unwrap();
        assert!(!description.is_outdated && description.mended.is_empty());
        let content = String::from_utf8(description.content).unwrap();
        assert!(content.contains(r#""name":"SECRET""#), "{content}");
        let consumer =
            ConsumerDir { disk: &disk, dir: &dir.join("obs/C"), stream: "SECRET", name: "C" };
        let description = consumer.read(description.keys.as_ref()).unwrap();
        assert!(!description.is_outdated && description.mended.is_empty());
        let content = String::from_utf8(description.content).unwrap();
        assert!(content.contains(r#""durable_name":"C""#), "{content}");

        assert!(matches!(place.read(None), Err(DescriptionError::Encrypted { .. })));
        let wrong = place.read(Some(&store_keys(cipher, b"wrong", None)));
        assert!(matches!(wrong, Err(DescriptionError::Crypt { source: CryptError::WrongKey, .. })));
        let other = StreamDir { name: "OTHER", ..place };
        assert!(other.read(Some(&keys)).is_err());
    }
}

#[test]
fn what_was_written_is_read_and_outdated_only_with_other_keys() {
    for keys in permutations() {
        let disk = MemDisk::new();
        let stream_keys = create(&disk, OLD, keys.as_ref());
        let description = stream(&disk).read(keys.as_ref()).unwrap();
        assert_eq!(description.content, OLD);
        assert!(!description.is_outdated);
        stream(&disk).write(NEW, stream_keys.as_ref(), &mut random()).unwrap();
        let description = stream(&disk).read(keys.as_ref()).unwrap();
        assert_eq!(description.content, NEW);
        for cipher in [Cipher::ChaCha, Cipher::Aes] {
            let next = store_keys(cipher, b"next", Some(b"key"));
            let description = stream(&disk).read(Some(&next)).unwrap();
            assert_eq!(description.content, NEW);
            assert!(description.is_outdated);
        }
    }
}

#[test]
fn any_flipped_bit_is_mended_and_said() {
    for keys in permutations() {
        let disk = MemDisk::new();
        create(&disk, OLD, keys.as_ref());
        let mut names = vec![META_FILE, META_SUM_FILE];
        names.extend(keys.as_ref().map(|_| META_KEY_FILE));
        for name in names {
            let whole = get(&disk, name);
            // With keys every bit takes long; 7 comes to every place within a byte.
            let step = if keys.is_none() { 1 } else { 7 };
            for bit in (0..whole.len() * 8).step_by(step) {
                let mut damaged = whole.clone();
                damaged[bit / 8] ^= 1 << (bit % 8);
                put(&disk, name, &damaged);
                let description = stream(&disk).read(keys.as_ref()).unwrap();
                assert_eq!(description.content, OLD, "{name} bit {bit}");
                assert_eq!(description.mended, [Path::new(DIR).join(name)], "{name} bit {bit}");
                assert!(description.is_outdated);
            }
            put(&disk, name, &whole);
        }
    }
}

#[test]
fn more_damage_and_missing_files_are_named() {
    for keys in permutations() {
        let read = |damage: &dyn Fn(&MemDisk)| {
            let disk = MemDisk::new();
            create(&disk, OLD, keys.as_ref());
            damage(&disk);
            stream(&disk).read(keys.as_ref()).unwrap_err()
        };
        let path = |name| Path::new(DIR).join(name);
        for name in [META_FILE, META_SUM_FILE] {
            let error = read(&|disk| disk.remove_file(&path(name)).unwrap());
            assert!(matches!(&error, DescriptionError::Missing { path: at } if *at == path(name)));
            assert!(error.to_string().ends_with(&format!("{name}: file is missing")));
        }
        let error = read(&|disk| {
            let mut bytes = get(disk, META_FILE);
            bytes[3] ^= 3;
            put(disk, META_FILE, &bytes);
        });
        assert!(matches!(error, DescriptionError::Checksum { .. }), "{error}");
        if keys.is_none() {
            let error = read(&|disk| put(disk, META_SUM_FILE, b""));
            assert!(matches!(error, DescriptionError::Checksum { .. }), "{error}");
        } else {
            let error = read(&|disk| put(disk, META_KEY_FILE, b"short"));
            assert!(matches!(
                error,
                DescriptionError::Crypt { source: CryptError::KeySize { size: 5 }, .. }
            ));
        }
    }
}

/// Go writes the key before the description, so a crash of a Go server that begins to encrypt
/// leaves this.
#[test]
fn a_plain_description_with_a_key_is_read() {
    let disk = MemDisk::new();
    let keys = store_keys(Cipher::Aes, b"key", None);
    create(&disk, OLD, Some(&keys));
    stream(&disk).write(NEW, None, &mut random()).unwrap();
    assert_eq!(stream(&disk).read(Some(&keys)).unwrap().content, NEW);
}

#[test]
fn a_crash_while_writing_leaves_the_old_or_the_new() {
    let next = store_keys(Cipher::ChaCha, b"next", Some(b"key"));
    for old in permutations() {
        for has_new_keys in [false, true] {
            for unsynced in [Unsynced::Lost, Unsynced::Kept, Unsynced::Random] {
                for operation in 1.. {
                    let sim = SimDisk::new(operation, Faults::default());
                    let keys = create(&sim, OLD, old.as_ref());
                    let crash_at = Some(sim.operation_count() + operation);
                    sim.set_faults(Faults { crash_at, unsynced, ..Faults::default() });
                    let written = if has_new_keys {
                        stream(&sim).write_with_new_keys(NEW, &next, &mut random()).map(drop)
                    } else {
                        stream(&sim).write(NEW, keys.as_ref(), &mut random())
                    };
                    if !sim.is_down() {
                        written.unwrap();
                        break;
                    }
                    sim.restart();
                    let now = if has_new_keys { Some(&next) } else { old.as_ref() };
                    let found = stream(&sim).read(now).unwrap();
                    let is_new = found.content == NEW;
                    assert!(is_new || (found.content == OLD && written.is_err()), "{operation}");
                    if found.is_outdated {
                        let content = &found.content;
                        match now {
                            Some(keys)
                                if !found.keys.as_ref().is_some_and(StreamKeys::is_current) =>
                            {
                                drop(stream(&sim).write_with_new_keys(
                                    content,
                                    keys,
                                    &mut random(),
                                ));
                            }
                            _ => stream(&sim)
                                .write(content, found.keys.as_ref(), &mut random())
                                .unwrap(),
                        }
                    }
                    stream(&sim).remove_leftovers().unwrap();
                    let again = stream(&sim).read(now).unwrap();
                    assert_eq!(again.content, found.content);
                    assert!(!again.is_outdated);
                    let names = sim.list(Path::new(DIR)).unwrap();
                    assert!(
                        names.iter().all(|entry| !entry.name.to_string_lossy().contains("tmp"))
                    );
                }
            }
        }
    }
}

#[test]
fn what_is_in_a_folder_is_told_apart() {
    let disk = MemDisk::new();
    let account = Path::new("/js/A");
    let empty = Listing::default();
    assert_eq!(list_streams(&disk, account).unwrap(), empty);
    for name in ["B", "A", ".deleted", "A/obs/one", "A/obs/two", "A/obs/gone", "A/obs/empty"] {
        disk.create_dir_all(&account.join("streams").join(name)).unwrap();
    }
    let touch = |name: &str| drop(disk.open(&account.join("streams").join(name), true).unwrap());
    ["note.txt", "A/obs/one/meta.inf", "A/obs/two/o.dat", "A/obs/gone/deleted"]
        .into_iter()
        .for_each(touch);
    let streams = list_streams(&disk, account).unwrap();
    assert_eq!(streams.names, ["A", "B"]);
    assert_eq!(streams.deleted, [account.join("streams/.deleted")]);
    assert_eq!(streams.unknown, [account.join("streams/note.txt")]);
    let obs = account.join("streams/A/obs");
    let consumers = list_consumers(&disk, &account.join("streams/A")).unwrap();
    assert_eq!(consumers.names, ["one", "two"]);
    assert_eq!(consumers.deleted, [obs.join("empty"), obs.join("gone")]);
    assert_eq!(list_accounts(&disk, Path::new("/js")).unwrap().names, ["A"]);
    for dir in consumers.deleted {
        finish_deletion(&disk, &dir).unwrap();
    }
    let left = disk.list(&obs).unwrap();
    assert_eq!(left.len(), 2);
}

proptest! {
    #[test]
    fn any_files_are_a_description_or_an_error(
        meta in prop::collection::vec(any::<u8>(), 0..60),
        sum in prop::collection::vec(any::<u8>(), 0..20),
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..90)),
        has_keys in any::<bool>(),
    ) {
        let disk = MemDisk::new();
        disk.create_dir_all(Path::new(DIR)).unwrap();
        put(&disk, META_FILE, &meta);
        put(&disk, META_SUM_FILE, &sum);
        if let Some(key) = key {
            put(&disk, META_KEY_FILE, &key);
        }
        let keys = store_keys(Cipher::ChaCha, b"key", None);
        prop_assert!(stream(&disk).read(has_keys.then_some(&keys)).is_err());
    }
}
