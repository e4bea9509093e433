use std::time::Duration;

use natsd_base::Timestamp;

use super::{ScheduledMessage, Schedules, SchedulesError};
use crate::headers;
use crate::stream_store::tests::{START, Tester, each_store, message};
use crate::stream_store::{NewMessage, StoreConfig};
use crate::varint::put_signed;

fn config() -> StoreConfig {
    StoreConfig { allow_message_schedules: true, ..StoreConfig::default() }
}

fn put(tester: &mut Tester, subject: &str, lines: &str, body: &str) -> u64 {
    let headers = format!("NATS/1.0\r\n{lines}\r\n");
    let new = NewMessage { headers: headers.as_bytes(), body: body.as_bytes(), ..message(subject) };
    tester.try_put(new).unwrap()
}

fn scheduled(tester: &mut Tester, after: Duration) -> Vec<ScheduledMessage> {
    tester.now = tester.now + after;
    tester.store.scheduled(tester.now).unwrap()
}

fn header<'a>(message: &'a ScheduledMessage, name: &str) -> &'a str {
    std::str::from_utf8(headers::value(&message.headers, name.as_bytes()).unwrap()).unwrap()
}

/// Go: TestMemStoreMessageSchedule server/memstore_test.go:1344
#[test]
fn mem_store_message_schedule() {
    each_store(&config(), |tester| {
        let at = "Nats-Schedule: @at 2023-11-14T22:13:21Z\r\nNats-Schedule-Target: foo.target\r\n";
        put(tester, "foo.schedule", at, "later");
        assert_eq!(tester.store.next_schedule(), Some(START + Duration::from_secs(1)));
        assert_eq!(scheduled(tester, Duration::from_millis(900)), []);
        let messages = scheduled(tester, Duration::from_millis(100));
        assert_eq!(messages.len(), 1);
        let made = &messages[0];
        assert_eq!(
            (made.seq, made.subject.as_slice(), made.body.as_slice()),
            (1, &b"foo.target"[..], &b"later"[..])
        );
        assert_eq!(header(made, "Nats-Scheduler"), "foo.schedule");
        assert_eq!(header(made, "Nats-Schedule-Next"), "purge");
        // Once, until a new leader does not know whether it was stored.
        assert_eq!(scheduled(tester, Duration::from_secs(1)), []);
        tester.store.clear_in_flight();
        assert_eq!(scheduled(tester, Duration::ZERO), messages);
        tester.remove(&[1]);
        tester.store.clear_in_flight();
        assert_eq!(scheduled(tester, Duration::from_secs(1)), []);
        assert_eq!(tester.store.next_schedule(), None);
    });
}

/// Go: TestMemStoreMessageScheduleEverySubSecondPrecision server/memstore_test.go:1374
#[test]
fn mem_store_message_schedule_every_sub_second_precision() {
    each_store(&config(), |tester| {
        let every = "Nats-Schedule: @every 1500ms\r\nNats-Schedule-Target: foo.target\r\n";
        put(tester, "foo.schedule", every, "");
        let messages = scheduled(tester, Duration::from_millis(1500));
        // Stored at :20, fires at :21.5, which rounds up to :22 for the time after that.
        assert_eq!(header(&messages[0], "Nats-Schedule-Next"), "2023-11-14T22:13:23.5Z");
        let lines =
            "Nats-Scheduler: foo.schedule\r\nNats-Schedule-Next: 2023-11-14T22:13:23.5Z\r\n";
        put(tester, "foo.target", lines, "");
        assert_eq!(scheduled(tester, Duration::from_millis(1900)), []);
        assert_eq!(tester.store.next_schedule(), Some(START + Duration::from_millis(3500)));
        assert_eq!(scheduled(tester, Duration::from_millis(100)).len(), 1);
    });
}

