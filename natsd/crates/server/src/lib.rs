//! Connects the cores to sockets, threads, timers, signals and files.
