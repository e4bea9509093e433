//! Speaks one protocol on one connection, for each kind of peer.
