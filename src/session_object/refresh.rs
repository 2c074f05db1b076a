//! Refreshes access tokens in the session's object, so that only one request at a time uses the refresh token.

use chacha20::rand_core::Rng;
use serde_json::Value;

use super::command::{Command, Operation, UpdateCommand};
use super::row::Row;
use super::{BadRow, Executor, Verdict};
use crate::auth::authorization;
use crate::auth::claimed::Claimed;
use crate::auth::token_refresh::{Judgement, Renewal};
use crate::effect::{Answers, Need, Outbound, Reply};
use crate::session::change::{ApplyContext, Change};
use crate::session::identity::Identity;
use crate::session::record::{Entry, Epoch, Record};
use crate::session::token_set::{Refreshed, TokenSet};
use crate::telemetry::log::{ConfigName, Event, Level};

/// Time without further requests after a provider's failure, in milliseconds.
const REST_MS: u64 = 5_000;

impl<R: Rng> Executor<'_, R> {
    /// Returns the token request to send, if the token must be refreshed.
    pub(super) fn refresh(
        &self,
        provider: &str,
        call: &Outbound,
        row: Option<&Row>,
    ) -> Option<Outbound> {
        let row = row.filter(|row| self.now.0 >= row.refresh_after)?;
        // The caller may have an older sign-in. A refresh token goes only to its own provider.
        let grant = self
            .live(row)?
            .grant
            .filter(|grant| grant.provider == provider)?;
        let now = self.now.seconds();
        // Another call may have refreshed it just now.
        let margin = grant.margin();
        let is_fresh = grant
            .expires
            .is_none_or(|expires| expires.since(now) > margin);
        let token = grant.refresh_token.filter(|_| !is_fresh)?;
        Some(authorization::with_refresh_token(call, &token))
    }

    /// Handles the provider's response to the request `sent`; a status of 0 means none. A response to a refresh token
    /// that the session no longer has is ignored. If the check of the response needs more data, the verdict contains
    /// needs, and the next call finds them in `answers`.
    ///
    /// # Errors
    /// Returns [`BadRow`] if the row is invalid; nothing changes then.
    pub(crate) fn refreshed(
        &mut self,
        command: &Command,
        row: &[u8],
        sent: &Outbound,
        response: &Reply<'_>,
        answers: &Answers,
    ) -> Result<Verdict, BadRow> {
        let mut row = Row::decode(row)?;
        let Operation::Refresh { call, renewal, .. } = &command.order else {
            return Err(BadRow::NotRenewing);
        };
        let record = self.live(&row);
        let is_asked_for = |grant: &&TokenSet| {
            let token = grant.refresh_token.as_deref().unwrap_or_default();
            authorization::with_refresh_token(call, token) == *sent
        };
        let outcome = record.as_ref().and_then(|record| {
            let grant = record.grant.as_ref().filter(is_asked_for)?;
            let outcome =
                Refreshed::read(grant, response.status, response.body, self.now.seconds());
            Some((record, grant, outcome))
        });
        let followed = match outcome {
            Some((record, grant, Refreshed::Granted(after))) => {
                self.check_identity(record, grant, *after, renewal.as_deref(), answers)
            }
            Some((_, _, Refreshed::Over)) => RefreshOutcome::Change(end_change(), None),
            Some((_, _, Refreshed::Later)) | None => RefreshOutcome::Retry(None),
        };
        match (followed, record) {
            (RefreshOutcome::Change(change, event), Some(record)) => {
                let verdict = self.apply(command, *change, &record, row);
                Ok(Verdict { event, ..verdict })
            }
            (RefreshOutcome::Pending(needs), _) => Ok(Verdict {
                needs,
                ..self.unchanged(&row)
            }),
            (RefreshOutcome::Retry(event), _) => {
                row.refresh_after = self.now.0 + REST_MS;
                Ok(Verdict {
                    row: Some(row.encode()),
                    event,
                    ..self.unchanged(&row)
                })
            }
            (RefreshOutcome::Change(..), None) => Err(BadRow::Unreadable),
        }
    }

    /// Decides on new tokens by the identity that the provider states with them.
    fn check_identity(
        &self,
        record: &Record,
        before: &TokenSet,
        after: TokenSet,
        renewal: Option<&Renewal>,
        answers: &Answers,
    ) -> RefreshOutcome {
        let unchanged = |after: TokenSet| TokenSet {
            id_token: before.id_token.clone(),
            ..after
        };
        let warn = |name: &'static str, reason: &'static str| {
            let event = Event::new(Level::Warn, name).with("issuer", ConfigName(&before.issuer));
            let event = event.with("reason", reason).about(self.handle);
            Some(event.of(self.tenant))
        };
        let Some(renewal) = renewal else {
            return RefreshOutcome::Change(token_change(unchanged(after)), None);
        };
        match renewal.judge(before, &after, answers, self.now.seconds()) {
            Judgement::Pending(needs) => RefreshOutcome::Pending(needs),
            Judgement::NoClaims => RefreshOutcome::Change(token_change(after), None),
            Judgement::Unverifiable(what) => {
                let event = warn("idp_unavailable", what);
                RefreshOutcome::Change(token_change(unchanged(after)), event)
            }
            Judgement::Invalid(bad) => RefreshOutcome::Retry(warn("idp_token_invalid", bad.0)),
            Judgement::NotAdmitted(reason) => {
                RefreshOutcome::Change(end_change(), warn("not_admitted", reason))
            }
            Judgement::Claimed(claimed) => match identified(record, &claimed) {
                Some(change) => RefreshOutcome::Change(
                    Box::new(Change {
                        grant: Some(after),
                        ..change
                    }),
                    None,
                ),
                None => RefreshOutcome::Change(end_change(), warn("not_admitted", "another user")),
            },
        }
    }

    /// Applies a change without conditions.
    fn apply(&mut self, command: &Command, change: Change, record: &Record, row: Row) -> Verdict {
        let outcome = change.apply(
            record,
            &ApplyContext {
                lifetime: &command.lifetime,
                keys: self.keys,
                epoch: Epoch::default(),
                now: self.now.seconds(),
            },
        );
        let changing = UpdateCommand::new(change, self.random.next_u64(), Epoch::default());
        let mut row = Some(row);
        let (reply, changed) = self.write(command, &changing, record, &outcome, &mut row);
        let wait = row.as_ref().is_some_and(|row| row.announce_due);
        Verdict {
            reply,
            row: row.filter(|_| changed).map(|row| row.encode()),
            fetch: None,
            needs: Vec::new(),
            event: None,
            wait,
        }
    }

    /// Returns the entry unchanged.
    fn unchanged(&self, row: &Row) -> Verdict {
        Verdict {
            reply: self.reply(Some(row), &[]),
            row: None,
            fetch: None,
            needs: Vec::new(),
            event: None,
            wait: false,
        }
    }

    fn live(&self, row: &Row) -> Option<Record> {
        match self.open(row)? {
            Entry::Live(record) => Some(record),
            Entry::Ended { .. } => None,
        }
    }
}

