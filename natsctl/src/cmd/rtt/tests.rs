//! Statistics of round trips.

use super::*;

#[test]
fn statistics_of_round_trips() {
    let millis = |list: &[u64]| list.iter().copied().map(Duration::from_millis).collect::<Vec<_>>();
    for (trips, expected) in [(vec![], [0, 0, 0]), (vec![4], [4, 4, 4]), (vec![1, 6, 2], [1, 3, 6])]
    {
        let (shortest, average, longest) = statistics(&millis(&trips));
        assert_eq!(vec![shortest, average, longest], millis(&expected), "{trips:?}");
    }
}
