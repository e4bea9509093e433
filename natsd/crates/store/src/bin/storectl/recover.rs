//! `storectl recover`: what a server does at its start, without being one.
//!
//! The order is the safety of it: changes of the journal are made again and synced in every file
//! before the journal is emptied. A crash anywhere leaves what can be recovered again.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use natsd_store::journal::{
    Change, JournalConfig, JournalError, RecoveredGroup, Recovery, ReplayError, cut_hole,
    incarnation,
};
use natsd_store::raft_log::RaftLog;
use natsd_store::{ConsumerStore, Disk, FileStore, IndexFile, RealDisk};
use serde_json::json;

use crate::assets::{Asset, Assets, Kind, Problem, StreamDescription, now, salt};
use crate::guard::store_dir_of;
use crate::{Context, explain};

/// What was done.
#[derive(Debug, Default)]
struct Report {
    /// Changes that were not in the files.
    changes: u64,
    /// What somebody should know.
    notes: Vec<Problem>,
    /// What could not be recovered. The journal stays as it is then.
    problems: Vec<Problem>,
}

/// What stops the replay of one group.
#[derive(Debug)]
enum Stop {
    Replay(ReplayError),
    Journal(JournalError),
}

impl From<JournalError> for Stop {
    fn from(error: JournalError) -> Self {
        Self::Journal(error)
    }
}

pub(crate) fn run(context: &Context, dir: &Path, out: &mut dyn Write) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::new());
    let assets = Assets::find(disk.as_ref(), dir)?;
    if assets.journals.is_empty() {
        refuse_part(&disk, dir)?;
    }
    let mut report = Report { problems: assets.problems, ..Report::default() };
    let mut recoveries = Vec::new();
    for journal in &assets.journals {
        let recovery = Recovery::scan(Arc::clone(&disk), journal);
        let recovery = recovery.map_err(|error| io::Error::other(explain(&error)))?;
        if let Some(damage) = recovery.damaged() {
            let text = format!("damaged: what follows position {} is lost", damage.last.0);
            report.notes.push(Problem::new(&damage.path, text));
        }
        report.notes.extend(recovery.corrected().iter().map(Problem::of_correction));
        recoveries.push(recovery);
    }
    let mut known = BTreeSet::new();
    for asset in &assets.assets {
        let recovered = report.recover(context, &disk, asset, &recoveries, &mut known);
        report.problems.extend(recovered.err());
    }
    for group in recoveries.iter().flat_map(Recovery::groups) {
        if group.changes > 0 && !known.contains(&group.name) {
            let text = format!("{} changes of what does not exist", group.changes);
            report.notes.push(Problem::new(Path::new(&group.name), text));
        }
    }
    if report.problems.is_empty() {
        for recovery in recoveries {
            let config = JournalConfig { salt: salt(), ..JournalConfig::default() };
            let closed = recovery.start(config).and_then(natsd_store::journal::Journal::close);
            closed.map_err(|error| io::Error::other(explain(&error)))?;
        }
    }
    report.write(context, out)?;
    Ok(report.problems.is_empty())
}

/// Refuses to recover a part of a store without its journal: that may have what is missing in it.
fn refuse_part(disk: &Arc<dyn Disk>, dir: &Path) -> io::Result<()> {
    let Some(store_dir) = store_dir_of(dir) else { return Ok(()) };
    for journal in Assets::find(disk.as_ref(), &store_dir)?.journals {
        let recovery = Recovery::scan(Arc::clone(disk), &journal);
        if recovery.map_err(|error| io::Error::other(explain(&error)))?.is_empty() {
            continue;
        }
        let (journal, store_dir) = (journal.display(), store_dir.display());
        let text = format!("{journal}: the journal is not empty; recover all of {store_dir}");
        return Err(io::Error::other(text));
    }
    Ok(())
}

