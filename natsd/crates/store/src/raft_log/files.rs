//! The files of a RAFT group beside its log, in Go's bytes.
//!
//! Little endian.
//!
//! | file | content |
//! |---|---|
//! | `tav.idx` | term u64, whom it voted for 8 bytes, or nothing |
//! | `peers.idx` | cluster size u32, number of peers u32, 8 bytes each, domain extension u16 |
//! | `commit.idx` | commit index u64, HighwayHash-64 of that |
//! | `tav.natsd`, `peers.natsd` | what `tav.idx` and `peers.idx` held when natsd wrote them, HighwayHash-64 |
//! | `snapshots/snap.TERM.INDEX` | term u64, index u64, size of the peers u32, peers as above, data, HighwayHash-64 of all before |
//!
//! Hashes have the SHA-256 of the group's name for a key. `commit.idx` came with 2.15.1 and is a
//! hint: what is wrong with it is as if it were not there. All others are needed. Every file is
//! replaced whole: before or after, never between.
//!
//! Go's `tav.idx` and `peers.idx` have no checksum, so natsd keeps a copy of each that has one,
//! written first. Terms only rise and a vote stays in its term: where the two say what cannot
//! follow, the copy is right, else Go has written since. Peers that differ from the copy in one
//! bit are the copy's.
//!
//! Source: Go `server/raft.go` (`writeTermVote`, `encodePeerState`, `encodeSnapshot`,
//! `termAndIndexFromSnapFile`), and a Go server's files for `commit.idx`.
#![warn(clippy::indexing_slicing)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use highway::{HighwayHash, HighwayHasher, Key};
use sha2::{Digest, Sha256};

use super::RaftLogError;
use crate::disk::Disk;
use crate::journal::Change;
use crate::stream_dir::{ReplaceError, is_one_bit_off, read_file, replace_files};

const HARD_STATE_FILE: &str = "tav.idx";
const HARD_STATE_COPY: &str = "tav.natsd";
const PEERS_FILE: &str = "peers.idx";
const PEERS_COPY: &str = "peers.natsd";
const COMMIT_FILE: &str = "commit.idx";
const SNAPSHOTS_DIR: &str = "snapshots";
/// What was damaged and put aside goes here; Go ignores it.
const LOST_DIR: &str = "lost";

/// Peers of one group; the format has no bound.
const PEERS_MAX: usize = 64 * 1024;
const SMALL_FILE_MAX: u64 = 1024 * 1024;
/// Larger snapshots are not read.
const SNAPSHOT_SIZE_MAX: u64 = 4 * 1024 * 1024 * 1024;
/// A snapshot without peers and data.
const SNAPSHOT_SIZE_MIN: usize = 28;

/// A server as RAFT knows it: eight letters or digits.
pub type PeerId = [u8; 8];

/// What a group must not forget.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HardState {
    /// The term.
    pub term: u64,
    /// Whom it voted for in this term.
    pub vote: Option<PeerId>,
}

impl HardState {
    pub(super) fn vote_of(vote: PeerId) -> Option<PeerId> {
        (vote != [0; 8]).then_some(vote)
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (term, vote) = bytes.split_first_chunk()?;
        let vote = match vote {
            [] => None,
            vote => Self::vote_of(vote.try_into().ok()?),
        };
        Some(Self { term: u64::from_le_bytes(*term), vote })
    }

    /// What a journal records.
    #[must_use]
    pub fn change(&self) -> Change<'static> {
        Change::HardState { term: self.term, vote: self.vote.unwrap_or_default() }
    }

    /// Whether `next` is a later term, or a first vote in this one.
    pub(super) fn may_become(&self, next: Self) -> bool {
        next.term > self.term
            || (next.term == self.term && self.vote.is_none() && next.vote.is_some())
    }
}

/// Whether the group's domain is extended to others through leaf nodes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum DomainExtension {
    /// Not known yet.
    #[default]
    Undetermined,
    /// It is.
    Extended,
    /// It is not.
    NotExtended,
}

/// Who belongs to a group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerState {
    /// How many servers the group is meant to have.
    pub cluster_size: u32,
    /// Those it knows.
    pub peers: Vec<PeerId>,
    /// Of the meta group.
    pub domain_extension: DomainExtension,
}

