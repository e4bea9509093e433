//! An index that lies under a right hash: no panic, no loop, and the blocks have the last word.

use super::faults::{End, disk_with, messages_of, stream};
use super::*;
use crate::file::index::checksum;

/// Asks everything; nothing is expected but an end.
fn ask(store: &mut FileStore) {
    for filter in [Filter::All, Filter::new(b"s.*"), Filter::new(b"s.1")] {
        for start in [0, 1, 7, u64::MAX] {
            let _ = store.load_next(filter, start).map(|_| ());
            let _ = store.load_prev(filter, start).map(|_| ());
            store.filtered_state(start, filter);
            store.pending(start, filter, false);
            store.pending(start, filter, true);
        }
        let _ = store.load_last(filter).map(|_| ());
        store.subjects_state(filter);
    }
    let _ = store.last_seqs(&[b">"], 9, None);
    store.seq_from_time(Timestamp(START.0 + 5_000_000));
    let _ = (store.remove(3), store.erase(4), store.compact(6), store.truncate(8, START));
}

#[test]
fn an_index_that_lies_does_no_harm() {
    let (files, messages, config) = stream(Compression::None, End::Stopped);
    let is_index = |path: &PathBuf| path.ends_with("index.db");
    let at = files.iter().position(|(path, _)| is_index(path)).unwrap();
    let content = files[at].1[..files[at].1.len() - 8].to_vec();
    let mut prng = Prng::from_seed(5);
    for round in 0..3000 {
        let mut changed = content.clone();
        match prng.below(4) {
            0 => changed.truncate(prng.below(changed.len())),
            1 => {
                let place = prng.below(changed.len());
                changed.insert(place, prng.next_u64().to_le_bytes()[0]);
            }
            _ => {
                for _ in 0..=prng.below(2) {
                    let place = prng.below(changed.len());
                    changed[place] = prng.next_u64().to_le_bytes()[0];
                }
            }
        }
        changed.extend(checksum("S", &changed));
        let mut lying = files.clone();
        lying[at].1 = changed;
        let disk = disk_with(&lying);
        let opened = FileStore::open(
            Arc::new(disk.clone()),
            Path::new(DIR),
            small(260),
            config.clone(),
            START,
        );
        let mut store = opened.unwrap_or_else(|error| panic!("{round}: {error}"));
        // What is handed out is what was stored, whatever the index says.
        let found = messages_of(&mut store);
        for (seq, message) in found {
            assert_eq!(messages.get(&seq).unwrap_or(&message), &message, "{round}");
        }
        ask(&mut store);
    }
}
