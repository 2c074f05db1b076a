//! What the origin is told, and what of its answer reaches the client.

pub mod caching;
pub mod closing;
pub mod controls;
pub mod headers;
pub mod proof;
pub mod public_url;
pub mod response;
pub mod trace;
