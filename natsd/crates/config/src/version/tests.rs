//! Comparing versions.

use super::components;

/// Go: TestVersionAtLeast server/util_test.go:195
#[test]
fn version_at_least() {
    for (version, least, expected) in [
        ("2.0.0-beta", (1, 9, 9), true),
        ("2.0.0", (1, 99, 9), true),
        ("2.2.0", (2, 1, 9), true),
        ("2.2.2", (2, 2, 2), true),
        ("2.2.2", (2, 2, 3), false),
        ("2.2.2", (2, 3, 2), false),
        ("2.2.2", (3, 2, 2), false),
        ("2.22.2", (3, 0, 0), false),
        ("2.2.22", (2, 3, 0), false),
        ("bad.version", (1, 2, 3), false),
    ] {
        let found = components(version).is_ok_and(|version| version >= least);
        assert_eq!(found, expected, "{version} {least:?}");
    }
}
