//! A session: its identifiers, its record, how long it lives, and how it may change.
//!
//! Pure: knows neither HTTP nor storage.

pub mod changes;
pub mod codec;
pub mod data;
pub mod id;
pub mod lifetime;
pub mod record;
