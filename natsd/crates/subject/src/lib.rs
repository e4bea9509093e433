//! Decides which subjects match, and finds who is interested.
