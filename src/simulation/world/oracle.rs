//! Checks the objects' rules after each action, against an account of its own.

use super::*;
use crate::session::id::SessionId;
use crate::session::record::ROTATION_GRACE;
use crate::session_object::{command, fence_in, sealed_in};
use crate::store::session_index::message as directory;

/// Time for which an announcement must be found, in milliseconds: a little less than it is kept.
const ANNOUNCED_MS: u64 = 500_000;

/// Stored state of an object's session.
#[derive(Default)]
pub(super) struct Seen {
    sealed: Vec<u8>,
    id: Option<SessionId>,
    version: Version,
    /// Replaced ids, with the time in milliseconds, and whether a sign-in replaced them.
    replaced: Vec<(SessionId, u64, bool)>,
    /// Tag of its user.
    user: Option<String>,
    created: u64,
    /// Maximum time until which the list shows it, in seconds.
    until: u64,
    ended_at: Option<u64>,
}

impl World {
    /// Opens the sealed record of a session.
    pub(super) fn opened(&self, name: &str, sealed: &[u8]) -> Option<Entry> {
        let (tenant, handle) = parse_object_name(name)?;
        let record = RecordName::derive(&tenant, handle);
        codec::open(sealed, &record, &self.keys).ok()
    }

    /// Returns the entry that an object has stored.
    pub(super) fn stored_entry(&self, name: &str) -> Option<Entry> {
        let row = self.objects.get(name)?.row.as_deref()?;
        self.opened(name, &sealed_in(row))
    }

    /// Returns the last sealed record that an object stored.
    pub(super) fn sealed(&self, name: &str) -> Option<Vec<u8>> {
        self.seen.get(name).map(|seen| seen.sealed.clone())
    }

    /// Records a stored row. Returns whether it must be announced at once.
    pub(super) fn see_row(&mut self, name: &str, row: &[u8]) -> bool {
        let sealed = sealed_in(row);
        if self
            .seen
            .get(name)
            .is_some_and(|seen| seen.sealed == sealed)
        {
            return false;
        }
        let entry = self.opened(name, &sealed);
        let (now, lifetime) = (self.now, self.lifetime());
        let seen = self.seen.entry(name.to_owned()).or_default();
        seen.sealed = sealed;
        match entry {
            Some(Entry::Live(record)) => {
                let is_new = seen.id.is_some_and(|before| before != record.id);
                if let Some(before) = seen.id.filter(|_| is_new) {
                    let by_sign_in = record.previous.as_ref().is_some_and(|one| one.by_sign_in);
                    seen.replaced.push((before, now, by_sign_in));
                    if by_sign_in {
                        // What somebody else's application held ends here.
                        let (_, session) = name.split_once('/').unwrap();
                        self.signed_in.insert(session.to_owned(), fence_in(row));
                    }
                }
                let user = record
                    .identity
                    .as_ref()
                    .map(|identity| identity.user.as_str());
                let tag = user.and_then(|user| self.keys.user_tags(user).next());
                seen.user = tag.map(|tag| base64url(&tag));
                seen.id = Some(record.id);
                seen.version = record.version;
                seen.created = record.created.0;
                let span = record.span();
                // The list is updated once per idle limit, not with every touch.
                let ahead = lifetime.end(&span) + lifetime.idle;
                seen.until = ahead.min(lifetime.absolute_end(&span)).0;
                is_new
            }
            Some(Entry::Ended { .. }) => {
                seen.ended_at.get_or_insert(now);
                true
            }
            None => false,
        }
    }

