//! What message blocks hold: records of messages, erased messages and deletions.
//!
//! Works on bytes; no file is opened here. Nothing panics, whatever the bytes are.
//!
//! Source: Go `server/filestore.go` (`writeMsgRecordLocked`, `msgFromBufEx`,
//! `rebuildStateFromBufLocked`).

mod borders;
mod correct;
mod record;
mod scan;

pub(crate) use borders::{
    Borders, append_sum, flip_subject_size, near_subjects, renew_sums, with_one_sum,
};
pub(crate) use correct::correct;
pub(crate) use record::subject_of;
pub use record::{
    BlockHash, Damage, EMPTY_RECORD_SIZE, RECORD_HEADER_SIZE, RECORD_SIZE_MAX, Record, RecordKind,
    RecordTooLarge, erase_record,
};
pub use scan::{BlockScan, Scanned};

#[cfg(test)]
mod tests;
