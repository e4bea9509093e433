//! Random values keep their bounds.

use std::collections::HashSet;

use super::*;

#[test]
fn identifiers_are_22_characters_and_differ() {
    let mut random = Random::new();
    let ids: HashSet<String> = (0..1_000).map(|_| random.id()).collect();
    assert_eq!(ids.len(), 1_000);
    assert!(ids.iter().all(|id| id.len() == 22 && id.bytes().all(|b| b.is_ascii_alphanumeric())));
}

#[test]
fn numbers_stay_below_the_bound() {
    let mut random = Random::new();
    assert_eq!(random.below(0), 0);
    assert_eq!(random.below(1), 0);
    let seen: HashSet<usize> = (0..1_000).map(|_| random.below(5)).collect();
    assert_eq!(seen, HashSet::from([0, 1, 2, 3, 4]));
}
