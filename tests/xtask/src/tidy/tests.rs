//! One row per rule: a tree that breaks it, and one that keeps it.

use crate::tree::{Source, root};

fn check(files: &[(&str, &str)], ratchet: &str, expected: &str) {
    let sources: Vec<Source> = files
        .iter()
        .map(|(path, text)| Source { path: (*path).into(), text: (*text).into() })
        .collect();
    let mut violations = super::files::check(&sources, ratchet);
    violations.extend(super::layers::check(&sources));
    assert_eq!(violations.join("\n"), expected);
}

#[test]
fn files_have_a_limit_and_an_opening() {
    let long = format!("//! Long.\n{}", "\n".repeat(800));
    let lib = "natsd/crates/api/src/lib.rs";
    check(&[(lib, "//! Fine.\n")], "", "");
    check(
        &[(lib, "fn x() {}\n")],
        "",
        "natsd/crates/api/src/lib.rs: does not open with //! saying what it is for",
    );
    check(&[(lib, &long)], "", "natsd/crates/api/src/lib.rs: 801 lines, at most 800");
    check(&[(lib, &long)], "natsd/crates/api/src/lib.rs\t801\told", "");
    check(
        &[(lib, &long)],
        "natsd/crates/api/src/lib.rs\t800\told",
        "natsd/crates/api/src/lib.rs: 801 lines, and may only shrink from 800",
    );
    check(
        &[(lib, "//! Fine.\n")],
        "natsd/crates/api/src/lib.rs\t900\told\ngone.rs\t900\told",
        "natsd/crates/api/src/lib.rs: fits now, take it out of ratchet.tsv\nratchet.tsv: there is no gone.rs",
    );
    let two = format!("//! Base.\nmod b;\n{}", "\n".repeat(700));
    let three = format!("//! Base.\n{}", "\n".repeat(750));
    check(
        &[
            ("natsd/crates/base/src/lib.rs", &format!("{two}mod c;")),
            ("natsd/crates/base/src/b.rs", &three),
            ("natsd/crates/base/src/c.rs", &three),
        ],
        "",
        "natsd/crates/base: 2205 lines, at most 2000",
    );
}

#[test]
fn marks_need_an_owner_and_paths_a_home() {
    let lib = "natsd/crates/api/src/lib.rs";
    let named = concat!("//! X.\n// TO", "DO(ada): later\n");
    check(&[(lib, named)], "", "");
    let bare = concat!("//! X.\n// TO", "DO later\n");
    check(&[(lib, bare)], "", &format!("{lib}:2: {} without a name", concat!("TO", "DO")));
    let path = concat!("//! X.\nconst P: &str = \"/ro", "ot/x\";\n");
    check(
        &[(lib, path)],
        "",
        &format!("{lib}:2: a path of one machine ({})", concat!("/ro", "ot/")),
    );
}

#[test]
fn integration_tests_do_not_sleep() {
    let text = "//! X.\nfn x() { std::thread::sleep(y); }\n";
    check(
        &[("tests/it/main.rs", text)],
        "",
        "tests/it/main.rs:2: sleeps; wait for a condition instead",
    );
    check(&[("tests/testkit/src/lib.rs", text)], "", "");
}

#[test]
fn files_outside_the_module_tree_are_found() {
    check(
        &[
            ("tests/it/main.rs", "//! X.\nmod a;\n"),
            ("tests/it/a.rs", "//! X.\nmod deep;\n"),
            ("tests/it/a/deep.rs", "//! X.\n"),
            ("tests/it/b.rs", "//! X.\n"),
            (
                "natsd/crates/api/src/lib.rs",
                "//! X.\npub(crate) mod m;\n#[cfg(test)]\nmod tests;\n",
            ),
            ("natsd/crates/api/src/m/mod.rs", "//! X.\n"),
            ("natsd/crates/api/src/tests.rs", ""),
            ("natsd/crates/api/benches/speed.rs", "//! X.\n"),
        ],
        "",
        "tests/it/b.rs: no mod leads here, so it is never compiled",
    );
}

#[test]
fn decision_records_have_unique_numbers() {
    check(
        &[
            ("natsd/docs/adr/0001-a.md", ""),
            ("natsd/docs/adr/0001-b.md", ""),
            ("natsd/docs/adr/README.md", ""),
            ("natsd/docs/adr/some.md", ""),
        ],
        "",
        "natsd/docs/adr/0001-b.md: has the number of natsd/docs/adr/0001-a.md\n\
         natsd/docs/adr/some.md: name it NNNN-title.md",
    );
}

#[test]
fn crates_know_only_what_the_table_allows() {
    check(
        &[(
            "natsd/crates/wire/Cargo.toml",
            "[dependencies]\nnatsd-base.workspace = true\nmemchr = { workspace = true }\n\
             [dev-dependencies]\nnatsd-testkit.workspace = true\ntokio.workspace = true\n",
        )],
        "",
        "",
    );
    check(
        &[(
            "natsd/crates/wire/Cargo.toml",
            "[dependencies]\nnatsd-links.workspace = true\ntokio = { workspace = true }\n",
        )],
        "",
        "natsd/crates/wire/Cargo.toml: dependencies on natsd-links is not allowed\n\
         natsd/crates/wire/Cargo.toml: dependencies on tokio is not allowed",
    );
    check(
        &[(
            "natsd/crates/api/Cargo.toml",
            "[dependencies.natsd-store]\nworkspace = true\n\
             [target.'cfg(unix)'.dependencies]\nnatsd-wire = { workspace = true }\n",
        )],
        "",
        "natsd/crates/api/Cargo.toml: dependencies on natsd-store is not allowed\n\
         natsd/crates/api/Cargo.toml: dependencies on natsd-wire is not allowed",
    );
    check(
        &[("natsd/crates/misc/Cargo.toml", "")],
        "",
        "natsd/crates/misc/Cargo.toml: not in the dependency table of tidy",
    );
}

#[test]
fn this_tree_is_tidy() {
    assert_eq!(super::check(&root()).unwrap(), [""; 0]);
}
