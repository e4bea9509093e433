//! A disk that crashes, tears, loses, flips, fills up and fails to sync, from one seed.
//!
//! | fault | what happens | survivable |
//! |---|---|---|
//! | crash, unsynced lost | exactly what was synced is there, files and names separately | R1 |
//! | crash, unsynced random | of each unsynced write any sectors may be there, in any order | R1 |
//! | sync error | what was unsynced never gets durable, later syncs succeed | R1, by stopping |
//! | disk full | a write fails after a part of it | R1, by stopping |
//! | short read | fewer bytes than asked for | R1 |
//! | bit flip in a read | one bit of what is read is wrong, once | R1, by reading again |
//! | [`SimDisk::flip_bit`] | one bit on the disk is wrong for good | R3; at R1 the record is lost |
//!
//! Model: names are durable after the folder's sync, or when a crash happens to keep them; then
//! it keeps the first few of the changes since. A file whose folder is gone is gone.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use natsd_base::Prng;

use super::{DirEntry, Disk, DiskFile, not_found, read_from, resize, write_into};

/// The unit that a crash keeps or loses as a whole.
const SECTOR_SIZE: usize = 512;

/// What becomes of unsynced changes in a crash.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Unsynced {
    /// All of them are lost.
    Lost,
    /// All of them are kept, as when only the process died.
    Kept,
    /// Any sectors of any of them are kept, by the seed.
    #[default]
    Random,
}

/// What goes wrong. The default is nothing until [`SimDisk::crash`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Faults {
    /// Crash in this operation, counted from 1. Reads and listings do not count.
    pub crash_at: Option<u64>,
    /// What a crash leaves of unsynced changes.
    pub unsynced: Unsynced,
    /// Of a thousand syncs of files, how many fail.
    pub sync_errors_per_mille: u16,
    /// Of a thousand reads, how many have one bit flipped.
    pub flipped_reads_per_mille: u16,
    /// Of a thousand reads, how many give fewer bytes than there are.
    pub short_reads_per_mille: u16,
    /// Bytes that all files together may hold.
    pub capacity: Option<u64>,
}

#[derive(Debug, Clone)]
enum Change {
    Write { offset: u64, bytes: Vec<u8> },
    SetLen(u64),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write { offset, bytes } => write_into(content, bytes, *offset),
            Self::SetLen(len) => resize(content, *len),
        }
    }
}

#[derive(Debug, Default)]
struct File {
    /// What readers see.
    content: Vec<u8>,
    durable: Vec<u8>,
    /// Since the last sync.
    unsynced: Vec<Change>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(usize),
    Dir,
}

type Entries = BTreeMap<PathBuf, Entry>;

/// One change of names: these go, those come, together.
#[derive(Debug, Clone)]
struct NameChange {
    removed: Vec<PathBuf>,
    added: Vec<(PathBuf, Entry)>,
}

impl NameChange {
    fn apply(&self, entries: &mut Entries) {
        for path in &self.removed {
            entries.remove(path);
        }
        entries.extend(self.added.iter().cloned());
    }

    fn touches(&self, dir: &Path) -> bool {
        let added = self.added.iter().map(|(path, _)| path);
        self.removed.iter().chain(added).any(|path| path.parent() == Some(dir))
    }
}

#[derive(Debug)]
struct State {
    files: Vec<File>,
    entries: Entries,
    durable_entries: Entries,
    unsynced_names: Vec<NameChange>,
    faults: Faults,
    prng: Prng,
    operations: u64,
    is_down: bool,
    /// Counts restarts; files opened before one are gone.
    generation: u64,
}

/// A disk that fails as told. Clones are the same disk.
#[derive(Debug, Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

fn crashed() -> io::Error {
    io::Error::other("simulated crash")
}

fn is_root(path: &Path) -> bool {
    path.as_os_str().is_empty() || path.parent().is_none()
}

