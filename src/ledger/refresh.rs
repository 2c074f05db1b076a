//! New access tokens: asked for by the object, because only one may ask.

use chacha20::rand_core::Rng;

use super::command::{Changing, Command, Order};
use super::row::Row;
use super::{BadRow, Ledger, Verdict};
use crate::session::change::{Change, Circumstances};
use crate::session::grant::{Grant, Refreshed};
use crate::session::record::{Entry, Epoch, Record};
use crate::sign_in::authorization;
use crate::store::Outbound;

/// How long a provider that did not answer as it should is left alone, in milliseconds.
const REST_MS: u64 = 5_000;

impl<R: Rng> Ledger<'_, R> {
    /// What the provider has to be asked, if it has to be.
    pub(super) fn refresh(
        &self,
        provider: &str,
        call: &Outbound,
        row: Option<&Row>,
    ) -> Option<Outbound> {
        let row = row.filter(|row| self.now.0 >= row.refresh_after)?;
        // Who asks may know an older sign-in; a token is for its own provider only.
        let grant = self
            .live(row)?
            .grant
            .filter(|grant| grant.provider == provider)?;
        let now = self.now.seconds();
        // Somebody else may have just done so.
        let margin = grant.margin();
        let is_fresh = grant
            .expires
            .is_none_or(|expires| expires.since(now) > margin);
        let token = grant.refresh_token.filter(|_| !is_fresh)?;
        Some(authorization::with_refresh_token(call, &token))
    }

    /// Takes what the provider answered to what was `sent`; a status of 0 stands for no answer. What was
    /// asked with another refresh token than the session's has nothing to do with it any more.
    ///
    /// # Errors
    /// [`BadRow`] if the row is not one; nothing is changed then.
    pub fn refreshed(
        &mut self,
        command: &Command,
        row: &[u8],
        sent: &Outbound,
        status: u16,
        body: &str,
    ) -> Result<Verdict, BadRow> {
        let mut row = Row::decode(row)?;
        let asked = self.live(&row);
        let Order::Refresh { call, .. } = &command.order else {
            return Err(BadRow);
        };
        let is_asked_for = |grant: &&Grant| {
            let token = grant.refresh_token.as_deref().unwrap_or_default();
            authorization::with_refresh_token(call, token) == *sent
        };
        let outcome = asked
            .as_ref()
            .and_then(|record| record.grant.as_ref())
            .filter(is_asked_for)
            .map(|grant: &Grant| Refreshed::read(grant, status, body, self.now.seconds()));
        let change = match outcome {
            Some(Refreshed::Granted(grant)) => Change {
                grant: Some(grant),
                ..Change::default()
            },
            Some(Refreshed::Over) => Change {
                end: true,
                ..Change::default()
            },
            Some(Refreshed::Later) | None => {
                row.refresh_after = self.now.0 + REST_MS;
                return Ok(Verdict {
                    reply: self.tell(Some(&row), &[]),
                    row: Some(row.encode()),
                    fetch: None,
                    wait: false,
                });
            }
        };
        let Some(record) = asked else {
            return Err(BadRow);
        };
        let outcome = change.apply(
            &record,
            &Circumstances {
                lifetime: &command.lifetime,
                keys: self.keys,
                epoch: Epoch::default(),
                now: self.now.seconds(),
            },
        );
        let changing = Changing::new(change, self.random.next_u64(), Epoch::default());
        let mut row = Some(row);
        let (reply, changed) = self.write(command, &changing, &record, &outcome, &mut row);
        let wait = row.as_ref().is_some_and(|row| row.announce_due);
        let row = row.filter(|_| changed).map(|row| row.encode());
        Ok(Verdict {
            reply,
            row,
            fetch: None,
            wait,
        })
    }

    fn live(&self, row: &Row) -> Option<Record> {
        match self.open(row)? {
            Entry::Live(record) => Some(record),
            Entry::Ended { .. } => None,
        }
    }
}
