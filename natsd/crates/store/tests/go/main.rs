//! What the store and the real Go server make of each other's files and backups.
//!
//! `natsd_testkit::oracle` finds the Go server. Each test has one of its own, on loopback.

mod backups;
mod folders;
mod groups;
mod peer;
mod streams;
