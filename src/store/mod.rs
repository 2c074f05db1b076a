//! Holds an isolate's copies of stored data (session cache, revocation feed) and its changes to store, decides the
//! directory object's commands, selects the namespace of a key, and limits calls to storage and objects.

pub(crate) mod breaker;
pub(crate) mod cache;
pub(crate) mod namespaces;
pub(crate) mod retry;
pub(crate) mod revocations;
pub(crate) mod session_index;
pub(crate) mod single_flight;
pub(crate) mod write_behind;
pub(crate) mod write_queue;
