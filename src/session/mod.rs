//! A session: its identifiers, its record, how long it lives, and how it may change.
//!
//! Pure: knows neither HTTP nor storage.

pub mod change;
pub mod codec;
pub mod data;
pub mod fields;
pub mod grant;
pub mod id;
pub mod identity;
pub mod lifetime;
pub mod names;
pub mod packing;
pub mod prepared;
pub mod record;
pub mod redaction;
pub mod vault;
