//! Provides worlds for tests: everything outside of the core, in memory, with a simulated clock.
//!
//! [`outside`] answers at once, for tests of one decision after another. [`world`] is everything that
//! can go wrong, chosen by a seed; [`history`] says whether what came of it may be.

mod directory;
mod discipline;
mod history;
mod namespace;
pub(crate) mod outside;
mod rules;
mod runs;
mod world;
