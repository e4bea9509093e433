//! What is in a store directory, and how it is opened.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use natsd_base::{Prng, Timestamp};
use natsd_store::journal::{JOURNAL_DIR, JournalCorrection};
use natsd_store::stream_dir::{
    ConsumerDir, Description, StreamDir, list_accounts, list_consumers, list_streams,
};
use natsd_store::{
    Compression, ConsumerFiles, ConsumerState, ConsumerStore, ConsumerStoreConfig, DamageKind,
    Damaged, Disk, FileStore, FileStoreConfig, FileStoreKeys, IndexDifference, IndexFile, SealKey,
    SharedRandom, StoreConfig, StreamKeys,
};
use serde_json::Value;

use crate::batches::BATCHES_DIR;
use crate::overlay::OverlayDisk;
use crate::{Context, explain};

/// The folder in a store directory where accounts have theirs.
pub(crate) const JETSTREAM_DIR: &str = "jetstream";
/// Where an account has the logs of its RAFT groups.
pub(crate) const GROUPS_DIR: &str = "_js_";

/// An index that has more subjects wrong than that is wrong altogether.
const SUBJECTS_MAX: usize = 20;

/// What an asset is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stream,
    Group,
}

/// A stream or a RAFT group.
#[derive(Debug, Clone)]
pub(crate) struct Asset {
    pub(crate) kind: Kind,
    pub(crate) account: String,
    pub(crate) name: String,
    pub(crate) dir: PathBuf,
    /// Its name in a journal: the path from the `jetstream` folder.
    pub(crate) journal_name: String,
}

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

impl Problem {
    pub(crate) fn new(path: &Path, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), text: text.into() }
    }

    /// Damage in a block that is only read.
    pub(crate) fn of_damage(path: &Path, damage: &Damaged) -> Self {
        let Damaged { offset, size, after_seq, .. } = damage;
        let text = match damage.kind {
            DamageKind::Corrected => format!(
                "one bit is wrong in the record at {offset}, after sequence {after_seq}; recovery makes it right"
            ),
            DamageKind::Doubtful => doubtful(damage),
            DamageKind::Middle | DamageKind::Tail => {
                let damage = damage.damage;
                format!(
                    "{size} bytes at {offset} cannot be read, after sequence {after_seq}: {damage}"
                )
            }
        };
        Self::new(path, text)
    }

    /// What became of damage in a block that could be written.
    pub(crate) fn of_repair(path: &Path, damage: &Damaged) -> Self {
        let Damaged { offset, size, .. } = damage;
        let text = match damage.kind {
            DamageKind::Corrected => {
                format!("one bit was wrong in the record at {offset} and was made right")
            }
            DamageKind::Doubtful => doubtful(damage),
            DamageKind::Middle | DamageKind::Tail => format!("{size} bytes at {offset} put aside"),
        };
        Self::new(path, text)
    }

    /// A batch of a journal with a wrong bit.
    pub(crate) fn of_correction(correction: &JournalCorrection) -> Self {
        let text = format!(
            "one bit is wrong at {}, which costs nothing; recovery empties the journal",
            correction.offset
        );
        Self::new(&correction.path, text)
    }
}

fn doubtful(damage: &Damaged) -> String {
    let Damaged { offset, after_seq: seq, .. } = damage;
    format!(
        "the subject of sequence {seq}, at {offset}, may have a wrong size: the index counts otherwise"
    )
}

/// What a directory holds.
#[derive(Debug, Default)]
pub(crate) struct Assets {
    pub(crate) assets: Vec<Asset>,
    /// The folders of journals, one for each shard.
    pub(crate) journals: Vec<PathBuf>,
    pub(crate) problems: Vec<Problem>,
}