impl PeerState {
    /// The bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let count = u32::try_from(self.peers.len()).expect("a group has a few peers");
        let mut out = self.cluster_size.to_le_bytes().to_vec();
        out.extend(count.to_le_bytes());
        self.peers.iter().for_each(|peer| out.extend(peer));
        let extension: u16 = match self.domain_extension {
            DomainExtension::Undetermined => 0,
            DomainExtension::Extended => 1,
            DomainExtension::NotExtended => 2,
        };
        out.extend(extension.to_le_bytes());
        out
    }

    /// Reads the bytes. Older servers wrote no domain extension.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (cluster_size, rest) = bytes.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        let count = usize::try_from(u32::from_le_bytes(*count)).ok()?;
        if count > PEERS_MAX {
            return None;
        }
        let (peers, extension) = rest.split_at_checked(count * 8)?;
        let domain_extension = match *extension {
            [] | [0, 0] => DomainExtension::Undetermined,
            [1, 0] => DomainExtension::Extended,
            [2, 0] => DomainExtension::NotExtended,
            _ => return None,
        };
        let (peers, _) = peers.as_chunks();
        let cluster_size = u32::from_le_bytes(*cluster_size);
        Some(Self { cluster_size, peers: peers.to_vec(), domain_extension })
    }
}

/// What stands for all entries up to an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaftSnapshot {
    /// The term of the last entry that it has.
    pub term: u64,
    /// The index of that.
    pub index: u64,
    /// Who belonged to the group.
    pub peers: PeerState,
    /// What the group makes of it.
    pub data: Vec<u8>,
}

impl RaftSnapshot {
    fn encode(&self, hash: &GroupHash) -> Vec<u8> {
        let peers = self.peers.encode();
        let mut out = Vec::with_capacity(SNAPSHOT_SIZE_MIN + peers.len() + self.data.len());
        out.extend(self.term.to_le_bytes());
        out.extend(self.index.to_le_bytes());
        out.extend(u32::try_from(peers.len()).expect("a few peers").to_le_bytes());
        out.extend(&peers);
        out.extend(&self.data);
        let sum = hash.sum(&out);
        out.extend(sum);
        out
    }

    fn decode(hash: &GroupHash, bytes: &[u8]) -> Option<Self> {
        let (content, sum) = bytes.split_last_chunk()?;
        if hash.sum(content) != *sum {
            return None;
        }
        let (term, rest) = content.split_first_chunk()?;
        let (index, rest) = rest.split_first_chunk()?;
        let (size, rest) = rest.split_first_chunk()?;
        let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
        let (peers, data) = rest.split_at_checked(size)?;
        Some(Self {
            term: u64::from_le_bytes(*term),
            index: u64::from_le_bytes(*index),
            peers: PeerState::decode(peers)?,
            data: data.to_vec(),
        })
    }
}

/// The hash of the files of one group.
struct GroupHash {
    keyed: HighwayHasher,
}

impl std::fmt::Debug for GroupHash {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("GroupHash").finish_non_exhaustive()
    }
}

impl GroupHash {
    fn new(group: &str) -> Self {
        let digest: [u8; 32] = Sha256::digest(group).into();
        let mut words = [0; 4];
        for (word, bytes) in words.iter_mut().zip(digest.as_chunks().0) {
            *word = u64::from_le_bytes(*bytes);
        }
        Self { keyed: HighwayHasher::new(Key(words)) }
    }

    fn sum(&self, bytes: &[u8]) -> [u8; 8] {
        let mut hasher = self.keyed.clone();
        hasher.append(bytes);
        hasher.finalize64().to_le_bytes()
    }
}

/// The files of one group beside its log.
#[derive(Debug)]
pub struct RaftFiles {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    hash: GroupHash,
    /// A sync failed.
    failure: Option<String>,
}

/// Term and index in the name of a snapshot, as Go writes them.
fn snapshot_of(name: &Path) -> Option<(u64, u64)> {
    let name = name.to_str()?;
    let (term, index) = name.strip_prefix("snap.")?.split_once('.')?;
    let (term, index) = (term.parse().ok()?, index.parse().ok()?);
    (snapshot_name(term, index) == name).then_some((term, index))
}

fn snapshot_name(term: u64, index: u64) -> String {
    format!("snap.{term}.{index}")
}