impl Report {
    fn recover(
        &mut self,
        context: &Context,
        disk: &Arc<dyn Disk>,
        asset: &Asset,
        recoveries: &[Recovery],
        known: &mut BTreeSet<String>,
    ) -> Result<(), Problem> {
        let failed = |text: String| Problem::new(&asset.dir, text);
        let mut description = asset.describe(context, disk.as_ref())?;
        for path in &description.mended {
            self.notes.push(Problem::new(path, "one bit was wrong and was made right"));
        }
        let found = find(recoveries, &asset.journal_name);
        known.insert(asset.journal_name.clone());
        let mut changes = None;
        if let Some((recovery, group)) = found {
            if group.incarnation == incarnation(description.created()) {
                let initial = description.store_config().first_seq;
                let keys = description.keys.as_ref();
                cut_hole(disk.as_ref(), &asset.dir, &asset.name, keys, initial, group)
                    .map_err(|error| failed(error.to_string()))?;
                changes = Some((recovery, group));
            } else {
                let text = "the journal has changes of an earlier one of this name";
                self.notes.push(failed(text.to_owned()));
            }
        }
        // An index that was written before these changes is of other blocks.
        if changes.is_none_or(|(_, group)| group.changes == 0) {
            self.note_index(context, disk, asset, &description)?;
        }
        let store = asset.open(disk, &description, false)?;
        let count = match asset.kind {
            Kind::Stream => self.recover_stream(asset, store, changes),
            Kind::Group => self.recover_group(disk, asset, store, changes),
        };
        self.changes += count.map_err(failed)?;
        if asset.renew(context, disk.as_ref(), &mut description)? {
            // The index is sealed with the key that is gone.
            let mut store = asset.open(disk, &description, false)?;
            store.stop(now()).map_err(|error| failed(explain(&error)))?;
        }
        for name in asset.consumers(disk.as_ref())? {
            self.recover_consumer(disk, asset, &description, &name, recoveries, known)?;
        }
        Ok(())
    }

    /// Says what the index knows otherwise than the blocks, which have no other damage. Opening the
    /// stream makes right what one bit explains, and the index is written anew.
    fn note_index(
        &mut self,
        context: &Context,
        disk: &Arc<dyn Disk>,
        asset: &Asset,
        description: &StreamDescription,
    ) -> Result<(), Problem> {
        let mut scanned = asset.scan(context, disk, description)?;
        if let IndexFile::Current(_) = scanned.index
            && scanned.store.damaged().is_empty()
        {
            self.notes.extend(asset.compare_index(&mut scanned));
        }
        Ok(())
    }

    fn note_damage(&mut self, asset: &Asset, store: &FileStore) {
        for damage in store.damaged() {
            let path = asset.dir.join(format!("msgs/{}.blk", damage.block));
            self.notes.push(Problem::of_repair(&path, damage));
        }
    }

    fn recover_stream(
        &mut self,
        asset: &Asset,
        mut store: FileStore,
        changes: Option<(&Recovery, &RecoveredGroup)>,
    ) -> Result<u64, String> {
        self.note_damage(asset, &store);
        let is_damaged = changes.is_some_and(|(recovery, _)| recovery.damaged().is_some());
        let count = replay(changes, |change| {
            if is_damaged && change.conflicts(&mut store) {
                return Err(ReplayError::Conflict);
            }
            change.apply(&mut store)
        })?;
        let synced = store.sync().and_then(|()| store.stop(now()));
        synced.map_err(|error| explain(&error))?;
        Ok(count)
    }

