//! Integration tests: the built server as a process, spoken to over sockets.
