//! What the project's own benchmarks, fuzz targets and tools use of the core. It is no API: the feature `internals` is
//! theirs alone, and whatever it shows may change at any time.

pub mod cases;
pub mod documents;
pub mod fuzz;
pub mod sessions;
