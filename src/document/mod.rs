//! What a tenant is, as people write it: a JSON document.
//!
//! The types in [`model`] are all there is to say about its shape: reading a document, telling what
//! is wrong with it, its defaults and its JSON Schema all follow from them. A document is read as a
//! whole, so that every fault is told at once, each with its path and what would be right.
//!
//! What a tenant's document leaves out comes from the deployment's variables, and what those leave
//! out from the defaults: [`layers`].

pub mod backend;
pub mod branding;
pub mod layers;
mod merge;
pub mod model;
mod read;
pub mod replacement;
pub mod service;
mod shape;
pub mod telemetry;
pub mod variables;

use serde_json::Value;

pub use read::{Fault, Readable, Reader};

/// The JSON Schema (2020-12) of a document, as it is published.
#[must_use]
pub fn schema() -> Value {
    let mut schema = model::Document::schema();
    if let Some(members) = schema.as_object_mut() {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        members.insert("$schema".to_owned(), dialect.into());
        members.insert("title".to_owned(), "A tenant of Vestibule".into());
    }
    schema
}

#[cfg(test)]
mod tests;