impl Assets {
    /// Finds everything below a store directory, its `jetstream` folder or that of one stream.
    pub(crate) fn find(disk: &dyn Disk, dir: &Path) -> io::Result<Self> {
        let mut assets = Self::default();
        let entries = disk
            .list(dir)
            .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", dir.display())))?;
        let names: Vec<_> = entries.into_iter().map(|entry| entry.name).collect();
        let has = |name: &str| names.iter().any(|other| other == name);
        if has("msgs") || has("meta.inf") {
            assets.assets.push(single(dir)?);
            return Ok(assets);
        }
        let (store_dir, jetstream) = if has(JETSTREAM_DIR) {
            (Some(dir.to_owned()), dir.join(JETSTREAM_DIR))
        } else if dir.file_name().is_some_and(|name| name == JETSTREAM_DIR) {
            (dir.parent().map(Path::to_owned), dir.to_owned())
        } else if has(JOURNAL_DIR) {
            (Some(dir.to_owned()), dir.join(JETSTREAM_DIR))
        } else if names.is_empty() {
            return Ok(assets);
        } else {
            let text = format!("{}: neither a store directory nor a stream", dir.display());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        if let Some(journals) = store_dir.map(|dir| dir.join(JOURNAL_DIR))
            && let Ok(entries) = disk.list(&journals)
        {
            let shards = entries.into_iter().filter(|entry| entry.is_dir);
            assets.journals.extend(shards.map(|entry| journals.join(entry.name)));
        }
        for account in list_accounts(disk, &jetstream)?.names {
            assets.find_in_account(disk, &jetstream, &account)?;
        }
        Ok(assets)
    }

    fn find_in_account(
        &mut self,
        disk: &dyn Disk,
        jetstream: &Path,
        account: &str,
    ) -> io::Result<()> {
        let account_dir = jetstream.join(account);
        let streams = list_streams(disk, &account_dir)?;
        for path in streams.unknown {
            self.problems.push(Problem::new(&path, "neither a stream nor known"));
        }
        for name in streams.names {
            let dir = account_dir.join("streams").join(&name);
            let journal_name = format!("{account}/streams/{name}");
            let account = account.to_owned();
            self.assets.push(Asset { kind: Kind::Stream, account, name, dir, journal_name });
        }
        let groups = match disk.list(&account_dir.join(GROUPS_DIR)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            entries => entries?,
        };
        for entry in groups.into_iter().filter(|entry| entry.is_dir) {
            let dir = account_dir.join(GROUPS_DIR).join(&entry.name);
            let Ok(name) = entry.name.into_string() else {
                self.problems.push(Problem::new(&dir, "its name is not UTF-8"));
                continue;
            };
            let journal_name = format!("{account}/{GROUPS_DIR}/{name}");
            let account = account.to_owned();
            self.assets.push(Asset { kind: Kind::Group, account, name, dir, journal_name });
        }
        Ok(())
    }
}

/// The asset of a folder that is one itself.
fn single(dir: &Path) -> io::Result<Asset> {
    let dir = std::path::absolute(dir)?;
    let part = |up: usize| {
        let part = dir.ancestors().nth(up).and_then(Path::file_name);
        part.map(|part| part.to_string_lossy().into_owned()).unwrap_or_default()
    };
    let kind = if part(1) == GROUPS_DIR { Kind::Group } else { Kind::Stream };
    // The account of a batch is that of its stream.
    let account = if part(1) == BATCHES_DIR { part(4) } else { part(2) };
    let journal_name = format!("{}/{}/{}", part(2), part(1), part(0));
    Ok(Asset { kind, account, name: part(0), dir, journal_name })
}

/// What a description says that a store has to know.
#[derive(Debug)]
pub(crate) struct StreamDescription {
    pub(crate) config: Value,
    pub(crate) keys: Option<StreamKeys>,
    /// Its files were damaged and mended.
    pub(crate) mended: Vec<PathBuf>,
    /// Its files are to be written again.
    pub(crate) is_outdated: bool,
    content: Vec<u8>,
}

/// The messages of a stream, all of them read.
#[derive(Debug)]
pub(crate) struct Scanned {
    pub(crate) store: FileStore,
    /// What the index says of the blocks as they are on disk.
    pub(crate) index: IndexFile,
}

fn created_of(config: &Value) -> &str {
    let created = config.get("created").or_else(|| config.get("Created"));
    created.and_then(Value::as_str).unwrap_or_default()
}

impl StreamDescription {
    fn field(&self, name: &str) -> Option<&Value> {
        self.config.get(name)
    }

    pub(crate) fn is_set(&self, name: &str) -> bool {
        self.field(name).and_then(Value::as_bool).unwrap_or(false)
    }

    pub(crate) fn replicas(&self) -> u64 {
        self.field("num_replicas").and_then(Value::as_u64).unwrap_or(1)
    }

    /// When it was created, as it is written there.
    pub(crate) fn created(&self) -> &str {
        created_of(&self.config)
    }

    /// Without the limits: whoever looks at a store removes nothing.
    pub(crate) fn store_config(&self) -> StoreConfig {
        StoreConfig {
            allow_message_ttl: self.is_set("allow_msg_ttl"),
            allow_message_schedules: self.is_set("allow_msg_schedules"),
            first_seq: self.field("first_seq").and_then(Value::as_u64).unwrap_or(0),
            ..StoreConfig::default()
        }
    }
}

impl Asset {
    /// Reads and checks what describes it.
    pub(crate) fn describe(
        &self,
        context: &Context,
        disk: &dyn Disk,
    ) -> Result<StreamDescription, Problem> {
        let dir = StreamDir { disk, dir: &self.dir, account: &self.account, name: &self.name };
        let read = dir.read(context.keys.as_ref());
        let description = read.map_err(|error| Problem::new(&self.dir, explain(&error)))?;
        let config = serde_json::from_slice(&description.content);
        let config = config.map_err(|error| {
            Problem::new(&self.dir.join("meta.inf"), format!("not JSON: {error}"))
        })?;
        let Description { content, keys, is_outdated, mended } = description;
        Ok(StreamDescription { config, keys, mended, is_outdated, content })
    }

