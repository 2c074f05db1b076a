//! Stores the rows in memory, for tests.

use std::collections::BTreeMap;

use super::{Listing, Revoked, TableError, Tables};
use crate::clock::UnixSeconds;

#[derive(Default)]
pub(crate) struct Memory {
    last: u64,
    revoked: BTreeMap<String, Revoked>,
    /// Listings with the position of their first listing.
    listings: BTreeMap<String, (u64, Listing)>,
    listed: u64,
}

impl Memory {
    /// Returns the epoch of a subject's revocation, if it is still stored.
    pub(crate) fn revoked_at(&self, subject: &str) -> Option<u64> {
        self.revoked.get(subject).map(|one| one.epoch)
    }

    /// Returns whether a session is listed.
    pub(crate) fn is_listed(&self, session: &str) -> bool {
        self.listings.contains_key(session)
    }

    /// Returns whether there is no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.revoked.is_empty() && self.listings.is_empty()
    }
}

impl Tables for Memory {
    fn last(&mut self) -> Result<u64, TableError> {
        Ok(self.last)
    }

    fn set_last(&mut self, epoch: u64) -> Result<(), TableError> {
        self.last = epoch;
        Ok(())
    }

    fn revoked(&mut self, subject: &str) -> Result<Option<Revoked>, TableError> {
        Ok(self.revoked.get(subject).copied())
    }

    fn revoked_after(&mut self, epoch: u64) -> Result<Vec<(String, u64)>, TableError> {
        let after = self.revoked.iter().filter(|(_, one)| one.epoch > epoch);
        let mut found: Vec<(String, u64)> = after
            .map(|(subject, one)| (subject.clone(), one.epoch))
            .collect();
        found.sort_by_key(|(_, epoch)| *epoch);
        Ok(found)
    }

    fn set_revoked(&mut self, subject: &str, revoked: Revoked) -> Result<(), TableError> {
        self.revoked.insert(subject.to_owned(), revoked);
        Ok(())
    }

    fn set_listing(&mut self, listing: &Listing) -> Result<(), TableError> {
        self.listed += 1;
        let turn = self
            .listings
            .get(&listing.session)
            .map_or(self.listed, |(turn, _)| *turn);
        self.listings
            .insert(listing.session.clone(), (turn, listing.clone()));
        Ok(())
    }

    fn remove_listing(&mut self, session: &str) -> Result<(), TableError> {
        self.listings.remove(session);
        Ok(())
    }

    fn listings_of(&mut self, user: &str) -> Result<Vec<Listing>, TableError> {
        let mut theirs: Vec<_> = self
            .listings
            .values()
            .filter(|(_, one)| one.user == user)
            .collect();
        theirs.sort_by_key(|(turn, _)| *turn);
        Ok(theirs.into_iter().map(|(_, one)| one.clone()).collect())
    }

    fn listings_after(
        &mut self,
        users: Option<&[String]>,
        after: Option<&(u64, String)>,
        most: usize,
    ) -> Result<Vec<Listing>, TableError> {
        let place = |one: &Listing| (one.created, one.session.clone());
        let mut found: Vec<Listing> = self
            .listings
            .values()
            .map(|(_, one)| one)
            .filter(|one| users.is_none_or(|users| users.contains(&one.user)))
            .filter(|one| after.is_none_or(|after| place(one) > *after))
            .cloned()
            .collect();
        found.sort_by_key(place);
        found.truncate(most);
        Ok(found)
    }

    fn count_after(&mut self, now: UnixSeconds) -> Result<u64, TableError> {
        let live = self.listings.values().filter(|(_, one)| one.until > now);
        Ok(u64::try_from(live.count()).unwrap())
    }

    fn forget_before(&mut self, now: UnixSeconds) -> Result<(), TableError> {
        self.revoked.retain(|_, one| one.until >= now);
        self.listings.retain(|_, (_, one)| one.until >= now);
        Ok(())
    }
}
