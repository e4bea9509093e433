//! Reading references to Go tests.

use super::Parity;
use crate::tree::{Source, root};

const LIST: &str = "subsystem\tfile\tline\tTestName\n\
    core\ta_test.go\t10\tTestOne\ncore\ta_test.go\t20\tTestTwo\n\
    core\ta_test.go\t30\tTestBoth\ncore\tb_test.go\t5\tTestBoth\n";

fn parity(rust: &str, absent: &str) -> Parity {
    let mut parity = Parity::new(LIST).unwrap();
    parity.take_ported(&Source { path: "x.rs".into(), text: rust.into() });
    parity.take_absent(&Source { path: "x.tsv".into(), text: absent.into() });
    parity.check_both();
    parity
}

fn check(rust: &str, absent: &str, expected: Result<[usize; 4], &str>) {
    let parity = parity(rust, absent);
    match expected {
        Ok(expected) => {
            assert_eq!(parity.errors, [""; 0]);
            let total = parity.table().lines().last().unwrap().to_owned();
            let counts: Vec<&str> = total.split_whitespace().skip(1).collect();
            assert_eq!(counts, expected.map(|count| count.to_string()));
        }
        Err(text) => {
            let errors = parity.errors.join("\n");
            assert!(errors.contains(text), "{errors:?} has no {text:?}");
        }
    }
}

#[test]
fn references_are_joined_with_the_list() {
    check("", "", Ok([0, 0, 0, 4]));
    check("/// Go: TestOne a_test.go:10\n#[test]\nfn one() {}", "", Ok([1, 0, 0, 3]));
    let two = "/// Go: TestOne a_test.go:10\n/// Go: TestTwo a_test.go:20\n#[test]\nfn both() {}";
    check(two, "TestBoth\tb_test.go\tno routes\n", Ok([2, 0, 1, 1]));
    check(
        "    /// Go: TestOne a_test.go:10\n    #[test]\n    fn one() {}",
        "# note\n",
        Ok([1, 0, 0, 3]),
    );
}

#[test]
fn a_test_that_awaits_a_feature_is_not_ported() {
    let one = "/// Go: TestOne a_test.go:10\n#[test]\nfn one() {\n";
    let other = "/// Go: TestOne a_test.go:10\n#[test]\nfn other() {\n    run();\n}\n";
    let awaits = "    if awaits(\"x\", \"x: 1\") {\n        return;\n    }\n}\n";
    check(&format!("{one}{awaits}"), "", Ok([0, 1, 0, 3]));
    check(&format!("{one}    run();\n}}\nfn two() {{\n{awaits}"), "", Ok([1, 0, 0, 3]));
    check(&format!("{one}    // awaits(x)\n}}\n"), "", Ok([1, 0, 0, 3]));
    // One half is enough, in either order.
    check(&format!("{other}{one}{awaits}"), "", Ok([0, 1, 0, 3]));
    check(&format!("{one}{awaits}{other}"), "", Ok([0, 1, 0, 3]));
}

#[test]
fn wrong_references_are_errors() {
    check("/// Go: TestOne a_test.go:11\n#[test]\nfn one() {}", "", Err("is at a_test.go:10"));
    check("/// Go: TestThree a_test.go:1\n#[test]\nfn x() {}", "", Err("no TestThree"));
    check("/// Go: TestOne\n#[test]\nfn x() {}", "", Err("want"));
    check("/// Go: TestOne a_test.go:10\nfn helper() {}", "", Err("not the doc comment"));
    check("", "TestBoth\tno routes\n", Err("in several files"));
    check("", "TestNone\tno routes\n", Err("no such test"));
    check("", "TestOne\t\n", Err("no reason"));
    let one = "/// Go: TestOne a_test.go:10\n#[test]\nfn one() {}";
    check(one, "TestOne\tlazy\n", Err("ported and listed as absent"));
}

#[test]
fn pending_tests_are_listed_in_file_order() {
    let parity = parity("/// Go: TestTwo a_test.go:20\n#[test]\nfn two() {}", "");
    assert_eq!(parity.pending("a_test.go").unwrap(), [("TestOne", 10), ("TestBoth", 30)]);
    assert!(parity.pending("c_test.go").is_err());
}

#[test]
fn the_references_of_this_tree_are_right() {
    let parity = super::load(&root()).unwrap();
    assert_eq!(parity.errors, [""; 0]);
}
