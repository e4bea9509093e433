//! The `natsctl` command.

fn main() {}
