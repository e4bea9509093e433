//! Programs that load a server from outside: see `src/bin`.
