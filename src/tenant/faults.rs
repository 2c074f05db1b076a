//! Collects faults that involve several values of a document.

use crate::config::Fault;

/// Secrets of a tenant that the Worker never passes to origins.
pub(super) const OWN_SECRETS: [&str; 3] = ["SESSION_KEYS", "ORIGIN_KEY", "ADMIN_TOKEN"];

/// Collects faults with their paths.
pub(super) struct Faults(pub(super) Vec<Fault>);

impl Faults {
    pub(super) fn add(&mut self, path: &str, problem: impl Into<String>) {
        self.0.push(Fault {
            path: path.to_owned(),
            problem: problem.into(),
        });
    }
}
