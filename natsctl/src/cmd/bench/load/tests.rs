//! How a load is divided.

use super::*;

#[test]
fn messages_are_shared_out_completely() {
    for (total, clients, expected) in
        [(10, 1, vec![10]), (10, 3, vec![4, 3, 3]), (2, 4, vec![1, 1, 0, 0]), (9, 3, vec![3, 3, 3])]
    {
        assert_eq!(shares(total, clients), expected);
    }
    assert_eq!(shares(u64::MAX, 2).iter().sum::<u64>(), u64::MAX);
}

#[test]
fn totals_count_every_client_outside_of_a_group() {
    let sub = |queue: Option<&str>| Role::Subscribe {
        messages: 5,
        queue: queue.map(str::to_owned),
        wait: None,
    };
    for (role, expected) in [
        (Role::Publish { messages: 5 }, Some(5)),
        (Role::Request { messages: 5 }, Some(5)),
        (sub(None), Some(15)),
        (sub(Some("q")), Some(5)),
        (Role::Reply { messages: None }, None),
        (Role::Reply { messages: Some(7) }, Some(7)),
    ] {
        assert_eq!(role.total(3), expected, "{}", role.name());
    }
}
