//! The request as it arrived, and what is refused before anything else is looked at.

pub mod limits;
pub mod path;
pub mod request;
pub mod upgrade;
