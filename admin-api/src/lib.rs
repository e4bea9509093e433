//! Serves the HTTP view of a backend that it knows only by trait.
