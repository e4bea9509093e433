//! Starts a server under test as a process and talks to it over raw sockets.
