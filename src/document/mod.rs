//! What a tenant is, as people write it: a JSON document.
//!
//! The types in [`model`] are all there is to say about its shape: reading a document, telling what
//! is wrong with it, its defaults and its JSON Schema all follow from them. A document is read as a
//! whole, so that every fault is told at once, each with its path and what would be right.
//!
//! What a tenant's document leaves out comes from the deployment's variables, and what those leave
//! out from the defaults: [`layers`].

pub mod layers;
pub mod model;
mod read;
mod shape;
pub mod variables;

pub use read::{Fault, Readable, Reader};

#[cfg(test)]
mod tests;
