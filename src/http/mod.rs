//! Parses requests as they arrive, and rejects malformed ones.

pub(crate) mod canonical;
pub(crate) mod conditional;
pub(crate) mod engine_io;
pub(crate) mod form;
pub(crate) mod header_name;
pub(crate) mod header_names;
pub(crate) mod host;
pub(crate) mod json;
pub(crate) mod limits;
pub(crate) mod network;
pub(crate) mod path;
pub(crate) mod percent;
pub(crate) mod qualifier;
pub(crate) mod query;
pub(crate) mod rate_limit;
pub(crate) mod request;
pub(crate) mod reserved_headers;
pub(crate) mod token_bucket;
pub(crate) mod url;
pub(crate) mod websocket;