    /// Writes the description again where that is needed, with a new key when that it has is not of
    /// the server's key now. A plain one stays plain. Whether there is a new key: what the index
    /// says can no longer be opened then.
    pub(crate) fn renew(
        &self,
        context: &Context,
        disk: &dyn Disk,
        description: &mut StreamDescription,
    ) -> Result<bool, Problem> {
        if !description.is_outdated {
            return Ok(false);
        }
        let dir = StreamDir { disk, dir: &self.dir, account: &self.account, name: &self.name };
        let random = shared_random();
        let mut random = |buffer: &mut [u8]| random(buffer);
        let content = &description.content;
        let old = description.keys.as_ref().filter(|keys| !keys.is_current());
        let new_keys = old.and(context.keys.as_ref());
        let renewed = match new_keys {
            Some(keys) => dir.write_with_new_keys(content, keys, &mut random).map(Some),
            None => dir.write(content, description.keys.as_ref(), &mut random).map(|()| None),
        };
        let renewed = renewed.and_then(|keys| dir.remove_leftovers().map(|()| keys));
        let keys = renewed.map_err(|error| Problem::new(&self.dir, explain(&error)))?;
        description.is_outdated = false;
        let is_new = keys.is_some();
        description.keys = keys.or(description.keys.take());
        Ok(is_new)
    }

    /// Opens its messages to be read, and looks at every record first.
    pub(crate) fn scan(
        &self,
        context: &Context,
        disk: &Arc<dyn Disk>,
        description: &StreamDescription,
    ) -> Result<Scanned, Problem> {
        let overlay = OverlayDisk::watched(Arc::clone(disk), &context.progress);
        let shared: Arc<dyn Disk> = Arc::new(overlay.clone());
        // The index says nothing of the records.
        let index_path = self.dir.join("msgs/index.db");
        overlay.hide(&index_path, true);
        // Nothing may expire meanwhile.
        let config = StoreConfig::default();
        let store = self.open_with(&shared, description, true, config.clone())?;
        overlay.hide(&index_path, false);
        let index = store.index_file();
        let index = index.map_err(|error| Problem::new(&index_path, explain(&error)))?;
        if store.damaged().is_empty() {
            return Ok(Scanned { store, index });
        }
        overlay.hide(&index_path, true);
        // What is behind the damage can be read when it is repaired.
        let store = self.open_with(&shared, description, false, config)?;
        Ok(Scanned { store, index })
    }

    /// What the index says otherwise than the blocks, and whether it is damaged.
    pub(crate) fn compare_index(&self, scanned: &mut Scanned) -> Vec<Problem> {
        let path = self.dir.join("msgs/index.db");
        let index = match &scanned.index {
            IndexFile::Missing | IndexFile::Outdated => return Vec::new(),
            IndexFile::Damaged => {
                let text = "damaged; a cache, which is not used and written anew";
                return vec![Problem::new(&path, text)];
            }
            IndexFile::Current(index) => index,
        };
        let differences = match scanned.store.compare_index(index) {
            Ok(differences) => differences,
            Err(error) => return vec![Problem::new(&path, format!("not compared: {error}"))],
        };
        let is_subject =
            |difference: &&IndexDifference| matches!(difference, IndexDifference::Subject { .. });
        let more = differences.iter().filter(is_subject).count().saturating_sub(SUBJECTS_MAX);
        // The subjects are the last of them.
        let said = differences.iter().take(differences.len() - more);
        let mut problems: Vec<_> =
            said.map(|difference| Problem::new(&path, difference.to_string())).collect();
        if more > 0 {
            let text = format!("{more} more subjects are counted otherwise in the blocks");
            problems.push(Problem::new(&path, text));
        }
        problems
    }

    /// Opens its messages. What is over limits stays.
    pub(crate) fn open(
        &self,
        disk: &Arc<dyn Disk>,
        description: &StreamDescription,
        read_only: bool,
    ) -> Result<FileStore, Problem> {
        self.open_with(disk, description, read_only, description.store_config())
    }

