//! What an isolate keeps of what storage holds: the cache of sessions, the feed of revocations, and what the
//! directory object makes of a command. And the rules by which it asks storage and objects: when and how often.

pub(crate) mod breaker;
pub(crate) mod cache;
pub(crate) mod retry;
pub(crate) mod revocations;
pub(crate) mod session_index;
pub(crate) mod single_flight;
pub(crate) mod write_queue;
