//! Turns configuration text into valid options, and two option sets into a reload plan.
