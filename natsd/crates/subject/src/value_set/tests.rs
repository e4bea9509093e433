use std::collections::HashSet;

use proptest::prelude::*;

use super::*;

proptest! {
    #[test]
    fn value_sets_agree_with_hash_sets(
        changes in prop::collection::vec((any::<bool>(), 0..120_u32), 1..600),
    ) {
        let mut set = ValueSet::default();
        let mut model = HashSet::new();
        for (is_insert, value) in changes {
            if is_insert {
                prop_assert_eq!(set.insert(value), model.insert(value));
            } else {
                prop_assert_eq!(set.remove(&value), model.remove(&value));
            }
            prop_assert_eq!(set.len(), model.len());
        }
        let found: HashSet<u32> = set.values().iter().copied().collect();
        prop_assert_eq!(found, model);
    }
}
