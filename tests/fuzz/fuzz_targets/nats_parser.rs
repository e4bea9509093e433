//! The client protocol parser: no panic, the same operations in any chunking, bounded memory.
#![no_main]

use libfuzzer_sys::fuzz_target;
use natsd_wire::nats::{Connect, Op, ParseError, Parsed, Parser, ParserLimits};

const LIMITS: ParserLimits =
    ParserLimits { control_line_max: 64, payload_max: Some(256), headers: true };

/// What a connection saw: operations as text, and how it ended.
fn run<'a>(chunks: impl Iterator<Item = &'a [u8]>) -> (Vec<String>, Option<ParseError>) {
    let mut parser = Parser::new();
    let mut kept: Vec<u8> = Vec::new();
    let mut seen = Vec::new();
    for chunk in chunks {
        kept.extend_from_slice(chunk);
        loop {
            // The shortcut agrees with the parser wherever it answers.
            if let Some((publish, consumed)) = parser.parse_common(&kept, &LIMITS) {
                let parsed = { parser }.parse(&kept, &LIMITS);
                assert_eq!(parsed, Ok(Parsed::Complete { op: Op::Publish(publish), consumed }));
            }
            match parser.parse(&kept, &LIMITS) {
                Ok(Parsed::Complete { op, consumed }) => {
                    assert!(consumed > 0 && consumed <= kept.len(), "consumed {consumed}");
                    seen.push(format!("{op:?}"));
                    kept.drain(..consumed);
                }
                Ok(Parsed::Incomplete { consumed, .. }) => {
                    kept.drain(..consumed);
                    break;
                }
                Err(error) => return (seen, Some(error)),
            }
        }
        // A line, its payload, and the two line ends.
        assert!(kept.len() <= 64 + 256 + 32 + chunk.len(), "keeps {} bytes", kept.len());
    }
    (seen, None)
}

fuzz_target!(|data: &[u8]| {
    // The first byte decides how the rest is cut.
    let Some((step, input)) = data.split_first() else { return };
    let step = usize::from(*step % 17) + 1;
    let whole = run(std::iter::once(input));
    assert_eq!(run(input.chunks(step)), whole, "in pieces of {step}");
    let _ = Connect::default().apply(input);
});