    /// Returns the rules that an object would break by applying this change now.
    pub(super) fn judge(&self, name: &str, changing: &UpdateCommand) -> Vec<&'static str> {
        let mut broken = Vec::new();
        let Some(seen) = self.seen.get(name) else {
            return broken;
        };
        if changing
            .if_version
            .is_some_and(|version| version != seen.version)
        {
            broken.push("a change for another version is applied");
        }
        let grace_ms = (ROTATION_GRACE.0 + 1) * 1_000;
        let is_over = |(id, at, by_sign_in): &(SessionId, u64, bool)| {
            changing.id == Some(*id) && (*by_sign_in || self.now > at + grace_ms)
        };
        if seen.replaced.iter().any(is_over) {
            broken.push("a change with an id that was replaced is applied");
        }
        let (_, session) = name.split_once('/').unwrap();
        if let (Some(token), Some(lease)) = (changing.lease, self.leases.get(session))
            && (lease.token > token || (lease.token == token && self.now > lease.latest))
        {
            broken.push("a change is applied under a lease that is over");
        }
        let is_guarded =
            changing.change == changing.change.guarded() && !changing.change.is_empty();
        if is_guarded && changing.lease.is_none() && self.is_held_exclusively(session) {
            broken.push("a change without the token is applied under an exclusive lease");
        }
        broken
    }

    /// Records an applied change, with the rules that it breaks.
    pub(super) fn see_change(&mut self, name: &str, once: u64, broken: Vec<&'static str>) {
        if !self.applied.insert((name.to_owned(), once)) {
            self.broken("a change that came twice is applied twice", name.to_owned());
        }
        for rule in broken {
            self.broken(rule, name.to_owned());
        }
    }

    /// Checks that an end which a reply reports is announced.
    pub(super) fn see_reply(&mut self, name: &str, call: CallId, bytes: &[u8]) {
        if !self.ending_calls.remove(&call) {
            return;
        }
        let ended_at = self.seen.get(name).and_then(|seen| seen.ended_at);
        let is_late = ended_at.is_none_or(|at| self.now > at + ANNOUNCED_MS);
        let reply = command::Reply::parse(bytes).unwrap();
        let reports_end = reply.is == Status::Ended && !reply.unannounced;
        if reports_end && !is_late && !self.is_announced(name) {
            self.broken(
                "a caller hears of an end before all others may",
                name.to_owned(),
            );
        }
    }

    /// Returns whether a session last belonged to this browser's user.
    pub(super) fn was_theirs(&self, name: &str, browser: usize) -> bool {
        let user = self.seen.get(name).and_then(|seen| seen.user.as_ref());
        let tag = self.keys.user_tags(&Self::user(browser)).next();
        user.is_some() && user == tag.map(|tag| base64url(&tag)).as_ref()
    }

    /// Returns whether the tenant's object has the revocation of an ended session.
    fn is_announced(&self, name: &str) -> bool {
        let (_, handle) = parse_object_name(name).unwrap();
        let subject = Subject::Session(handle).to_text();
        self.directory.revoked_since(&subject, 0)
    }

    /// Checks that surplus sessions exceed the user's limit and are the oldest.
    pub(super) fn see_surplus(&mut self, command: &str, surplus: &[Surplus]) {
        let Ok(directory::Command::ListIn { user, .. }) = directory::Command::parse(command) else {
            return;
        };
        if surplus.is_empty() {
            return;
        }
        let now = UnixMillis(self.now.saturating_add_signed(self.skew_ms)).seconds();
        let theirs = self.seen.iter();
        let theirs = theirs.filter(|(_, seen)| seen.user.as_ref() == Some(&user));
        let counting = theirs.clone().filter(|(name, seen)| {
            let is_over = seen.ended_at.is_some() && self.is_announced(name);
            now.0 < seen.until && !is_over
        });
        let most = usize::try_from(MAX_PER_USER).unwrap();
        let too_many = counting.count().saturating_sub(most);
        let is_surplus = |session: &str| surplus.iter().any(|one| one.session == session);
        let created = |session: &str| {
            let name = format!("{}/{session}", self.tenant);
            self.seen.get(&name).map(|seen| seen.created)
        };
        let youngest = surplus.iter().filter_map(|one| created(&one.session)).max();
        let listed = self.directory.listed(&user);
        let stays = listed
            .iter()
            .filter(|one| now < one.until && !is_surplus(&one.session));
        let oldest = stays.map(|one| one.created).min();
        let session = surplus[0].session.clone();
        if surplus.len() > too_many {
            let rule = "a session is ended though its user has no more than they may";
            self.broken(rule, session.clone());
        }
        if oldest < youngest && oldest.is_some() {
            self.broken("a session is ended before an older one", session);
        }
    }
}
