//! Defines the tenant document: JSON that describes one tenant.
//!
//! The types in [`model`] define parsing, error messages, defaults and JSON Schema. Parsing reads the whole document,
//! so that it reports every fault at once, each with its path and fix.
//!
//! The deployment's variables fill in what a tenant's document omits, and the defaults fill in the rest: [`layers`].

pub(crate) mod asset_source;
pub(crate) mod backend;
pub(crate) mod branding;
pub(crate) mod layers;
mod merge;
pub(crate) mod merge_patch;
pub(crate) mod model;
mod object_macro;
mod parse;
mod release_line;
pub(crate) mod releases;
pub(crate) mod renamed;
pub(crate) mod route_pattern;
pub(crate) mod server_list;
pub(crate) mod service;
pub(crate) mod telemetry;
pub(crate) mod unknown_variables;
pub(crate) mod values;
pub(crate) mod variables;

use serde_json::Value;

pub(crate) use parse::{Fault, FromDocument, Reader};

/// Returns the published JSON Schema (2020-12) of a document.
#[must_use]
#[cfg_attr(
    not(feature = "internals"),
    allow(dead_code, reason = "for tools that read documents")
)]
pub(crate) fn schema() -> Value {
    let mut schema = model::Document::schema();
    if let Some(members) = schema.as_object_mut() {
        let dialect = "https://json-schema.org/draft/2020-12/schema";
        members.insert("$schema".to_owned(), dialect.into());
        members.insert(
            "$id".to_owned(),
            "https://vestibule.dev/schemas/tenant.json".into(),
        );
        members.insert("title".to_owned(), "A tenant of Vestibule".into());
    }
    schema
}

#[cfg(test)]
mod tests;
