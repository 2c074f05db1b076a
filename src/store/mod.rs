//! What an isolate keeps of what storage holds: the cache of sessions, the feed of revocations, and what the
//! directory object makes of a command.

pub mod cache;
pub mod directory;
pub mod revocations;
