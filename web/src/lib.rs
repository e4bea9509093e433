//! Embeds the dashboard that the daemon serves.
