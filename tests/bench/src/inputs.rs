//! Bytes that the benches share: streams of operations as clients send them.

/// A stream of `count` small publishes, as a busy client sends them.
pub fn publishes(count: usize, payload_size: usize) -> Vec<u8> {
    let payload = "x".repeat(payload_size);
    let mut bytes = Vec::new();
    for number in 0..count {
        let subject = format!("orders.eu.{number}");
        bytes.extend(format!("PUB {subject} {payload_size}\r\n{payload}\r\n").into_bytes());
    }
    bytes
}

/// The same with a reply subject and headers.
pub fn header_publishes(count: usize, payload_size: usize) -> Vec<u8> {
    let header = "NATS/1.0\r\nNats-Msg-Id: 12345\r\n\r\n";
    let payload = "x".repeat(payload_size);
    let mut bytes = Vec::new();
    for number in 0..count {
        let (size, total) = (header.len(), header.len() + payload_size);
        let line = format!("HPUB orders.eu.{number} _INBOX.abc.{number} {size} {total}\r\n");
        bytes.extend(format!("{line}{header}{payload}\r\n").into_bytes());
    }
    bytes
}

/// Subscriptions and their ends, as at the start of a client.
pub fn subscriptions(count: usize) -> Vec<u8> {
    (0..count)
        .flat_map(|sid| format!("SUB orders.*.{sid} workers {sid}\r\nUNSUB {sid}\r\n").into_bytes())
        .collect()
}
