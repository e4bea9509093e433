use super::{Found, check, shown_round_trip};
use crate::registry::ClosedClient;
use natsd_api::monitor::{ConnSort, ConnState, ConnzOptions};
use natsd_base::{ConnectionId, Timestamp};
use natsd_links::CloseReason;
use std::time::Duration;

const NOW: Timestamp = Timestamp(1_000_000_000_000);

fn closed(id: u64) -> ClosedClient {
    ClosedClient {
        id: ConnectionId(id),
        address: "127.0.0.1:4000".into(),
        started: Timestamp(0),
        stopped: NOW,
        reason: CloseReason::ClientClosed,
        last_activity: Timestamp(0),
        round_trip: None,
        pending_bytes: 0,
        in_msgs: 0,
        in_bytes: 0,
        out_msgs: 0,
        out_bytes: 0,
        stalls: 0,
        details: Default::default(),
        subscriptions: Box::default(),
    }
}

/// Orders connections with one property each, and returns their numbers.
fn order(sort: ConnSort, change: impl Fn(&mut ClosedClient, u64), values: &[u64]) -> Vec<u64> {
    let make = |(index, value): (usize, &u64)| {
        let mut client = closed(index as u64 + 1);
        change(&mut client, *value);
        Found::Closed(Box::new(client))
    };
    let mut found: Vec<Found> = values.iter().enumerate().map(make).collect();
    found.sort_by_cached_key(|one| (one.key(sort, NOW), one.id()));
    found.iter().map(|one| one.id().0).collect()
}

#[track_caller]
fn descends(sort: ConnSort, change: impl Fn(&mut ClosedClient, u64)) {
    assert_eq!(order(sort, change, &[5, 9, 5, 7]), [2, 4, 1, 3], "{sort:?}");
}

#[test]
fn figures_descend_and_equals_stay_in_order_of_number() {
    descends(ConnSort::InMsgs, |client, value| client.in_msgs = value);
    descends(ConnSort::InBytes, |client, value| client.in_bytes = value);
    descends(ConnSort::OutMsgs, |client, value| client.out_msgs = value);
    descends(ConnSort::OutBytes, |client, value| client.out_bytes = value);
    descends(ConnSort::Pending, |client, value| {
        client.pending_bytes = usize::try_from(value).expect("small");
    });
    descends(ConnSort::RoundTrip, |client, value| {
        client.round_trip = Some(Duration::from_nanos(value));
    });
    let at = |value: u64| Timestamp(i64::try_from(value).expect("small"));
    descends(ConnSort::LastActivity, |client, value| client.last_activity = at(value));
    descends(ConnSort::Stop, |client, value| client.stopped = at(value));
}

#[test]
fn numbers_uptimes_and_reasons_ascend() {
    let started = |client: &mut ClosedClient, value: u64| {
        client.started = Timestamp(NOW.0 - i64::try_from(value).expect("small"));
    };
    assert_eq!(order(ConnSort::Uptime, started, &[5, 9, 5, 7]), [1, 3, 4, 2]);
    assert_eq!(order(ConnSort::Cid, started, &[5, 9, 5, 7]), [1, 2, 3, 4]);
    assert_eq!(order(ConnSort::Start, started, &[5, 9, 5, 7]), [1, 2, 3, 4]);
    let reason = |client: &mut ClosedClient, value: u64| {
        client.reason =
            if value == 5 { CloseReason::WriteError } else { CloseReason::AuthenticationTimeout };
    };
    assert_eq!(order(ConnSort::Reason, reason, &[5, 9, 5, 7]), [2, 4, 1, 3]);
}

/// Go: TestMonitorConnzSortByIdleTime server/monitor_test.go:1382
#[test]
fn monitor_connz_sort_by_idle_time() {
    let activity = |client: &mut ClosedClient, seconds_ago: u64| {
        client.last_activity = Timestamp(NOW.0 - i64::try_from(seconds_ago).expect("small"));
    };
    for (ago, expected) in [
        (&[0, 0, 0][..], &[1, 2, 3][..]),
        (&[60, 60, 60], &[1, 2, 3]),
        (&[600, 300, 2, 900, 60], &[4, 1, 2, 5, 3]),
        (&[2, 60, 300, 600, 900], &[5, 4, 3, 2, 1]),
    ] {
        assert_eq!(order(ConnSort::Idle, activity, ago), expected, "{ago:?}");
    }
    // The clock of a client may be ahead: not idle at all.
    let ahead = |client: &mut ClosedClient, seconds: u64| {
        client.last_activity = NOW + Duration::from_secs(seconds);
    };
    assert_eq!(order(ConnSort::Idle, ahead, &[600, 300, 2]), [1, 2, 3]);
}

#[test]
fn some_requests_make_no_sense() {
    let options = |sort, state| ConnzOptions { sort, state, ..ConnzOptions::default() };
    for (asked, expected) in [
        (options(ConnSort::Stop, ConnState::Open), "sort by stop only valid on closed connections"),
        (options(ConnSort::Stop, ConnState::All), "sort by stop only valid on closed connections"),
        (
            options(ConnSort::Reason, ConnState::Open),
            "sort by reason only valid on closed connections",
        ),
        (
            ConnzOptions { filter_subject: "foo".into(), ..ConnzOptions::default() },
            "filter by subject only valid with account filtering",
        ),
    ] {
        assert_eq!(check(&asked).expect_err("refused").to_string(), expected);
    }
    for fine in [
        options(ConnSort::Reason, ConnState::Closed),
        ConnzOptions { filter_subject: ">".into(), ..ConnzOptions::default() },
    ] {
        assert_eq!(check(&fine), Ok(()));
    }
}

#[test]
fn round_trips_are_shown_in_whole_microseconds_below_a_millisecond() {
    for (nanos, expected) in
        [(0, 0), (999, 999), (1_000, 1_000), (406_789, 406_000), (1_234_567, 1_234_567)]
    {
        let shown = shown_round_trip(Duration::from_nanos(nanos));
        assert_eq!(shown, Duration::from_nanos(expected));
    }
}
