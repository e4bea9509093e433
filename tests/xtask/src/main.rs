//! Repository chores: `tidy`, `parity`, `ci`.

fn main() {}
