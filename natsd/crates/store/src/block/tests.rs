use std::collections::BTreeMap;

use natsd_base::{Prng, Timestamp};
use proptest::prelude::*;

use super::borders::{Borders, SUM_SIZE, append_sum, correct_borders, renew_sums, with_one_sum};
use super::record::{BlockHash, Damage, RECORD_SIZE_MAX, Record, RecordKind, erase_record};
use super::scan::{BlockScan, Scanned};
use crate::SequenceSet;

/// Written by a Go server, see testdata/make_go_stream.py.
const GO_BLOCK: &[u8] = include_bytes!("../../testdata/go-stream/1.blk");
const GO_INDEX: &[u8] = include_bytes!("../../testdata/go-stream/index.db");
const GO_WHEEL: &[u8] = include_bytes!("../../testdata/go-stream/thw.db");
const GO_ANSWERS: &str = include_str!("../../testdata/go-stream.txt");

fn go_hash() -> BlockHash {
    BlockHash::new("FIXTURE", 1)
}

fn go_deleted() -> Vec<u64> {
    let line = GO_ANSWERS.lines().find(|line| line.starts_with("deleted ")).unwrap();
    line.split(' ').skip(1).map(|seq| seq.parse().unwrap()).collect()
}

fn bytes(hexadecimal: &str) -> Vec<u8> {
    let digits = hexadecimal.trim_end_matches('-').as_bytes();
    let byte = |pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

fn records(block: &[u8], hash: &BlockHash) -> Vec<(usize, usize, u64, RecordKind)> {
    BlockScan::new(hash, block)
        .filter_map(|scanned| match scanned {
            Scanned::Record { offset, size, record } => {
                Some((offset, size, record.seq, record.kind))
            }
            Scanned::Damaged { .. } | Scanned::Tail { .. } => None,
        })
        .collect()
}

#[test]
fn a_block_of_a_go_server_holds_what_the_server_said() {
    let hash = go_hash();
    let mut messages = BTreeMap::new();
    let mut erased = Vec::new();
    let mut tombstones = Vec::new();
    for scanned in BlockScan::new(&hash, GO_BLOCK) {
        let Scanned::Record { record, .. } = scanned else { panic!("{scanned:?}") };
        match record.kind {
            RecordKind::Message => drop(messages.insert(record.seq, record)),
            RecordKind::Erased => erased.push(record.seq),
            RecordKind::Tombstone => tombstones.push(record.seq),
        }
    }
    let deleted = go_deleted();
    assert_eq!(erased, [20, 21]);
    assert_eq!(tombstones, [3, 4, 11, 12, 13, 25, 20, 21]);
    messages.retain(|seq, _| !deleted.contains(seq));
    let mut count = 0;
    for line in GO_ANSWERS.lines().filter_map(|line| line.strip_prefix("message ")) {
        let [seq, time, subject, headers, body] =
            line.split(' ').collect::<Vec<_>>().try_into().unwrap();
        let record = messages[&seq.parse().unwrap()];
        assert_eq!(record.timestamp, Timestamp(time.parse().unwrap()));
        assert_eq!(record.subject, subject.as_bytes());
        assert_eq!(record.headers, bytes(headers));
        assert_eq!(record.body, bytes(body));
        count += 1;
    }
    assert_eq!(count, messages.len());
    let size: usize = messages.values().map(Record::encoded_size).sum();
    assert!(GO_ANSWERS.starts_with(&format!("state {count} {size} 1 40\n")));
}

#[test]
fn records_are_written_byte_for_byte_as_by_a_go_server() {
    let hash = go_hash();
    let mut out = Vec::new();
    for scanned in BlockScan::new(&hash, GO_BLOCK) {
        let Scanned::Record { record, .. } = scanned else { panic!("{scanned:?}") };
        record.encode(&hash, &mut out).unwrap();
    }
    assert_eq!(out, GO_BLOCK);
}

/// The deleted sequences in index.db are a sequence set; thw.db is a wheel.
#[test]
fn the_set_and_the_wheel_of_a_go_server_are_read_and_written() {
    let deleted = go_deleted();
    let mut header = vec![22, 2, 1, 0, 0, 0];
    header.extend(u32::try_from(deleted.len()).unwrap().to_le_bytes());
    let at = GO_INDEX.windows(header.len()).position(|window| window == header).unwrap();
    let (set, size) = SequenceSet::decode(&GO_INDEX[at..]).unwrap();
    assert!(set.iter().eq(deleted));
    let mut out = Vec::new();
    set.encode(&mut out);
    assert_eq!(out, GO_INDEX[at..at + size]);

    let (mut wheel, high_seq) = crate::TimeHashWheel::decode(GO_WHEEL).unwrap();
    // Go counts one further than the last sequence.
    assert_eq!((high_seq, wheel.len()), (41, 3));
    assert_eq!(wheel.encode(41).len(), GO_WHEEL.len());
    let hash = go_hash();
    let hour = 3_600_000_000_000;
    let mut expired = Vec::new();
    wheel.expire(Timestamp::NEVER, |seq, expires| {
        expired.push((seq, expires));
        true
    });
    let stored = |seq: u64| {
        BlockScan::new(&hash, GO_BLOCK)
            .find_map(|scanned| match scanned {
                Scanned::Record { record, .. } if record.seq == seq => Some(record.timestamp),
                _ => None,
            })
            .unwrap()
    };
    assert_eq!(expired, [10, 30, 40].map(|seq| (seq, Timestamp(stored(seq).0 + hour))));
}

/// Whether the byte is one of a size that no hash covers: of the subject or of the headers.
fn is_unhashed_size(record: &[u8], byte: usize) -> bool {
    let subject_size = usize::from(u16::from_le_bytes([record[20], record[21]]));
    let has_headers = record[3] & 0x80 != 0;
    let headers_size = 22 + subject_size..26 + subject_size;
    (20..22).contains(&byte) || (has_headers && headers_size.contains(&byte))
}

#[test]
fn any_flipped_bit_costs_that_record_alone() {
    let hash = go_hash();
    let whole = records(GO_BLOCK, &hash);
    let mut block = GO_BLOCK.to_vec();
    let mut missed = 0;
    for &(offset, size, _, _) in &whole {
        let others: Vec<_> = whole.iter().copied().filter(|other| other.0 != offset).collect();
        let is_last = offset + size == GO_BLOCK.len();
        for bit in 0..size * 8 {
            block[offset + bit / 8] ^= 1 << (bit % 8);
            let found = records(&block, &hash);
            if found.len() == whole.len() {
                // Go's format cannot tell: the hash does not cover these sizes.
                assert!(is_unhashed_size(&GO_BLOCK[offset..offset + size], bit / 8));
                missed += 1;
            } else {
                assert_eq!(found, others, "bit {bit} of the record at {offset}");
                let pieces: Vec<_> = BlockScan::new(&hash, &block)
                    .filter(|scanned| !matches!(scanned, Scanned::Record { .. }))
                    .collect();
                assert!(
                    matches!(pieces[..], [
                    Scanned::Damaged { offset: at, size: lost, .. }
                    | Scanned::Tail { offset: at, size: lost, .. }
                ] if (at, lost) == (offset, size)),
                    "{pieces:?} {is_last}"
                );
            }
            block[offset + bit / 8] ^= 1 << (bit % 8);
        }
    }
    assert!(missed < whole.len() * 12, "{missed}");
}

#[test]
fn a_torn_tail_is_told_from_damage_in_the_middle() {
    let hash = go_hash();
    let whole = records(GO_BLOCK, &hash);
    for end in 0..GO_BLOCK.len() {
        let pieces: Vec<_> = BlockScan::new(&hash, &GO_BLOCK[..end]).collect();
        let complete: Vec<_> =
            whole.iter().copied().filter(|record| record.0 + record.1 <= end).collect();
        assert_eq!(records(&GO_BLOCK[..end], &hash), complete);
        let complete_end = complete.last().map_or(0, |record| record.0 + record.1);
        if complete_end == end {
            assert_eq!(pieces.len(), complete.len());
        } else {
            let size = end - complete_end;
            let expected = Scanned::Tail { offset: complete_end, size, damage: Damage::Cut };
            assert_eq!(pieces.last(), Some(&expected));
        }
    }
}

#[test]
fn the_scan_goes_on_after_a_lost_sector() {
    let hash = go_hash();
    let whole = records(GO_BLOCK, &hash);
    let mut block = GO_BLOCK.to_vec();
    block[512..1024].fill(0);
    let kept: Vec<_> = whole
        .iter()
        .copied()
        .filter(|&(offset, size, ..)| offset + size <= 512 || offset >= 1024)
        .collect();
    assert_eq!(records(&block, &hash), kept);
    assert!(kept.len() > 20);
}

/// A publisher who knows the name of the stream can put a right record into a body. It must not
/// come to life when the record around it is damaged.
#[test]
fn a_record_inside_a_body_is_not_found_while_the_sizes_are_right() {
    let hash = go_hash();
    let message = |seq: u64, body: &[u8]| {
        let (subject, headers) = (b"a".as_slice(), b"".as_slice());
        let timestamp = Timestamp(7);
        let kind = RecordKind::Message;
        let mut out = Vec::new();
        Record { seq, timestamp, kind, subject, headers, body }.encode(&hash, &mut out).unwrap();
        out
    };
    let outer = message(2, &message(1_000_000, b"forged"));
    let mut block = [message(1, b""), outer.clone(), message(3, b"")].concat();
    block[message(1, b"").len() + 12] ^= 1; // The time of the outer one.
    let found: Vec<u64> = records(&block, &hash).iter().map(|record| record.2).collect();
    assert_eq!(found, [1, 3]);
}

#[test]
fn made_up_content_does_not_make_the_scan_slow() {
    let hash = go_hash();
    // Every 32 bytes begin with a size that reaches far, and a sequence.
    let size = 1_000_000_usize;
    let mut block = Vec::new();
    while block.len() < 2 * size {
        block.extend(u32::try_from(size).unwrap().to_le_bytes());
        block.extend([1; 28]);
    }
    let mut scan = BlockScan::new(&hash, &block);
    assert!(matches!(scan.next(), Some(Scanned::Tail { offset: 0, .. })));
    assert_eq!(scan.next(), None);
}

#[test]
fn what_does_not_fit_is_not_written() {
    let hash = go_hash();
    let large = vec![b'x'; RECORD_SIZE_MAX - 30];
    let long_subject = vec![b'x'; 65_536];
    let fits: (&[u8], &[u8], &[u8]) = (b"", b"", &large);
    let cases = [
        (fits, true),
        ((b"s", b"", &large), false),
        ((b"", b"h", &large[5..]), true),
        ((b"", b"h", &large[4..]), false),
        ((&long_subject[1..], b"", b""), true),
        ((&long_subject, b"", b""), false),
    ];
    for ((subject, headers, body), expected) in cases {
        let timestamp = Timestamp(-1);
        let kind = RecordKind::Message;
        let record = Record { seq: 1, timestamp, kind, subject, headers, body };
        let mut out = Vec::new();
        assert_eq!(record.encode(&hash, &mut out).is_ok(), expected);
        if expected {
            assert_eq!(out.len(), record.encoded_size());
            assert_eq!(Record::decode(&hash, &out), Ok((record, out.len())));
        } else {
            assert!(out.is_empty());
        }
    }
}

#[test]
fn an_erased_record_keeps_its_size_and_nothing_else() {
    let hash = go_hash();
    let record = Record {
        seq: 9,
        timestamp: Timestamp(5),
        kind: RecordKind::Message,
        subject: b"secret.subject",
        headers: b"NATS/1.0\r\nA: secret\r\n\r\n",
        body: b"the secret",
    };
    let mut out = Vec::new();
    record.encode(&hash, &mut out).unwrap();
    let size = out.len();
    erase_record(&hash, &mut out, &mut Prng::from_seed(1)).unwrap();
    let (erased, erased_size) = Record::decode(&hash, &out).unwrap();
    assert_eq!((erased.seq, erased.kind, erased.timestamp), (9, RecordKind::Erased, Timestamp(0)));
    assert_eq!((erased_size, erased.subject, erased.headers), (size, &b""[..], &b""[..]));
    assert!(!out.windows(6).any(|window| window == b"secret"));
    // An erased record is not erased again; another block's record is none of ours.
    assert_eq!(erase_record(&hash, &mut out, &mut Prng::from_seed(1)), Err(Damage::Sizes));
    let other = BlockHash::new("FIXTURE", 2);
    assert_eq!(Record::decode(&other, &out), Err(Damage::Checksum));
}

fn parts() -> impl Strategy<Value = (u64, i64, u8, Vec<u8>, Vec<u8>, Vec<u8>)> {
    let bytes = |size| prop::collection::vec(any::<u8>(), 0..size);
    (1..1_u64 << 62, any::<i64>(), 0..3_u8, bytes(40), bytes(40), bytes(200))
}

proptest! {
    #[test]
    fn any_record_comes_back(records in prop::collection::vec(parts(), 0..8)) {
        let hash = BlockHash::new("any", 7);
        let mut block = Vec::new();
        let mut expected = Vec::new();
        for (seq, time, kind, subject, headers, body) in &records {
            let kind =
                [RecordKind::Message, RecordKind::Erased, RecordKind::Tombstone][usize::from(*kind)];
            let timestamp = Timestamp(*time);
            let record = Record { seq: *seq, timestamp, kind, subject, headers, body };
            record.encode(&hash, &mut block).unwrap();
            expected.push(record);
        }
        let found: Vec<Record<'_>> = BlockScan::new(&hash, &block)
            .map(|scanned| match scanned {
                Scanned::Record { record, .. } => record,
                other => panic!("{other:?}"),
            })
            .collect();
        prop_assert_eq!(found, expected);
    }

    #[test]
    fn any_bytes_are_scanned_to_the_end_without_gaps(
        start in 0..GO_BLOCK.len(),
        noise in prop::collection::vec((0..GO_BLOCK.len(), any::<u8>()), 0..30),
    ) {
        let mut block = GO_BLOCK[start..].to_vec();
        for (at, byte) in noise {
            if let Some(place) = block.get_mut(at) {
                *place = byte;
            }
        }
        let mut end = 0;
        for scanned in BlockScan::new(&go_hash(), &block) {
            let (Scanned::Record { offset, size, .. }
            | Scanned::Damaged { offset, size, .. }
            | Scanned::Tail { offset, size, .. }) = scanned;
            prop_assert_eq!(offset, end);
            prop_assert!(size > 0);
            end += size;
        }
        prop_assert_eq!(end, block.len());
    }
}

/// A block with these messages and a sum after each group; where each message begins.
fn summed_block(hash: &BlockHash, groups: &[Vec<(String, usize, usize)>]) -> (Vec<u8>, Vec<usize>) {
    let (mut block, mut offsets, mut seq) = (Vec::new(), Vec::new(), 0);
    for group in groups {
        let from = block.len();
        for (subject, headers_size, body_size) in group {
            seq += 1;
            offsets.push(block.len());
            let record = Record {
                seq,
                timestamp: Timestamp(1),
                kind: RecordKind::Message,
                subject: subject.as_bytes(),
                headers: &vec![b'h'; *headers_size],
                body: &vec![b'b'; *body_size],
            };
            record.encode(hash, &mut block).unwrap();
        }
        append_sum(hash, &mut block, 0, from);
    }
    (block, offsets)
}

proptest! {
    #[test]
    fn a_sum_finds_the_bit_that_moved_a_border(
        groups in prop::collection::vec(
            prop::collection::vec(("[a-z.]{0,20}", 0..40_usize, 0..40_usize), 0..4), 1..4),
        choice in any::<prop::sample::Index>(),
        bit in 0..48_usize,
    ) {
        let hash = BlockHash::new("S", 1);
        let (block, offsets) = summed_block(&hash, &groups);
        let borders = Borders::of(&block);
        prop_assert!(!borders.has_unsummed() && !borders.has_wrong(&hash, &block, None));
        prop_assert_eq!(borders.tail(), block.len());
        prop_assume!(!offsets.is_empty());
        let offset = *choice.get(&offsets);
        let (record, _) = Record::decode(&hash, &block[offset..]).unwrap();
        let headers = offset + 22 + record.subject.len();
        let (byte, bit) = match bit {
            0..16 => (offset + 20 + bit / 8, bit % 8),
            _ if record.headers.is_empty() => return Ok(()),
            _ => (headers + (bit - 16) / 8, (bit - 16) % 8),
        };
        let mut damaged = block.clone();
        damaged[byte] ^= 1 << bit;
        // Only a border that moved within the record leaves the hash as it was.
        if Record::decode(&hash, &damaged[offset..]).is_ok() {
            prop_assert!(Borders::of(&damaged).has_wrong(&hash, &damaged, None));
            prop_assert_eq!(correct_borders(&hash, &mut damaged, None), [offset]);
            prop_assert_eq!(damaged, block);
        }
    }
}

/// What another server did to a block shows, and its sums count for nothing.
#[test]
fn sums_count_where_they_were_written() {
    let hash = BlockHash::new("S", 1);
    let messages = |count| vec![("foo".to_owned(), 0, 5); count];
    let (block, offsets) = summed_block(&hash, &[messages(2), messages(1)]);
    let size = offsets[1];
    let first_sum = offsets[2] - SUM_SIZE;

    // Without the first message.
    let borders = Borders::of(&block[size..]);
    assert!(borders.has_unsummed() && !borders.has_wrong(&hash, &block[size..], None));
    assert_eq!(borders.tail(), block.len() - size);
    // Cut between sums, and behind a message that has none yet.
    for (end, tail) in [(offsets[2], offsets[2]), (offsets[2] + size, offsets[2])] {
        let borders = Borders::of(&block[..end]);
        assert_eq!((borders.has_unsummed(), borders.tail()), (end > tail, tail));
    }
    // Without the first sum the second one counts for its own message.
    let mut without = block.clone();
    without.drain(first_sum..offsets[2]);
    assert!(Borders::of(&without).has_unsummed());
    // With one sum for all.
    let whole = with_one_sum(&hash, &block);
    assert_eq!(whole.len(), 3 * size + SUM_SIZE);
    assert!(!Borders::of(&whole).has_unsummed());
    assert_eq!(with_one_sum(&hash, &whole), whole);
    // Messages that were overwritten do not count any more.
    let mut erased = block.clone();
    erase_record(&hash, &mut erased[..size], &mut Prng::from_seed(1)).unwrap();
    let other = BlockHash::new("S", 2);
    assert!(correct_borders(&hash, &mut erased, None).is_empty());
    renew_sums(&hash, &mut erased);
    assert!(!Borders::of(&erased).has_wrong(&hash, &erased, None));
    let sizes = |block: &[u8]| records(block, &hash).iter().map(|record| record.1).sum::<usize>();
    assert_eq!((sizes(&erased), records(&erased, &other).len()), (block.len(), 0));
    let mut damaged = erased.clone();
    damaged[size + 20] ^= 2;
    assert_eq!(correct_borders(&hash, &mut damaged, None), [size]);
    assert_eq!(damaged, erased);
}

/// Where no sum counts, the form of headers does.
#[test]
fn headers_end_where_headers_end() {
    let hash = BlockHash::new("S", 1);
    for (headers, body, bit, is_found) in [
        ("NATS/1.0\r\na: b\r\n\r\n", "body", 0, true),
        ("NATS/1.0\r\n\r\n", "", 2, true),
        ("NATS/1.0\r\na:\r\n\r\n", "\r\n\r\n", 4, true),
        ("NATS/1.0\r\nno end", "body", 0, false),
        ("what is it", "\r\n\r\n", 1, false),
    ] {
        let mut block = Vec::new();
        let record = Record {
            seq: 1,
            timestamp: Timestamp(1),
            kind: RecordKind::Message,
            subject: b"foo",
            headers: headers.as_bytes(),
            body: body.as_bytes(),
        };
        record.encode(&hash, &mut block).unwrap();
        assert!(!Borders::of(&block).has_wrong(&hash, &block, None), "{headers:?}");
        let mut damaged = block.clone();
        damaged[25] ^= 1 << bit;
        assert!(Record::decode(&hash, &damaged).is_ok());
        assert_eq!(correct_borders(&hash, &mut damaged, None).len(), usize::from(is_found));
        assert_eq!(damaged == block, is_found, "{headers:?}");
    }
}

/// Nobody writes these; they are left as they are, and called right, so that nobody reads again.
#[test]
fn what_no_bit_makes_right_is_not_wrong() {
    let hash = BlockHash::new("S", 1);
    for (kind, seq, headers) in [
        (RecordKind::Message, 0, &b""[..]),
        (RecordKind::Message, 0, b"NATS/1.0\r\n\r\n"),
        (RecordKind::Erased, 7, b"NATS/1.0\r\n\r\n"),
        (RecordKind::Tombstone, 7, b"NATS/1.0\r\n\r\n"),
    ] {
        let mut block = Vec::new();
        let (timestamp, subject, body) = (Timestamp(1), &b"a"[..], &b"b"[..]);
        let record = Record { seq, timestamp, kind, subject, headers, body };
        record.encode(&hash, &mut block).unwrap();
        assert!(!Borders::of(&block).has_wrong(&hash, &block, None), "{kind:?} {seq}");
        assert!(correct_borders(&hash, &mut block.clone(), None).is_empty());
    }
}