impl RaftFiles {
    /// The files of the group `name` in the folder `dir`.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, dir: &Path, name: &str) -> Self {
        Self { disk, dir: dir.to_owned(), hash: GroupHash::new(name), failure: None }
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, RaftLogError> {
        let path = self.dir.join(name);
        let content = read_file(self.disk.as_ref(), &path, SMALL_FILE_MAX);
        content.map_err(|source| RaftLogError::Disk { path, source })
    }

    fn damaged(&self, name: &str) -> RaftLogError {
        RaftLogError::Damaged { path: self.dir.join(name) }
    }

    fn write(&mut self, dir: &Path, files: &[(&str, &[u8])]) -> Result<(), RaftLogError> {
        self.check_stopped()?;
        let replaced = replace_files(self.disk.as_ref(), dir, files);
        replaced.map_err(|ReplaceError { path, source, is_sync }| {
            if is_sync {
                self.failure = Some(source.to_string());
            }
            RaftLogError::Disk { path, source }
        })
    }

    /// What natsd wrote last, if there is a good copy of it.
    fn read_copy(&self, name: &str) -> Result<Option<Vec<u8>>, RaftLogError> {
        let Some(bytes) = self.read(name)? else { return Ok(None) };
        let content =
            bytes.split_last_chunk().filter(|(content, sum)| self.hash.sum(content) == **sum);
        Ok(content.map(|(content, _)| content.to_vec()))
    }

    /// Writes a file of Go's and natsd's copy of it.
    fn write_with_copy(
        &mut self,
        name: &str,
        copy: &str,
        content: &[u8],
    ) -> Result<(), RaftLogError> {
        let sealed = [content, &self.hash.sum(content)].concat();
        self.write(&self.dir.clone(), &[(copy, &sealed), (name, content)])
    }

    fn check_stopped(&self) -> Result<(), RaftLogError> {
        match &self.failure {
            Some(reason) => Err(RaftLogError::Stopped { reason: reason.clone() }),
            None => Ok(()),
        }
    }

    /// Term and vote; term 0 for a group that has none. A file that is cut is an error: Go takes
    /// it for a group that has not voted, which may then vote twice.
    pub fn read_hard_state(&self) -> Result<HardState, RaftLogError> {
        let copy = self.read_copy(HARD_STATE_COPY)?;
        let copy = copy.and_then(|bytes| HardState::decode(&bytes)).unwrap_or_default();
        let Some(bytes) = self.read(HARD_STATE_FILE)? else { return Ok(copy) };
        let state = HardState::decode(&bytes).ok_or_else(|| self.damaged(HARD_STATE_FILE))?;
        Ok(if copy.may_become(state) { state } else { copy })
    }

    /// Writes term and vote; durable when it returns.
    pub fn write_hard_state(&mut self, state: HardState) -> Result<(), RaftLogError> {
        let mut content = state.term.to_le_bytes().to_vec();
        content.extend(state.vote.iter().flatten());
        self.write_with_copy(HARD_STATE_FILE, HARD_STATE_COPY, &content)
    }

    /// Who belongs to the group, if that was written.
    pub fn read_peers(&self) -> Result<Option<PeerState>, RaftLogError> {
        let bytes = self.read(PEERS_FILE)?;
        let copy = self.read_copy(PEERS_COPY)?;
        let bytes = match (bytes, copy) {
            (Some(bytes), Some(copy)) if is_one_bit_off(&bytes, &copy) => copy,
            (Some(bytes), _) => bytes,
            (None, Some(copy)) => copy, // A crash left it between the two.
            (None, None) => return Ok(None),
        };
        match PeerState::decode(&bytes) {
            Some(peers) => Ok(Some(peers)),
            None => Err(self.damaged(PEERS_FILE)),
        }
    }

    /// Writes who belongs to the group; durable when it returns.
    pub fn write_peers(&mut self, peers: &PeerState) -> Result<(), RaftLogError> {
        self.write_with_copy(PEERS_FILE, PEERS_COPY, &peers.encode())
    }

