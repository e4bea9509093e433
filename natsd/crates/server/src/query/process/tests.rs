use super::{SAMPLE_MIN, Stat, Usage, expvarz, parse_stat, threads};
use natsd_base::Timestamp;

#[test]
fn fields_are_counted_behind_the_name() {
    let rest = "S 1 2 3 4 5 6 7 8 9 10 700 42 0 0 20 0 5 0 100 4096000 321 18446744073709551615";
    for name in ["natsd", "a b", "a) (b"] {
        let stat = parse_stat(&format!("77 ({name}) {rest}"));
        let expected =
            Stat { ticks: 742, threads: 5, virtual_bytes: 4_096_000, resident_pages: 321 };
        assert_eq!(stat, Some(expected), "{name}");
    }
    for broken in ["", "77 (natsd", "77 (natsd) S 1", "77 (natsd) S 1 2 3 4 5 6 7 8 9 10 x 42"] {
        assert_eq!(parse_stat(broken), None, "{broken}");
    }
}

#[test]
fn usage_is_that_since_the_last_look() {
    let start = Timestamp(0);
    let mut usage = Usage::new(start);
    let (first, resident) = usage.sample(start + SAMPLE_MIN);
    assert!(first >= 0.0 && resident > 0);
    let again = usage.sample(start + SAMPLE_MIN);
    assert!((again.0 - first).abs() < f64::EPSILON, "a look at once gives the same");
}

#[test]
fn the_process_knows_itself() {
    let vars = expvarz();
    assert!(!vars.cmdline.is_empty());
    assert!(vars.memstats["Resident"] > 0 && vars.memstats["Threads"] > 0);
    let threads = threads();
    assert!(threads.lines().count() >= 1 && threads.starts_with("thread "), "{threads}");
}
