//! `storectl verify`: reads everything and says what is damaged.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use natsd_store::journal::Recovery;
use natsd_store::raft_log::RaftFiles;
use natsd_store::{DamageKind, Disk, Filter, RealDisk, StreamStore};
use serde_json::json;

use crate::assets::{Asset, Assets, Kind, Problem};
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
    problems: Vec<Problem>,
}

pub(crate) fn run(context: &Context, dir: &Path, out: &mut dyn Write) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::read_only());
    let assets = Assets::find(disk.as_ref(), dir)?;
    let mut report = Report { problems: assets.problems, ..Report::default() };
    for journal in &assets.journals {
        report.check_journal(&disk, journal);
    }
    for asset in &assets.assets {
        report.check(context, &disk, asset);
    }
    let is_fine = report.problems.is_empty();
    if context.json {
        let problems: Vec<_> = report
            .problems
            .iter()
            .map(|problem| json!({ "path": problem.path, "problem": problem.text }))
            .collect();
        let report = json!({
            "ok": is_fine,
            "streams": report.streams,
            "consumers": report.consumers,
            "groups": report.groups,
            "messages": report.messages,
            "journal_changes": report.changes,
            "problems": problems,
        });
        writeln!(out, "{report}")?;
        return Ok(is_fine);
    }
    for problem in &report.problems {
        writeln!(out, "{}: {}", problem.path.display(), problem.text)?;
    }
    writeln!(
        out,
        "{} streams with {} messages, {} consumers, {} RAFT groups, {} changes in the journal: {}",
        report.streams,
        report.messages,
        report.consumers,
        report.groups,
        report.changes,
        match report.problems.len() {
            0 => "fine".to_owned(),
            1 => "1 problem".to_owned(),
            count => format!("{count} problems"),
        }
    )?;
    Ok(is_fine)
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
            self.add(path, "one bit is wrong; a server mends it");
        }
        match asset.scan(disk, &description) {
            Ok(mut store) => self.check_messages(asset, &mut store),
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

    fn check_messages(&mut self, asset: &Asset, store: &mut natsd_store::FileStore) {
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
        self.messages += count;
        let expected = store.state().messages;
        if count != expected {
            self.add(&asset.dir, format!("{count} messages are there, {expected} are counted"));
        }
        for damage in store.damaged() {
            let path = asset.dir.join(format!("msgs/{}.blk", damage.block));
            let text = if damage.kind == DamageKind::Corrected {
                format!(
                    "one bit is wrong in the record at {}, after sequence {}; recovery makes it right",
                    damage.offset, damage.after_seq
                )
            } else {
                format!(
                    "{} bytes at {} cannot be read, after sequence {}: {}",
                    damage.size, damage.offset, damage.after_seq, damage.damage
                )
            };
            self.add(&path, text);
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
}