/// Consequence of a provider's response.
enum RefreshOutcome {
    /// A change, with an event to log.
    Change(Box<Change>, Option<Event>),
    /// Needs to perform first.
    Pending(Vec<Need>),
    /// No usable response; the provider is tried again later.
    Retry(Option<Event>),
}

fn end_change() -> Box<Change> {
    Box::new(Change {
        end: true,
        ..Change::default()
    })
}

fn token_change(grant: TokenSet) -> Box<Change> {
    Box::new(Change {
        grant: Some(grant),
        ..Change::default()
    })
}

/// Returns the change that updates the identity without a new proof. Returns `None` if the claims name another user.
fn identified(record: &Record, claimed: &Claimed) -> Option<Change> {
    let (mut stated, _) = Identity::parse(&claimed.identity.to_string()).ok()?;
    stated.groups_omitted = claimed.groups_omitted;
    let known = record.identity.as_ref()?;
    if stated.user != known.user {
        return None;
    }
    if stated == *known {
        return Some(Change::default());
    }
    let mut identity = claimed.identity.clone();
    if let Value::Object(members) = &mut identity {
        members.insert("remember".to_owned(), Value::from(record.remembered));
    }
    Some(Change {
        identify: Some(identity.to_string()),
        groups_omitted: claimed.groups_omitted,
        authenticated: Some(record.authenticated.unwrap_or_default()),
        ..Change::default()
    })
}