#[test]
fn a_schedule_makes_the_message_that_its_headers_describe() {
    each_store(&config(), |tester| {
        let source = "Nats-Msg-Id: 7\r\nNats-Expected-Stream: X\r\nNats-TTL: 1h\r\nNats-Rollup: all\r\nColour: red\r\n";
        put(tester, "data", source, "content");
        let lines = "Nats-Schedule: @every 1s\r\nNats-Schedule-Target: out\r\nNats-Schedule-Source: data\r\n\
                     Nats-Schedule-TTL: 5m\r\nNats-Schedule-Rollup: sub\r\nColour: blue\r\n";
        put(tester, "every", lines, "own");
        let messages = scheduled(tester, Duration::from_secs(2));
        let expected = "NATS/1.0\r\nColour: red\r\nNats-Scheduler: every\r\n\
                        Nats-Schedule-Next: 2023-11-14T22:13:23Z\r\nNats-TTL: 5m\r\nNats-Rollup: sub\r\n\r\n";
        assert_eq!(messages[0].body, b"content");
        assert_eq!(String::from_utf8_lossy(&messages[0].headers), expected);
        // Another message on the schedule's subject ends it.
        put(tester, "every", "", "");
        tester.store.clear_in_flight();
        assert_eq!(tester.store.next_schedule(), None);
    });
}

#[test]
fn schedules_that_say_nothing_usable_are_forgotten() {
    let unusable = [
        "Nats-Schedule: @every 1s\r\n",
        "Nats-Schedule: @every 1s\r\nNats-Schedule-Target: out\r\nNats-Schedule-TTL: x\r\n",
        "Nats-Schedule: @often\r\nNats-Schedule-Target: out\r\n",
    ];
    each_store(&config(), |tester| {
        for lines in unusable {
            put(tester, "every", lines, "");
            assert_eq!(scheduled(tester, Duration::from_secs(2)), []);
            assert_eq!(tester.store.next_schedule(), None, "{lines}");
        }
    });
}

#[test]
fn schedules_are_found_when_a_stream_begins_to_allow_them() {
    each_store(&StoreConfig::default(), |tester| {
        put(tester, "every", "Nats-Schedule: @every 1s\r\nNats-Schedule-Target: out\r\n", "");
        assert_eq!(tester.store.next_schedule(), None);
        tester.store.update_config(config(), tester.now);
        assert_eq!(tester.store.next_schedule(), Some(START + Duration::from_secs(1)));
        tester.store.update_config(StoreConfig::default(), tester.now);
        assert_eq!(tester.store.next_schedule(), None);
    });
}

/// Go: TestFileStoreMessageScheduleEncodeDecode server/filestore_test.go:11255
#[test]
fn file_store_message_schedule_encode_decode() {
    let mut schedules = Schedules::new();
    for seq in 0..100_000 {
        let fires = START + Duration::from_secs(seq);
        schedules.insert(seq, format!("foo.{seq}").as_bytes(), fires);
    }
    let bytes = schedules.encode(12345);
    let (decoded, high_seq) = Schedules::decode(&bytes).unwrap();
    assert_eq!((high_seq, decoded.len(), decoded.next()), (12345, 100_000, Some(START)));
    assert_eq!(decoded.subjects, schedules.subjects);
    for (subject, schedule) in &schedules.schedules {
        let other = &decoded.schedules[subject];
        assert_eq!((other.seq, other.fires), (schedule.seq, schedule.fires));
    }
    assert_eq!(decoded.encode(12345), bytes);
}

/// Go: TestFileStoreMessageScheduleDecodeRejectsMalformed server/filestore_test.go:11290
#[test]
fn file_store_message_schedule_decode_rejects_malformed() {
    let header = |version: u8, count: u64| {
        let mut out = vec![version];
        out.extend(count.to_le_bytes());
        out.extend([0; 8]);
        out
    };
    let entry = |rest: &[u8]| [&header(1, 1), rest].concat();
    let mut without_seq = vec![3, 0, b'f', b'o', b'o'];
    put_signed(&mut without_seq, Timestamp(12345).0);
    let cases = [
        ("short header", vec![0; 16], SchedulesError::ShortBuffer),
        ("version", header(2, 0), SchedulesError::BadVersion),
        ("size of the subject", header(1, 1), SchedulesError::UnexpectedEnd),
        ("subject", entry(&[5, 0]), SchedulesError::UnexpectedEnd),
        ("numbers", entry(&[3, 0, b'f', b'o', b'o']), SchedulesError::UnexpectedEnd),
        ("sequence", entry(&without_seq), SchedulesError::UnexpectedEnd),
    ];
    for (what, input, expected) in cases {
        assert_eq!(Schedules::decode(&input).unwrap_err(), expected, "{what}");
    }
}
