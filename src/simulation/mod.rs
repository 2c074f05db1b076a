//! Provides test worlds: everything outside of the core, in memory, with a simulated clock.
//!
//! [`fake_io`] answers at once, for tests of single decisions. [`world`] injects faults chosen by a seed; [`history`]
//! checks the result.

mod directory;
mod discipline;
pub(crate) mod fake_io;
mod history;
mod namespace;
mod queue;
mod rules;
mod runs;
mod world;
