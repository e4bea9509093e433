//! The folder of a stream: its description, and its end.

use std::path::Path;
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

use super::layout::{read_file, write_file};
use super::steps::put_many;
use super::{DIR, each};
use crate::consumer_store::{ConsumerFiles, ConsumerStoreConfig};
use crate::disk::Disk;
use crate::file::FileStoreConfig;
use crate::stream_dir::{ConsumerDir, StreamDir, finish_deletion};
use crate::stream_store::StoreConfig;
use crate::{AckPolicy, ConsumerStore};

/// What `meta.sum` must hold.
fn sum_of(name: &str, content: &[u8]) -> String {
    let digest: [u8; 32] = Sha256::digest(name).into();
    let words = std::array::from_fn(|index| {
        u64::from_le_bytes(digest[index * 8..][..8].try_into().unwrap())
    });
    let sum = HighwayHasher::new(Key(words)).hash64(content).to_le_bytes();
    sum.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Go: TestFileStoreMeta server/filestore_test.go:1489
#[test]
fn file_store_meta() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        let stream = br#"{"name":"ZZ-22-33","subjects":["foo.*"],"num_replicas":22}"#;
        let disk: Arc<dyn Disk> = Arc::new(fixture.disk.clone());
        let dir = Path::new(DIR);
        let place = StreamDir { disk: disk.as_ref(), dir, account: "A", name: "ZZ-22-33" };
        place.write(stream, None, &mut |_: &mut [u8]| {}).unwrap();
        assert_eq!(read_file(fixture, "meta.inf"), stream);
        let sum = sum_of("ZZ-22-33", stream);
        assert_eq!(read_file(fixture, "meta.sum"), sum.as_bytes());
        assert_eq!(place.read(None).unwrap().content, stream);

        let consumer = br#"{"deliver_subject":"d","filter_subject":"foo","name":"obs22"}"#;
        let dir = dir.join("obs/obs22");
        let files = ConsumerFiles {
            disk: Arc::clone(&disk),
            dir: dir.clone(),
            stream: "ZZ-22-33".into(),
            name: "obs22".into(),
            keys: None,
            random: Box::new(|_| {}),
        };
        let config = ConsumerStoreConfig { ack: AckPolicy::All, deliveries_max: None };
        let mut store = files.create(config, consumer).unwrap();
        assert_eq!(read_file(fixture, "obs/obs22/meta.inf"), consumer);
        let sum = sum_of("ZZ-22-33/obs22", consumer);
        assert_eq!(read_file(fixture, "obs/obs22/meta.sum"), sum.as_bytes());
        let place =
            ConsumerDir { disk: disk.as_ref(), dir: &dir, stream: "ZZ-22-33", name: "obs22" };
        assert_eq!(place.read(None).unwrap().content, consumer);
        store.stop(fixture.now).unwrap();
    });
}

/// Go: TestFileStoreStreamDeleteDirNotEmpty server/filestore_test.go:3113
#[test]
fn file_store_stream_delete_dir_not_empty() {
    each(&FileStoreConfig::new("S"), &StoreConfig::default(), |fixture| {
        put_many(fixture, "foo", b"[00000001] Hello World!", 10);
        fixture.store.stop(fixture.now).unwrap();
        // Something that the store knows nothing of.
        write_file(fixture, "g", b"OK");
        fixture.disk.create_dir_all(&fixture.path("h/i")).unwrap();
        finish_deletion(&fixture.disk, Path::new(DIR)).unwrap();
        assert!(fixture.disk.list(Path::new(DIR)).is_err());
        fixture.reopen();
        assert_eq!(fixture.range(), (0, 0, 0));
    });
}
