//! `storectl verify`: reads everything and says what is damaged.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use natsd_store::journal::Recovery;
use natsd_store::raft_log::RaftFiles;
use natsd_store::{Disk, FileStore, Filter, IndexFile, RealDisk, StreamStore};
use serde_json::json;

use crate::assets::{Asset, Assets, Kind, Problem};
use crate::batches::{Batch, Batches};
use crate::{Context, explain};

/// What was looked at.
#[derive(Debug, Default)]
struct Report {
    streams: u64,
    consumers: u64,
    groups: u64,
    messages: u64,
    /// Changes in the journal that are not in the files yet.
    changes: u64,
    /// Batches that were being published.
    batches: Vec<Batch>,
    problems: Vec<Problem>,
}

pub(crate) fn run(context: &Context, dir: &Path, out: &mut dyn Write) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::read_only());
    let assets = Assets::find(disk.as_ref(), dir)?;
    let mut report = Report { problems: assets.problems, ..Report::default() };
    let progress = &context.progress;
    for journal in &assets.journals {
        progress.begin(format!("journal {}", journal.display()));
        report.check_journal(&disk, journal);
    }
    let count = assets.assets.len();
    for (index, asset) in assets.assets.iter().enumerate() {
        progress.begin(format!("{} of {count}: {} > {}", index + 1, asset.account, asset.name));
        report.check(context, &disk, asset);
    }
    progress.clear();
    report.write(context, out)?;
    Ok(report.problems.is_empty())
}

impl Report {
    fn add(&mut self, path: &Path, text: impl Into<String>) {
        self.problems.push(Problem::new(path, text));
    }

    fn check_journal(&mut self, disk: &Arc<dyn Disk>, dir: &Path) {
        match Recovery::scan(Arc::clone(disk), dir) {
            Err(error) => self.add(dir, explain(&error)),
            Ok(recovery) => {
                self.changes += recovery.groups().iter().map(|group| group.changes).sum::<u64>();
                if let Some(damage) = recovery.damaged() {
                    let next = damage.next.map_or("the end".to_owned(), |lsn| lsn.0.to_string());
                    self.add(
                        &damage.path,
                        format!(
                            "damaged at byte {}: positions after {} and before {next} are lost",
                            damage.offset, damage.last.0
                        ),
                    );
                }
                self.problems.extend(recovery.corrected().iter().map(Problem::of_correction));
                for path in recovery.unreadable() {
                    self.add(path, "not a segment of a journal, or torn in its first use");
                }
            }
        }
    }

    fn check(&mut self, context: &Context, disk: &Arc<dyn Disk>, asset: &Asset) {
        match asset.kind {
            Kind::Stream => self.streams += 1,
            Kind::Group => self.groups += 1,
        }
        let description = match asset.describe(context, disk.as_ref()) {
            Ok(description) => description,
            Err(problem) => return self.problems.push(problem),
        };
        for path in &description.mended {
            self.add(path, "one bit is wrong; recovery makes it right");
        }
        match asset.scan(context, disk, &description) {
            Ok(mut scanned) => {
                let count = self.check_messages(asset, &mut scanned.store);
                self.messages += match &scanned.index {
                    // Limits have removed the others.
                    IndexFile::Current(index) => index.messages().min(count),
                    IndexFile::Missing | IndexFile::Damaged | IndexFile::Outdated => count,
                };
                self.problems.append(&mut asset.compare_index(&mut scanned));
                if asset.kind == Kind::Stream {
                    let store = &mut scanned.store;
                    self.add_batches(Batches::find(context, disk, asset, &description, store));
                }
            }
            Err(problem) => self.problems.push(problem),
        }
        if asset.kind == Kind::Group {
            self.check_raft(disk, asset);
        }
        match asset.consumers(disk.as_ref()) {
            Ok(names) => {
                for name in names {
                    self.consumers += 1;
                    let keys = description.keys.as_ref();
                    let state = asset.consumer_state(disk, &name, keys);
                    self.problems.extend(state.err());
                }
            }
            Err(problem) => self.problems.push(problem),
        }
    }

    /// Reads all messages; how many there are.
    fn check_messages(&mut self, asset: &Asset, store: &mut FileStore) -> u64 {
        let (mut next, mut count) = (0, 0);
        loop {
            match store.load_next(Filter::All, next) {
                Ok(Some(message)) => (next, count) = (message.seq + 1, count + 1),
                Ok(None) => break,
                Err(error) => {
                    self.add(&asset.dir, format!("after sequence {next}: {error}"));
                    break;
                }
            }
        }
        let expected = store.state().messages;
        if count != expected {
            self.add(&asset.dir, format!("{count} messages are there, {expected} are counted"));
        }
        for damage in store.damaged() {
            let path = asset.dir.join(format!("msgs/{}.blk", damage.block));
            self.problems.push(Problem::of_damage(&path, damage));
        }
        let lost = store.lost().len();
        if lost > 0 {
            let (first, last) = (store.lost().min(), store.lost().max());
            let text = format!(
                "{lost} messages are lost, from {} to {}",
                first.unwrap_or(0),
                last.unwrap_or(0)
            );
            self.add(&asset.dir, text);
        }
        count
    }

    fn check_raft(&mut self, disk: &Arc<dyn Disk>, asset: &Asset) {
        let files = RaftFiles::new(Arc::clone(disk), &asset.dir, &asset.name);
        let checks = [
            files.read_hard_state().err(),
            files.read_peers().err(),
            files.read_commit().err(),
            files.read_snapshot().err(),
        ];
        for error in checks.into_iter().flatten() {
            self.add(&asset.dir, explain(&error));
        }
    }

    fn add_batches(&mut self, found: Batches) {
        self.problems.extend(found.problems);
        for mut batch in found.batches {
            self.problems.append(&mut batch.problems);
            self.batches.push(batch);
        }
    }

    fn write(&self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        if context.json {
            let problem =
                |problem: &Problem| json!({ "path": problem.path, "problem": problem.text });
            let report = json!({
                "ok": self.problems.is_empty(),
                "streams": self.streams,
                "consumers": self.consumers,
                "groups": self.groups,
                "messages": self.messages,
                "journal_changes": self.changes,
                "batches": self.batches.iter().map(Batch::to_json).collect::<Vec<_>>(),
                "problems": self.problems.iter().map(problem).collect::<Vec<_>>(),
            });
            return writeln!(out, "{report}");
        }
        for problem in &self.problems {
            writeln!(out, "{}: {}", problem.path.display(), problem.text)?;
        }
        if context.quiet {
            return Ok(());
        }
        for batch in &self.batches {
            writeln!(out, "{}: a batch of {batch}", batch.dir.display())?;
        }
        writeln!(
            out,
            "{} streams with {} messages, {} consumers, {} RAFT groups, {} changes in the journal: {}",
            self.streams,
            self.messages,
            self.consumers,
            self.groups,
            self.changes,
            match self.problems.len() {
                0 => "fine".to_owned(),
                1 => "1 problem".to_owned(),
                count => format!("{count} problems"),
            }
        )
    }
}
