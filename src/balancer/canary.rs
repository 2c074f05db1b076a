//! A release that gets a share of the new sessions, which stay in it.
//!
//! A session's release is a bit of its handle, chosen when it begins: nothing is stored for it, all
//! isolates know it, and raising or lowering the percentage moves nobody. A session that began
//! while there was no canary is not of it.

use crate::balancer::pool::Origin;
use crate::session::id::Handle;

/// A canary release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Canary {
    /// The release, as its origins name it.
    pub release: String,
    /// Percentage of new sessions that it gets.
    pub percent: u32,
    /// It gets no sessions, not even those that began in it.
    pub is_off: bool,
    /// A request header, folded, and its value, that bring a new session into it whatever the
    /// percentage is.
    pub header: Option<(String, String)>,
}

impl Canary {
    /// Decides whether an origin is of the release that a session was assigned to.
    #[must_use]
    pub(crate) fn assigns(&self, origin: &Origin, handle: Handle) -> bool {
        (origin.release.as_ref() == Some(&self.release)) == Self::has(handle)
    }

    /// Whether a session of this handle belongs to the canary.
    #[must_use]
    pub(crate) fn has(Handle([_, byte, ..]): Handle) -> bool {
        byte & 1 == 1
    }
}
