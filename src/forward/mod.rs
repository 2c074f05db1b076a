//! What the origin is told, and what of its answer reaches the client.

pub(crate) mod caching;
pub(crate) mod closing;
pub(crate) mod controls;
pub(crate) mod headers;
pub(crate) mod proof;
pub(crate) mod public_url;
pub(crate) mod response;
pub(crate) mod trace;
