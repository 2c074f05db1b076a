//! Builds what the origin receives, and filters what the client gets of its response.

pub(crate) mod caching;
pub(crate) mod closing;
pub(crate) mod proof;
pub(crate) mod public_url;
pub(crate) mod request_headers;
pub(crate) mod response_headers;
pub(crate) mod session_controls;
pub(crate) mod trace_context;
