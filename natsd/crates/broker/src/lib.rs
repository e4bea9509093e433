//! Delivers a published message to every interested party of the right account.
//!
//! The broker knows accounts, their interest tables and sinks; it does not know protocols, sockets
//! or other links. Nothing here waits: a delivery appends to the receiver's buffer, a flush tries.
#![warn(missing_docs)]

mod account;
mod cache;
mod deliver;
mod fanout;
mod flush;
mod mappings;
mod subscription;

pub use account::{
    Account, AccountLimits, AccountSettings, Accounts, GLOBAL_ACCOUNT, SYSTEM_ACCOUNT, Traffic,
};
pub use cache::MatchCache;
pub use deliver::{Deliver, Delivered, Msg, Wake};
pub use fanout::{Origin, Worker};
pub use flush::FlushSet;
pub use mappings::{Destination, Mappings};
pub use subscription::{Subscription, SubscriptionRef};
