//! Defines a session: its identifiers, record, lifetime and changes.
//!
//! Performs no I/O, and depends on neither HTTP nor storage.

pub(crate) mod cbor;
pub(crate) mod change;
pub(crate) mod codec;
pub(crate) mod compress;
pub(crate) mod data;
pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod lifetime;
pub(crate) mod names;
pub(crate) mod prepared;
pub(crate) mod record;
pub(crate) mod redaction;
pub(crate) mod token_set;
pub(crate) mod vault;
