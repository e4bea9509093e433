//! Errors of the operating system as Go prints them.

use std::io;

/// The text of `error` in lower case and without its number: `address already in use`.
#[must_use]
pub fn os_error(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error ").next().unwrap_or_default();
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_lowercase().chain(letters).collect())
}

#[cfg(test)]
mod tests {
    use super::os_error;
    use std::io;

    #[test]
    fn the_number_is_left_out() {
        assert_eq!(os_error(&io::Error::from_raw_os_error(98)), "address already in use");
        assert_eq!(os_error(&io::Error::other("odd")), "odd");
    }
}
