//! Which origin a request goes to.

pub mod pool;
pub mod suspicion;
