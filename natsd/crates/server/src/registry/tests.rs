//! What is remembered of closed connections.

use super::{ClosedClient, Registry};
use natsd_base::{ConnectionId, Timestamp};
use natsd_links::CloseReason;
use natsd_links::client::ClientDetails;

fn closed(id: u64) -> ClosedClient {
    ClosedClient {
        id: ConnectionId(id),
        address: "127.0.0.1:1".into(),
        started: Timestamp(1),
        stopped: Timestamp(2),
        reason: CloseReason::ClientClosed,
        last_activity: Timestamp(1),
        round_trip: None,
        pending_bytes: 0,
        in_msgs: 0,
        in_bytes: 0,
        out_msgs: 0,
        out_bytes: 0,
        stalls: 0,
        details: ClientDetails::default(),
        subscriptions: Box::default(),
    }
}

/// Closes connections `1..=count` and checks what is remembered after each.
#[track_caller]
fn check(closed_max: usize, count: u64) {
    let registry = Registry::new(closed_max);
    for id in 1..=count {
        registry.remove(closed(id));
        let remembered: Vec<u64> = registry.closed().iter().map(|one| one.id.0).collect();
        let kept = id.min(u64::try_from(closed_max).unwrap());
        assert_eq!(remembered, (id - kept + 1..=id).collect::<Vec<u64>>());
        assert_eq!(registry.closed_total(), id);
    }
}

/// Go: TestRBAppendAndLenAndTotal server/ring_test.go:22
/// Go: TestRBclosedClients server/ring_test.go:48
#[test]
fn the_last_closed_connections_are_remembered_and_all_are_counted() {
    check(10, 30);
    check(10, 100);
    check(1, 3);
    check(0, 3);
}
