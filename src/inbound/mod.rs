//! The request as it arrived, and what is refused before anything else is looked at.

pub mod canonical;
pub mod conditional;
pub mod engine_io;
pub mod form;
pub mod header_name;
pub mod host;
pub mod json;
pub mod limits;
pub mod network;
pub mod pasted;
pub mod path;
pub mod percent;
pub mod query;
pub mod rate_limit;
pub mod request;
pub mod reserved_headers;
pub mod upgrade;