impl SimDisk {
    /// An empty disk; the same seed and operations give the same faults.
    #[must_use]
    pub fn new(seed: u64, faults: Faults) -> Self {
        let state = State {
            files: Vec::new(),
            entries: Entries::new(),
            durable_entries: Entries::new(),
            unsynced_names: Vec::new(),
            faults,
            prng: Prng::from_seed(seed),
            operations: 0,
            is_down: false,
            generation: 0,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what goes wrong from now on.
    pub fn set_faults(&self, faults: Faults) {
        self.lock().faults = faults;
    }

    /// Operations that changed or synced something so far.
    #[must_use]
    pub fn operation_count(&self) -> u64 {
        self.lock().operations
    }

    /// Whether a crash happened and nobody has restarted yet.
    #[must_use]
    pub fn is_down(&self) -> bool {
        self.lock().is_down
    }

    /// Stops the machine: every call fails until [`SimDisk::restart`].
    pub fn crash(&self) {
        self.lock().crash();
    }

    /// Starts the machine again with what survived. Files have to be opened anew.
    pub fn restart(&self) {
        let mut state = self.lock();
        if !state.is_down {
            state.crash();
        }
        state.is_down = false;
        state.faults.crash_at = None;
        state.generation += 1;
    }

    /// Flips one bit of a file for good, on the disk and for readers. `bit` counts from the
    /// lowest bit of the first byte.
    pub fn flip_bit(&self, path: &Path, bit: u64) -> io::Result<()> {
        let mut state = self.lock();
        let file = state.file_at(path)?;
        let file = &mut state.files[file];
        let byte = usize::try_from(bit / 8).map_err(|_| io::ErrorKind::InvalidInput)?;
        let place = file.content.get_mut(byte).ok_or(io::ErrorKind::InvalidInput)?;
        *place ^= 1 << (bit % 8);
        if let Some(place) = file.durable.get_mut(byte) {
            *place ^= 1 << (bit % 8);
        }
        Ok(())
    }
}

impl State {
    fn check_up(&self) -> io::Result<()> {
        if self.is_down { Err(crashed()) } else { Ok(()) }
    }

    /// Counts an operation; whether the crash is to happen in it.
    fn begin(&mut self) -> io::Result<bool> {
        self.check_up()?;
        self.operations += 1;
        Ok(self.faults.crash_at.is_some_and(|at| self.operations >= at))
    }

    fn chance(&mut self, per_mille: u16) -> bool {
        per_mille > 0 && self.prng.below(1000) < usize::from(per_mille)
    }

    fn flip_coin(&mut self) -> bool {
        self.prng.below(2) == 0
    }

    fn has_dir(&self, path: &Path) -> bool {
        is_root(path) || self.entries.get(path) == Some(&Entry::Dir)
    }

    fn file_at(&self, path: &Path) -> io::Result<usize> {
        match self.entries.get(path) {
            Some(Entry::File(file)) => Ok(*file),
            Some(Entry::Dir) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(not_found(path)),
        }
    }

    /// Changes names, and crashes after that when it is time.
    fn change_names(&mut self, change: NameChange) -> io::Result<()> {
        let crashes = self.begin()?;
        change.apply(&mut self.entries);
        self.unsynced_names.push(change);
        self.crash_if(crashes)
    }

    fn crash_if(&mut self, crashes: bool) -> io::Result<()> {
        if crashes {
            self.crash();
            return Err(crashed());
        }
        Ok(())
    }

    fn crash(&mut self) {
        self.is_down = true;
        let keeps = match self.faults.unsynced {
            Unsynced::Lost => 0,
            Unsynced::Kept => self.unsynced_names.len(),
            Unsynced::Random => self.prng.below(self.unsynced_names.len() + 1),
        };
        for change in self.unsynced_names.drain(..).take(keeps) {
            change.apply(&mut self.durable_entries);
        }
        for index in 0..self.files.len() {
            let changes = std::mem::take(&mut self.files[index].unsynced);
            for change in changes {
                self.keep_some(index, &change);
            }
            self.files[index].content = self.files[index].durable.clone();
        }
        let mut survivors = Entries::new();
        for (path, &entry) in &self.durable_entries {
            // Parents sort before their children.
            let parent = path.parent().unwrap_or(Path::new(""));
            if is_root(parent) || survivors.get(parent) == Some(&Entry::Dir) {
                survivors.insert(path.clone(), entry);
            }
        }
        self.durable_entries = survivors.clone();
        self.entries = survivors;
    }

    /// Makes durable what the crash leaves of an unsynced change.
    fn keep_some(&mut self, file: usize, change: &Change) {
        match self.faults.unsynced {
            Unsynced::Lost => return,
            Unsynced::Kept => return change.apply(&mut self.files[file].durable),
            Unsynced::Random => {}
        }
        if self.flip_coin() {
            return; // All or nothing, in half of the cases; torn in the others.
        }
        let is_torn = self.flip_coin();
        match change {
            Change::Write { offset, bytes } if is_torn => {
                for (index, sector) in bytes.chunks(SECTOR_SIZE).enumerate() {
                    if self.flip_coin() {
                        let at = offset + (index * SECTOR_SIZE) as u64;
                        write_into(&mut self.files[file].durable, sector, at);
                    }
                }
            }
            Change::Write { .. } | Change::SetLen(_) => {
                change.apply(&mut self.files[file].durable);
            }
        }
    }

    /// How many of `wanted` more bytes the disk has room for.
    fn room(&self, wanted: u64) -> u64 {
        let Some(capacity) = self.faults.capacity else { return wanted };
        let size_of = |entry: &Entry| match entry {
            Entry::File(file) => self.files[*file].content.len() as u64,
            Entry::Dir => 0,
        };
        let used: u64 = self.entries.values().map(size_of).sum();
        capacity.saturating_sub(used).min(wanted)
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, create: bool) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.lock();
        state.check_up()?;
        let file = match state.file_at(path) {
            Ok(file) => file,
            Err(error) => {
                let has_dir = path.parent().is_some_and(|dir| state.has_dir(dir));
                if !create || !has_dir || error.kind() != io::ErrorKind::NotFound {
                    return Err(error);
                }
                let file = state.files.len();
                state.files.push(File::default());
                let added = vec![(path.to_owned(), Entry::File(file))];
                state.change_names(NameChange { removed: Vec::new(), added })?;
                file
            }
        };
        let generation = state.generation;
        Ok(Box::new(SimFile { disk: self.clone(), file, generation }))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.check_up()?;
        if !to.parent().is_some_and(|dir| state.has_dir(dir)) {
            return Err(not_found(to));
        }
        let moved = state.entries.iter().filter(|(path, _)| path.starts_with(from));
        let (removed, added): (Vec<_>, Vec<_>) = moved
            .map(|(path, &entry)| {
                let below = path.strip_prefix(from).expect("it starts with it");
                let name = if is_root(below) { to.to_owned() } else { to.join(below) };
                (path.clone(), (name, entry))
            })
            .unzip();
        if removed.is_empty() {
            return Err(not_found(from));
        }
        state.change_names(NameChange { removed, added })
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.check_up()?;
        state.file_at(path)?;
        state.change_names(NameChange { removed: vec![path.to_owned()], added: Vec::new() })
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.check_up()?;
        let mut dirs: Vec<&Path> = path.ancestors().filter(|dir| !is_root(dir)).collect();
        dirs.reverse();
        for dir in dirs {
            match state.entries.get(dir) {
                Some(Entry::File(_)) => return Err(io::ErrorKind::NotADirectory.into()),
                Some(Entry::Dir) => {}
                None => {
                    let added = vec![(dir.to_owned(), Entry::Dir)];
                    state.change_names(NameChange { removed: Vec::new(), added })?;
                }
            }
        }
        Ok(())
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        state.check_up()?;
        if !state.has_dir(path) {
            return Err(not_found(path));
        }
        // One after the other, children first, as it is done on a real disk.
        let below = state.entries.keys().rev().filter(|other| other.starts_with(path));
        for other in below.cloned().collect::<Vec<_>>() {
            state.change_names(NameChange { removed: vec![other], added: Vec::new() })?;
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.lock();
        state.check_up()?;
        if !state.has_dir(dir) {
            return Err(not_found(dir));
        }
        let below = state.entries.iter().filter(|(path, _)| path.parent() == Some(dir));
        Ok(below
            .filter_map(|(path, &entry)| {
                Some(DirEntry { name: path.file_name()?.to_owned(), is_dir: entry == Entry::Dir })
            })
            .collect())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.lock();
        if !state.has_dir(dir) {
            state.check_up()?;
            return Err(not_found(dir));
        }
        let crashes = state.begin()?;
        state.crash_if(crashes)?;
        let changes = std::mem::take(&mut state.unsynced_names);
        for change in changes {
            if change.touches(dir) {
                change.apply(&mut state.durable_entries);
            } else {
                state.unsynced_names.push(change);
            }
        }
        Ok(())
    }
}

#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    file: usize,
    generation: u64,
}

impl SimFile {
    fn lock(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.disk.lock();
        state.check_up()?;
        if state.generation == self.generation { Ok(state) } else { Err(crashed()) }
    }

