//! Defines the canary: a release that gets a share of the new sessions and keeps them.
//!
//! A bit of the handle is the session's release, chosen when the session begins. So nothing is stored for it, all
//! isolates know it, and changing the percentage moves no session. Sessions that began without a canary do not belong
//! to it.

use crate::balancer::pool::Origin;
use crate::session::id::Handle;

/// Canary release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    /// Release, as its origins name it.
    pub release: String,
    /// Percentage of new sessions that it gets.
    pub percent: u32,
    /// Whether the release gets no sessions, not even those that began in it.
    pub is_off: bool,
    /// Request header (folded name) and value that assign a new session to the release, whatever the percentage is.
    pub header: Option<(String, String)>,
}

impl Canary {
    /// Decides whether an origin is of the release that a session was assigned to.
    #[must_use]
    pub(crate) fn assigns(&self, origin: &Origin, handle: Handle) -> bool {
        (origin.release.as_ref() == Some(&self.release)) == Self::has(handle)
    }

    /// Returns whether a session with this handle belongs to the canary.
    #[must_use]
    pub(crate) fn has(Handle([_, byte, ..]): Handle) -> bool {
        byte & 1 == 1
    }
}
