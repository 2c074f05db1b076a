//! What an isolate keeps of what storage holds: the cache of sessions, the feed of revocations, and what the
//! directory object makes of a command. And the rules by which it asks storage and objects: when and how often.

pub mod breaker;
pub mod cache;
pub mod directory;
pub mod retry;
pub mod revocations;
pub mod single_flight;
pub mod write_queue;