    fn open_with(
        &self,
        disk: &Arc<dyn Disk>,
        description: &StreamDescription,
        read_only: bool,
        config: StoreConfig,
    ) -> Result<FileStore, Problem> {
        let compression = match description.field("compression").and_then(Value::as_str) {
            Some("s2") => Compression::S2,
            _ => Compression::None,
        };
        let bytes_max = description.field("max_bytes").and_then(Value::as_u64);
        let keeps_all = description.field("retention").and_then(Value::as_str) == Some("limits");
        let is_encrypted = description.keys.is_some();
        let keys = description.keys.clone();
        let file_config = FileStoreConfig {
            block_size: FileStoreConfig::block_size_of(bytes_max, keeps_all, is_encrypted),
            compression,
            read_only,
            trusts_go: read_only, // A listing reads no blocks.
            keys: keys.map(|keys| FileStoreKeys { keys, random: shared_random() }),
            ..FileStoreConfig::new(&self.name)
        };
        let store = FileStore::open(Arc::clone(disk), &self.dir, file_config, config, now());
        store.map_err(|error| Problem::new(&self.dir, explain(&error)))
    }

    /// The names of its consumers.
    pub(crate) fn consumers(&self, disk: &dyn Disk) -> Result<Vec<String>, Problem> {
        match list_consumers(disk, &self.dir) {
            Ok(listing) => Ok(listing.names),
            Err(error) => Err(Problem::new(&self.dir.join("obs"), error.to_string())),
        }
    }

    pub(crate) fn consumer_dir(&self, name: &str) -> PathBuf {
        self.dir.join("obs").join(name)
    }

    fn describe_consumer(
        &self,
        disk: &dyn Disk,
        name: &str,
        keys: Option<&StreamKeys>,
    ) -> Result<Description<SealKey>, Problem> {
        let dir = self.consumer_dir(name);
        let read = ConsumerDir { disk, dir: &dir, stream: &self.name, name }.read(keys);
        read.map_err(|error| Problem::new(&dir, explain(&error)))
    }

    /// Opens a consumer's store. With it comes when the consumer was created, as its description
    /// says.
    pub(crate) fn open_consumer(
        &self,
        disk: &Arc<dyn Disk>,
        name: &str,
        keys: Option<&StreamKeys>,
    ) -> Result<(natsd_store::FileConsumerStore, String), Problem> {
        let description = self.describe_consumer(disk.as_ref(), name, keys)?;
        let dir = self.consumer_dir(name);
        let random = shared_random();
        let files = ConsumerFiles {
            disk: Arc::clone(disk),
            dir: dir.clone(),
            stream: self.name.clone(),
            name: name.to_owned(),
            keys: keys.cloned(),
            random: Box::new(move |buffer| random(buffer)),
        };
        let opened = files.open(ConsumerStoreConfig::default(), &description, now());
        let store = opened.map_err(|error| Problem::new(&dir, explain(&error)))?;
        let config: Value = serde_json::from_slice(&description.content)
            .map_err(|error| Problem::new(&dir.join("meta.inf"), format!("not JSON: {error}")))?;
        Ok((store, created_of(&config).to_owned()))
    }

    /// A consumer's state. A store mends and moves files when it is opened: not on this disk.
    pub(crate) fn consumer_state(
        &self,
        disk: &Arc<dyn Disk>,
        name: &str,
        keys: Option<&StreamKeys>,
    ) -> Result<ConsumerState, Problem> {
        let dir = self.consumer_dir(name);
        let overlay: Arc<dyn Disk> = Arc::new(OverlayDisk::new(Arc::clone(disk)));
        let (store, _) = self.open_consumer(&overlay, name, keys)?;
        if store.was_mended() {
            return Err(Problem::new(&dir.join("o.dat"), "one bit is wrong; recover mends it"));
        }
        match store.state() {
            Ok(state) => Ok(state.clone()),
            Err(_) => Err(Problem::new(&dir.join("o.dat"), "damaged")),
        }
    }
}

/// The clock of the machine.
#[expect(clippy::disallowed_methods, reason = "a program, not a core")]
pub(crate) fn now() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    Timestamp(since.ok().and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or(0))
}

/// The random source of the system.
fn shared_random() -> SharedRandom {
    Arc::new(|buffer| {
        use std::io::Read;
        let source = std::fs::File::open("/dev/urandom");
        let filled = source.and_then(|mut source| source.read_exact(buffer));
        filled.expect("a system without randomness cannot encrypt");
    })
}

/// A salt for a journal. It is not a secret.
pub(crate) fn salt() -> [u64; 2] {
    let mut prng = Prng::from_seed(now().0.unsigned_abs() ^ u64::from(std::process::id()));
    [prng.next_u64(), prng.next_u64()]
}
