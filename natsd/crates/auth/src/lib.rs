//! Decides who a connection is and what it may do.
//!
//! Pure: no sockets, no clock, no configuration files. Passwords that are expensive to check are
//! handed back as a [`PasswordCheck`], which the shell runs where it may take its time.
#![warn(missing_docs)]

mod certificate;
mod nkey;
mod password;
mod permissions;
mod snapshot;

pub use certificate::CertificateNames;
pub use nkey::ServerKeys;
pub use password::{PasswordCheck, is_bcrypt};
pub use permissions::{Permissions, ReplyPermits};
pub use snapshot::{AuthSnapshot, Credentials, Decision, Identity};