    fn change(&self, state: &mut State, change: Change) -> io::Result<()> {
        let crashes = state.begin()?;
        let file = &mut state.files[self.file];
        change.apply(&mut file.content);
        file.unsynced.push(change);
        state.crash_if(crashes)
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buf: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.lock()?;
        let mut count = read_from(&state.files[self.file].content, buf, offset);
        let faults = state.faults;
        if count > 1 && state.chance(faults.short_reads_per_mille) {
            count = 1 + state.prng.below(count - 1);
        }
        if count > 0 && state.chance(faults.flipped_reads_per_mille) {
            let byte = state.prng.below(count);
            buf[byte] ^= 1 << state.prng.below(8);
        }
        Ok(count)
    }

    fn write_all_at(&self, buf: &[u8], offset: u64) -> io::Result<()> {
        let mut state = self.lock()?;
        let len = state.files[self.file].content.len() as u64;
        let grows = (offset + buf.len() as u64).saturating_sub(len);
        let missing = grows - state.room(grows);
        let fits = buf.len() - usize::try_from(missing).unwrap_or(usize::MAX).min(buf.len());
        if fits > 0 || missing == 0 {
            let change = Change::Write { offset, bytes: buf[..fits].to_vec() };
            self.change(&mut state, change)?;
        }
        if missing > 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.lock()?;
        let crashes = state.begin()?;
        state.crash_if(crashes)?;
        let per_mille = state.faults.sync_errors_per_mille;
        let fails = state.chance(per_mille);
        let file = &mut state.files[self.file];
        let changes = std::mem::take(&mut file.unsynced);
        if fails {
            // Linux marks the pages clean: what was in them is never written.
            return Err(io::Error::other("simulated sync error"));
        }
        for change in changes {
            change.apply(&mut file.durable);
        }
        Ok(())
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.lock()?.files[self.file].content.len() as u64)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        let mut state = self.lock()?;
        let grows = len.saturating_sub(state.files[self.file].content.len() as u64);
        if state.room(grows) < grows {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.change(&mut state, Change::SetLen(len))
    }
}
