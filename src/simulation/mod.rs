//! Provides test worlds: everything outside of the core, in memory, with a simulated clock.
//!
//! [`outside`] answers at once, for tests of single decisions. [`world`] injects faults chosen by a seed; [`history`]
//! checks the result.

mod directory;
mod discipline;
mod history;
mod namespace;
pub(crate) mod outside;
mod rules;
mod runs;
mod world;
