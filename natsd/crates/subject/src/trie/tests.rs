use super::*;

#[derive(Default)]
struct Number(u32);

impl Payload for Number {
    fn is_empty(&self) -> bool {
        self.0 == 0
    }

    fn heap_size(&self) -> usize {
        0
    }
}

fn trie(filters: &[&str]) -> Trie<Number> {
    let mut trie = Trie::<Number>::with_seed(1);
    for filter in filters {
        trie.entry(filter.as_bytes()).0 += 1;
    }
    trie
}

fn filters(trie: &Trie<Number>) -> Vec<String> {
    let mut found = Vec::new();
    trie.visit_all(|filter, _| found.push(String::from_utf8(filter.to_vec()).unwrap()));
    found.sort();
    found
}

#[test]
fn nodes_stay_compact() {
    assert_eq!(size_of::<Label>(), 24);
    assert!(Arena::<Node<[u64; 2]>>::place_size() <= 72);
}

#[track_caller]
fn check_nodes(filters_in: &[&str], node_count: usize) {
    let mut trie = trie(filters_in);
    assert_eq!(trie.nodes.live_count(), node_count);
    let mut expected: Vec<String> = filters_in.iter().map(|&f| f.to_owned()).collect();
    expected.sort();
    assert_eq!(filters(&trie), expected);
    for filter in filters_in {
        assert_eq!(trie.get(filter.as_bytes()).map(|number| number.0), Some(1), "{filter}");
    }
    // Whatever goes first, what is left is there and shares nodes as if it had come alone.
    for (index, filter) in filters_in.iter().enumerate() {
        assert_eq!(trie.update(filter.as_bytes(), |number| number.0 = 0), Some(()));
        assert!(trie.get(filter.as_bytes()).is_none());
        let alone = self::trie(&filters_in[index + 1..]);
        assert_eq!(trie.nodes.live_count(), alone.nodes.live_count(), "after {filter}");
        assert_eq!(filters(&trie), filters(&alone));
    }
}

#[test]
fn filters_share_nodes_only_where_they_part() {
    check_nodes(&["a.b.c.d.>"], 2);
    check_nodes(&["a.b.c", "a.b.d"], 4);
    check_nodes(&["a.b.c", "a.b"], 3);
    check_nodes(&["a.b", "a.b.c"], 3);
    check_nodes(&["a.*.c", "a.>", "a.b.c"], 5);
    check_nodes(&["abc.d", "abd.d"], 3);
    check_nodes(&["a.b.c.d", "a.b.x", "a.y", "*.b.c", "*.*", ">", "*"], 10);
    check_nodes(&["x.a", "x.b", "x.c", "x.d", "x.e", "x.f", "x.g", "x.h", "x.i", "x.j", "x.k"], 13);
    let long = "t".repeat(40);
    let one = format!("{long}.{long}.a");
    let other = format!("{long}.{long}.b.>");
    check_nodes(&[&one, &other], 4);
}

#[test]
fn absent_filters_are_not_found() {
    let mut trie = trie(&["a.b.c", "a.b.d", "ab.c"]);
    for filter in ["a", "a.b", "a.b.c.d", "a.b.cc", "ab", "*", ">", "a.*.c", "a.b.>"] {
        assert!(trie.get(filter.as_bytes()).is_none(), "{filter}");
        assert!(trie.update(filter.as_bytes(), |number| number.0 = 0).is_none(), "{filter}");
    }
    assert_eq!(filters(&trie).len(), 3);
}

#[test]
fn freed_nodes_are_used_again() {
    let mut trie = trie(&["keep.a", "keep.b"]);
    for number in 0..2000_u32 {
        trie.entry(format!("x.{number}.*.y").as_bytes()).0 = 1;
    }
    let size = trie.allocated_size();
    for round in 0..3_u32 {
        for number in 0..2000_u32 {
            let filter = format!("x.{number}.*.y");
            assert!(trie.update(filter.as_bytes(), |value| value.0 = 0).is_some(), "{round}");
        }
        for number in 0..2000_u32 {
            trie.entry(format!("x.{number}.*.y").as_bytes()).0 = 1;
        }
    }
    assert!(trie.allocated_size() <= size, "{} {size}", trie.allocated_size());
}
