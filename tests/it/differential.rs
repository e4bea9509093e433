//! Byte transcripts replayed against the Go server and the server under test.
//!
//! Every transcript gets two fresh servers of its own, so that client ids, limits and interest
//! never depend on what ran before. Answers are compared byte for byte; only what must differ
//! between two servers is masked. A difference is looked at once more, alone and with more
//! patience, before it counts: a busy machine is no difference.

mod normalise;
mod replay;
mod transcript;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use natsd_testkit::testing_go;
use replay::Answer;
use transcript::Transcript;

/// Transcripts that run at the same time. They wait more than they compute.
const THREADS: usize = 8;
/// Silence that ends an answer, at first and when looking again.
const SILENCE: [Duration; 2] = [Duration::from_millis(60), Duration::from_millis(500)];

/// Transcripts whose answers differ from Go's on purpose: name, reason.
const ALLOWED: &[(&str, &str)] = &[];

/// Transcripts that natsd answers differently until a feature is built: name, and what the
/// difference must show. A row whose transcript is answered as by Go must go.
// FIXME(maintainers): needs message tracing, imports and exports of accounts, the cluster port.
const AWAITED: &[(&str, &str)] = &[
    ("173-trace-header-to-forbidden-subject", TRACING),
    ("354-imports-stream-prefix", SHARING),
    ("355-imports-stream-to", SHARING),
    ("356-imports-stream-swap", SHARING),
    ("357-imports-service-without-reply", SHARING),
    ("358-imports-service-no-responders", SHARING),
    ("465-trace-only-invalid-destination", TRACING),
    ("467-trace-only-without-interest", TRACING),
    ("469-trace-destination-denied", TRACING),
    ("470-cluster-name-in-info", "\"cluster\" is not supported yet"),
    ("481-imports-service-with-headers", SHARING),
    ("482-imports-stream-queue", SHARING),
    ("483-imports-stream-unsub", SHARING),
    ("484-imports-stream-wildcard-subscription", SHARING),
    ("485-imports-publish-on-imported-name", SHARING),
];
/// A traced message that is delivered as any other.
const TRACING: &str = "\n  is Nats-Trace-Dest: ";
const SHARING: &str = "imports\" is not supported yet";

#[test]
fn transcripts_are_answered_as_by_go() {
    let go = natsd_testkit::oracle().expect("a Go server to compare with");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/testdata/transcripts");
    let transcripts = load(&folder);
    let suspects = Mutex::new(Vec::new());
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while let Some(transcript) = transcripts.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if compare(transcript, &go, SILENCE[0]).is_some() {
                        suspects.lock().expect("no thread panicked").push(transcript);
                    }
                }
            });
        }
    });
    let mut suspects = suspects.into_inner().expect("no thread panicked");
    suspects.sort_by(|a, b| a.name.cmp(&b.name));
    let awaited = if testing_go(&crate::support::binary()) { &[] } else { AWAITED };
    let mut differ = BTreeSet::new();
    let mut report = Vec::new();
    for transcript in suspects {
        let name = transcript.name.as_str();
        let Some(difference) = compare(transcript, &go, SILENCE[1]) else { continue };
        differ.insert(name);
        let allowed = ALLOWED.iter().any(|(allowed, _)| *allowed == name);
        let row = awaited.iter().find(|(awaited, _)| *awaited == name);
        if !allowed && row.is_none_or(|(_, shows)| !difference.contains(shows)) {
            report.push(difference);
        }
    }
    for (name, _) in awaited.iter().filter(|(name, _)| !differ.contains(name)) {
        report.push(format!("== {name} is answered as by Go now: remove its row\n"));
    }
    assert!(
        report.is_empty(),
        "{} of {} transcripts are answered differently\n\n{}",
        report.len(),
        transcripts.len(),
        report.join("\n")
    );
}

#[test]
fn known_differences_name_transcripts_and_reasons() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/testdata/transcripts");
    for (name, reason) in ALLOWED.iter().chain(AWAITED) {
        assert!(folder.join(format!("{name}.txt")).is_file(), "there is no transcript {name}");
        assert!(!reason.is_empty(), "{name} has no reason");
    }
}

fn load(folder: &Path) -> Vec<Transcript> {
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("transcripts folder")
        .map(|entry| entry.expect("folder entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    paths.sort();
    assert!(!paths.is_empty(), "no transcripts in {}", folder.display());
    paths.iter().map(|path| Transcript::load(path)).collect()
}

/// The first difference between the two servers' answers, as text to read.
fn compare(transcript: &Transcript, go: &Path, silence: Duration) -> Option<String> {
    let expected = match replay::replay(transcript, go, silence) {
        Ok(answers) => answers,
        Err(error) => return Some(format!("== {}: Go: {error:#}\n", transcript.name)),
    };
    let received = match replay::replay(transcript, &crate::support::binary(), silence) {
        Ok(answers) => answers,
        Err(error) => return Some(format!("== {}: {error:#}\n", transcript.name)),
    };
    expected.iter().zip(&received).find(|(go, ours)| go != ours).map(|(go, ours)| {
        let Answer { line, connection, .. } = go;
        format!(
            "== {} line {line}, connection {connection}\n{}",
            transcript.name,
            side_by_side(&go.text, &ours.text)
        )
    })
}

/// The lines that differ, without what is equal before and after them.
fn side_by_side(go: &str, ours: &str) -> String {
    let (mut go, mut ours): (Vec<&str>, Vec<&str>) = (go.lines().collect(), ours.lines().collect());
    let equal = go.iter().zip(&ours).take_while(|(a, b)| a == b).count();
    go.drain(..equal);
    ours.drain(..equal);
    while !go.is_empty() && go.last() == ours.last() {
        go.pop();
        ours.pop();
    }
    let mut text = format!("     after {equal} equal lines\n");
    let same_start =
        |a: &str, b: &str| a.bytes().zip(b.bytes()).take_while(|(a, b)| a == b).count();
    let skip = match (go.first(), ours.first()) {
        (Some(a), Some(b)) => same_start(a, b).saturating_sub(30),
        _ => 0,
    };
    for (mark, lines) in [("go", go), ("is", ours)] {
        for (index, line) in lines.iter().take(8).enumerate() {
            // Escaped text is ASCII, so any byte is a boundary.
            let from = if index == 0 { skip.min(line.len()) } else { 0 };
            let shown: String = line[from..].chars().take(200).collect();
            let dots = if from > 0 { "…" } else { "" };
            text.push_str(&format!("  {mark} {dots}{shown}\n"));
        }
    }
    text
}
