//! Names the values that every layer passes around.