    fn recover_group(
        &mut self,
        disk: &Arc<dyn Disk>,
        asset: &Asset,
        store: FileStore,
        changes: Option<(&Recovery, &RecoveredGroup)>,
    ) -> Result<u64, String> {
        self.note_damage(asset, &store);
        let log = RaftLog::open(Arc::clone(disk), &asset.dir, &asset.name, store);
        let mut log = log.map_err(|error| explain(&error))?;
        let is_damaged = changes.is_some_and(|(recovery, _)| recovery.damaged().is_some());
        let count = replay(changes, |change| {
            if is_damaged && change.conflicts(log.store()) {
                return Err(ReplayError::Conflict);
            }
            log.replay(change)
        })?;
        log.sync().map_err(|error| explain(&error))?;
        log.store().stop(now()).map_err(|error| explain(&error))?;
        Ok(count)
    }

    fn recover_consumer(
        &mut self,
        disk: &Arc<dyn Disk>,
        asset: &Asset,
        description: &StreamDescription,
        name: &str,
        recoveries: &[Recovery],
        known: &mut BTreeSet<String>,
    ) -> Result<(), Problem> {
        let dir = asset.consumer_dir(name);
        let failed = |text: String| Problem::new(&dir, text);
        let keys = description.keys.as_ref();
        let (mut store, created) = asset.open_consumer(disk, name, keys)?;
        if let Some(aside) = store.lost() {
            self.notes.push(Problem::new(aside, "a damaged state, put aside"));
        }
        let journal_name = format!("{}/obs/{name}", asset.journal_name);
        let found = find(recoveries, &journal_name);
        known.insert(journal_name);
        let incarnation = incarnation(&created);
        let is_ours =
            |group: &RecoveredGroup| group.incarnation == incarnation && group.changes > 0;
        if let Some(changes) = found.filter(|(_, group)| is_ours(group)) {
            let mut state = store.state().cloned().unwrap_or_default();
            let count = replay(Some(changes), |change| match change {
                Change::Consumer(delta) => Ok(delta.apply(&mut state)),
                _ => Err(ReplayError::NotOfStream),
            });
            self.changes += count.map_err(failed)?;
            store.force_update(state).map_err(|error| failed(explain(&error)))?;
        }
        store.stop(now()).map_err(|error| failed(explain(&error)))
    }

    fn write(&self, context: &Context, out: &mut dyn Write) -> io::Result<()> {
        if context.json {
            let list = |problems: &[Problem]| -> Vec<_> {
                let text =
                    |problem: &Problem| json!({ "path": problem.path, "text": problem.text });
                problems.iter().map(text).collect()
            };
            let report = json!({
                "ok": self.problems.is_empty(),
                "changes": self.changes,
                "notes": list(&self.notes),
                "problems": list(&self.problems),
            });
            return writeln!(out, "{report}");
        }
        for problem in self.notes.iter().chain(&self.problems) {
            writeln!(out, "{}: {}", problem.path.display(), problem.text)?;
        }
        let outcome = if self.problems.is_empty() { "recovered" } else { "not recovered" };
        writeln!(out, "{} changes made again: {outcome}", self.changes)
    }
}

fn find<'a>(recoveries: &'a [Recovery], name: &str) -> Option<(&'a Recovery, &'a RecoveredGroup)> {
    recoveries.iter().find_map(|recovery| {
        // The last incarnation counts.
        let group = recovery.groups().iter().rev().find(|group| group.name == name)?;
        (!group.is_removed).then_some((recovery, group))
    })
}

/// Makes the changes of a group again; how many were not there.
fn replay(
    changes: Option<(&Recovery, &RecoveredGroup)>,
    mut apply: impl FnMut(&Change<'_>) -> Result<bool, ReplayError>,
) -> Result<u64, String> {
    let Some((recovery, ours)) = changes else { return Ok(0) };
    let mut count = 0;
    let replayed: Result<(), Stop> = recovery.replay(|group, _, change| {
        if group == ours {
            count += u64::from(apply(change).map_err(Stop::Replay)?);
        }
        Ok(())
    });
    match replayed {
        Ok(()) => Ok(count),
        Err(Stop::Replay(error)) => Err(explain(&error)),
        Err(Stop::Journal(error)) => Err(explain(&error)),
    }
}