    /// The commit index that was written last. A hint: the true one may be higher.
    pub fn read_commit(&self) -> Result<Option<u64>, RaftLogError> {
        let Some(bytes) = self.read(COMMIT_FILE)? else { return Ok(None) };
        let commit = bytes.split_last_chunk().and_then(|(content, sum)| {
            let is_good = self.hash.sum(content) == *sum;
            content.try_into().ok().filter(|_| is_good)
        });
        Ok(commit.map(u64::from_le_bytes))
    }

    /// Writes the commit index.
    pub fn write_commit(&mut self, commit: u64) -> Result<(), RaftLogError> {
        let mut content = commit.to_le_bytes().to_vec();
        content.extend(self.hash.sum(&content));
        self.write(&self.dir.clone(), &[(COMMIT_FILE, &content)])
    }

    fn snapshot_names(&self) -> Result<Vec<(u64, u64)>, RaftLogError> {
        let path = self.dir.join(SNAPSHOTS_DIR);
        match self.disk.list(&path) {
            Ok(entries) => {
                let names = entries.iter().filter(|entry| !entry.is_dir);
                let mut found: Vec<_> =
                    names.filter_map(|entry| snapshot_of(Path::new(&entry.name))).collect();
                found.sort_unstable();
                Ok(found)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(source) => Err(RaftLogError::Disk { path, source }),
        }
    }

    /// The snapshot of the highest term and index, if there is one. When it is damaged that is an
    /// error, whether there are older ones or not: entries after those may be gone.
    pub fn read_snapshot(&self) -> Result<Option<RaftSnapshot>, RaftLogError> {
        let Some((term, index)) = self.snapshot_names()?.pop() else { return Ok(None) };
        let path = self.dir.join(SNAPSHOTS_DIR).join(snapshot_name(term, index));
        let content = read_file(self.disk.as_ref(), &path, SNAPSHOT_SIZE_MAX);
        let content = match content {
            Ok(content) => content.unwrap_or_default(),
            Err(source) => return Err(RaftLogError::Disk { path, source }),
        };
        match RaftSnapshot::decode(&self.hash, &content) {
            // Go 2.9.12 wrote snapshots of nothing.
            Some(snapshot) if snapshot.index == 0 => Ok(None),
            Some(snapshot) if (snapshot.term, snapshot.index) == (term, index) => {
                Ok(Some(snapshot))
            }
            Some(_) | None => Err(RaftLogError::Damaged { path }),
        }
    }

    /// Writes a snapshot; durable when it returns.
    pub fn write_snapshot(&mut self, snapshot: &RaftSnapshot) -> Result<(), RaftLogError> {
        let dir = self.dir.join(SNAPSHOTS_DIR);
        let made = self.disk.create_dir_all(&dir).and_then(|()| self.disk.sync_dir(&self.dir));
        made.map_err(|source| RaftLogError::Disk { path: dir.clone(), source })?;
        let name = snapshot_name(snapshot.term, snapshot.index);
        let content = snapshot.encode(&self.hash);
        self.write(&dir, &[(&name, &content)])
    }

    pub(super) fn remove_older_snapshots(
        &mut self,
        newest: &RaftSnapshot,
    ) -> Result<(), RaftLogError> {
        let dir = self.dir.join(SNAPSHOTS_DIR);
        for (term, index) in self.snapshot_names()? {
            if (term, index) < (newest.term, newest.index) {
                let path = dir.join(snapshot_name(term, index));
                let removed = self.disk.remove_file(&path);
                removed.map_err(|source| RaftLogError::Disk { path, source })?;
            }
        }
        Ok(())
    }

    /// Moves a file that was found damaged into the folder `lost`, for a group that gets
    /// everything from its peers anew. The group must not vote before it has.
    pub fn put_aside(&mut self, path: &Path) -> Result<PathBuf, RaftLogError> {
        let dir = self.dir.join(LOST_DIR);
        let name = path.file_name().unwrap_or(path.as_os_str());
        let to = dir.join(name);
        let parent = path.parent().unwrap_or(&self.dir);
        let moved = self
            .disk
            .create_dir_all(&dir)
            .and_then(|()| self.disk.sync_dir(&self.dir))
            .and_then(|()| self.disk.rename(path, &to))
            .and_then(|()| self.disk.sync_dir(&dir))
            .and_then(|()| self.disk.sync_dir(parent));
        moved.map_err(|source| RaftLogError::Disk { path: path.to_owned(), source })?;
        Ok(to)
    }
}
