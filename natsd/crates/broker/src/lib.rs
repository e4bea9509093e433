//! Delivers a published message to every interested party of the right account.
