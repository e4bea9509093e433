//! Decides which subjects match, and finds who is interested.
//!
//! Subjects are bytes everywhere. The crate does no I/O, starts no task and reads no clock; the
//! one thing shared behind `&self` is the optional result cache of a [`Sublist`].
//!
//! Source: Go `server/sublist.go`, `server/gsl`, `server/stree`, `server/subject_transform.go`.
#![warn(missing_docs)]

mod arena;
mod generic_list;
mod label;
pub mod subject;
mod sublist;
pub mod transform;
mod tree;
mod trie;
mod value_set;

pub use generic_list::{GenericSubjectList, GenericSubjectListError, SubjectSet};
pub use sublist::{
    InterestCount, InterestEvent, MatchResult, QueueGroup, Sublist, SublistError, SublistStats,
    Subscriber, WatcherId,
};
pub use transform::{SubjectTransform, TransformError, TransformMode};
pub use tree::{Interest, SubjectTree, intersect};
