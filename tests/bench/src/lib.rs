//! Programs that load a server from outside (`src/bin`), and inputs for the benches of hot paths.

pub mod inputs;
