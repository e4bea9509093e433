//! Turns bytes into operations and back, for every protocol we speak.
