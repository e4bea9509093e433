//! Embeds the dashboard that the daemon serves: one page, no build step, nothing from elsewhere.
#![warn(missing_docs)]

/// The page. It asks `/api/v1` of the server that it came from, with a token that its user enters.
#[must_use]
pub fn index_html() -> &'static str {
    include_str!("index.html")
}

#[cfg(test)]
mod tests;
