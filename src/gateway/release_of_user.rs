//! Moves a session to the gray release of the user who signs in.
//!
//! Rules that ask for the user cannot hold when a session begins: it is a guest's. So they are applied once more at a
//! sign-in, and the outcome is stored as a pin, with the sign-in itself.

use super::client_info::facts;
use super::parts::Balancer;
use crate::balancer::pool::Origin;
use crate::clock::UnixMillis;
use crate::cookie::token::Token;
use crate::http::request::Request;
use crate::session::identity::Identity;

impl Balancer {
    /// Returns the pin of a session that this user signs in to; none if it stays where it is.
    pub(crate) fn pin_of_user(
        &self,
        token: &Token,
        user: &Identity,
        request: &Request<'_>,
        now: UnixMillis,
    ) -> Option<Option<String>> {
        let releases = self.tenant.releases.as_ref()?;
        if !releases.ask_for_user() {
            return None;
        }
        let facts = facts(request, Some(user));
        // A rule that holds for guests has decided when the session began.
        let decided = releases.decide(&facts, &mut || 0);
        let (_, verdict) = decided.filter(|(_, verdict)| verdict.of_user)?;
        let (handle, created) = (token.handle, token.created);
        if verdict.release == releases.of((handle, created)) {
            return None;
        }
        let is_right = |origin: &Origin| {
            releases.of_origin(origin) == verdict.release && origin.since <= now.seconds()
        };
        let takes = |origin: &Origin| {
            is_right(origin) && self.takes_new(origin, now) && !self.is_ejected(origin, now)
        };
        let pool = &self.pools.default;
        let origin = pool.best(handle, takes)?;
        Some(Some(origin.name.to_string()))
    }
}
