//! Worlds for tests: what is outside of the core, in memory, under a clock that tests own.

mod directory;
pub(crate) mod outside;
