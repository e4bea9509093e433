//! The configuration language and its options: no panic, no endless expansion.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natsd_config::{NoSource, Options, load_text, render};

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        let _ = natsd_config::language::parse_text(data, &NoSource);
        return;
    };
    if let Err(errors) = load_text(text, Options::empty(), &NoSource) {
        // What went wrong can be shown.
        assert!(!render(&errors, &NoSource).is_empty());
    }
});
