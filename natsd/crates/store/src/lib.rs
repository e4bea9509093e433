//! Keeps messages and consumer state, in memory or on a disk, and recovers them.
