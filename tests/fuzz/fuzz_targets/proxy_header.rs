//! The PROXY protocol header: no panic, never more consumed than given, more bytes never undo it.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natsd_wire::proxy::{ProxyHeader, parse};

fuzz_target!(|data: &[u8]| {
    let whole = parse(data);
    if let Ok(ProxyHeader::Proxied { consumed, .. } | ProxyHeader::Local { consumed }) = whole {
        assert!(consumed <= data.len());
        assert_eq!(parse(&data[..consumed]), whole, "the header alone says the same");
    }
    for end in 0..data.len().min(128) {
        match parse(&data[..end]) {
            Ok(ProxyHeader::Incomplete) => {}
            decided => assert_eq!(decided, whole, "decided after {end} bytes"),
        }
    }
});
