//! What the operator learns of what happened.

pub mod log;
