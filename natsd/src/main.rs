//! The `natsd` binary: flags, configuration, wiring and signals. Composition root, no logic.

fn main() {}
