//! Exposes the core to this project's benchmarks, fuzz targets and tools. It is no public API: only they enable the
//! feature `internals`, and it may change at any time.

pub mod cases;
pub mod documents;
pub mod fuzz;
pub mod sessions;
