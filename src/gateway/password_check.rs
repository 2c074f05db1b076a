//! Decides whether a name and a password match, within the limits of the client.

use super::parts::{Logins, Recorder};

use super::{Interrupt, RequestContext};
use crate::auth::account::{Account, AccountName, MAX_PASSWORD_LENGTH};
use crate::auth::hashing::RETRY_AFTER_S;
use crate::auth::login_throttle::message::{AccountChange, Command, Reply, Verdict};
use crate::effect::{CALL_DEADLINE_MS, Class, Found, Need};
use crate::http::network::Network;
use crate::http::rate_limit::Verdict as Rate;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;
use crate::{encoding, tenant_id::TenantId};

use chacha20::rand_core::Rng as _;
use sha2::{Digest as _, Sha256};

/// Key of the note that holds the slot of a password check.
const VERIFIES: &str = "proves";

/// Key of the note that holds the slot for hashing a new password.
const HASHES: &str = "hashes";

/// Reasons why a sign-in fails.
pub(crate) enum NotProved {
    /// Wrong name, wrong password, or a disabled account; the client does not learn which.
    Wrong,
    /// Too many attempts, with the seconds to wait.
    Locked(u64),
}

impl Logins {
    /// Checks a name and a password, at the same cost whether the name exists or not. Reads or stores nothing by the
    /// name before the client is within its limit and has a slot.
    pub(crate) fn verify_password(
        &mut self,
        recorder: &mut Recorder,
        username: &str,
        password: &str,
        context: &RequestContext<'_>,
    ) -> Result<Result<Account, NotProved>, Interrupt> {
        if password.len() > MAX_PASSWORD_LENGTH {
            return Err(Problem::BodyTooLarge.into());
        }
        let Some(name) = account_name(username, context)? else {
            return Ok(Err(NotProved::Wrong));
        };
        if let Some(seconds) = self.is_flooding(context) {
            return Ok(Err(NotProved::Locked(seconds)));
        }
        self.with_slot(recorder, VERIFIES, context, |logins, recorder| {
            logins.verify_in_slot(recorder, &name, password, context)
        })
    }

    fn verify_in_slot(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        password: &str,
        context: &RequestContext<'_>,
    ) -> Result<Result<Account, NotProved>, Interrupt> {
        let by = self.random.next_u64();
        let attempt = self.attempt(recorder, name, &Command::attempt(by), context)?;
        if let Verdict::Wait(seconds) = attempt.verdict {
            return Ok(Err(NotProved::Locked(seconds)));
        }
        let account = Account::newest(
            self.account(recorder, name, context)?,
            attempt.change.as_ref(),
        );
        let hash = account.as_ref().and_then(Account::hash).map(str::to_owned);
        let is_right = match context.answers.found("password") {
            None => {
                return Err(Interrupt::Pending(vec![Need::CheckPassword {
                    key: "password".to_owned(),
                    password: password.to_owned(),
                    hash,
                }]));
            }
            Some(Found::Bytes(verdict)) => verdict == b"1",
            Some(_) => return Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
        };
        let Some(account) = account.filter(|account| is_right && !account.is_disabled()) else {
            return Ok(Err(NotProved::Wrong));
        };
        let done = self.attempt(recorder, name, &Command::succeeded(), context)?;
        // The account may have changed during the check.
        let is_outdated = done
            .change
            .is_some_and(|change| change.at > account.changed());
        Ok((!is_outdated).then_some(account).ok_or(NotProved::Wrong))
    }

    /// Runs `act`, which hashes a password, once a slot is free. Holds the slot, noted under `key`, until it is done.
    fn with_slot<T>(
        &mut self,
        recorder: &mut Recorder,
        key: &str,
        context: &RequestContext<'_>,
        act: impl FnOnce(&mut Self, &mut Recorder) -> Result<T, Interrupt>,
    ) -> Result<T, Interrupt> {
        let Some(Found::Bytes(slot)) = context.answers.found(key) else {
            // A user who sets a new password is authenticated.
            let client = (key == VERIFIES).then(|| context.request.client_network());
            let Some(slot) = self.hashing.acquire(client, context.now) else {
                let event = Event::new(Level::Warn, "passwords_busy");
                recorder.emit(event);
                return Err(Problem::from(SignInProblem::Busy(RETRY_AFTER_S)).into());
            };
            return Err(Interrupt::Pending(vec![Need::Note {
                key: key.to_owned(),
                text: slot.to_string(),
            }]));
        };
        let slot = core::str::from_utf8(slot).ok();
        let slot = slot.and_then(|slot| slot.parse().ok());
        let slot = slot.ok_or(Problem::Internal)?;
        let done = act(self, recorder);
        match &done {
            Err(Interrupt::Pending(_)) => self.hashing.extend(slot, context.now),
            _ => self.hashing.release(slot),
        }
        done
    }

    /// Returns the hash of a password, for storage.
    pub(crate) fn hash_password(
        &mut self,
        recorder: &mut Recorder,
        password: &str,
        context: &RequestContext<'_>,
    ) -> Result<String, Interrupt> {
        self.with_slot(recorder, HASHES, context, |_, _| {
            match context.answers.found("hash") {
                None => Err(Interrupt::Pending(vec![Need::HashPassword {
                    key: "hash".to_owned(),
                    password: password.to_owned(),
                }])),
                Some(Found::Bytes(hash)) => Ok(String::from_utf8_lossy(hash).into_owned()),
                Some(_) => Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
            }
        })
    }

    pub(crate) fn account(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        context: &RequestContext<'_>,
    ) -> Result<Option<Account>, Interrupt> {
        let key = name.key(&self.tenant.id);
        match context.answers.found(&key) {
            None => Err(Interrupt::Pending(vec![Need::Document { key }])),
            Some(Found::Unavailable) => {
                Err(Problem::from(SignInProblem::AccountsUnavailable).into())
            }
            Some(Found::Absent) => Ok(None),
            Some(Found::Bytes(bytes)) => {
                let account = Account::parse(bytes);
                if account.is_none() {
                    recorder.emit(Event::new(Level::Error, "account_unreadable"));
                }
                Ok(account)
            }
        }
    }

    /// Counts an attempt at an account: for all isolates in an object, or with KV alone in each isolate. The object
    /// also knows recent changes of the account, so without its answer no sign-in succeeds.
    fn attempt(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        command: &Command,
        context: &RequestContext<'_>,
    ) -> Result<Reply, Interrupt> {
        if self.tenant.consistency == Consistency::Eventual {
            return Ok(Reply {
                verdict: self.attempt_here(name, command, context),
                change: None,
            });
        }
        let key = match command {
            Command::Try { .. } => "attempt",
            Command::Account { .. } => "attempts at",
            Command::Changed { .. } => "attempts changed",
            Command::Succeeded { .. } | Command::Seen | Command::Once { .. } => "attempt succeeded",
        };
        match context.answers.found(key) {
            None => Err(Interrupt::Pending(vec![attempt_need(
                &self.tenant.id,
                &["password", name.as_str()],
                command,
                key.to_owned(),
            )])),
            Some(Found::Bytes(reply)) => {
                let unread = Reply {
                    verdict: Verdict::Wait(1),
                    change: None,
                };
                Ok(Reply::parse(reply).unwrap_or(unread))
            }
            Some(_) => {
                recorder.emit(Event::new(Level::Error, "attempts_uncounted"));
                Err(Problem::from(SignInProblem::AccountsUnavailable).into())
            }
        }
    }

    /// Returns the current account, even if storage does not show it here yet.
    pub(crate) fn account_now(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        context: &RequestContext<'_>,
    ) -> Result<Option<Account>, Interrupt> {
        let known = self.attempt(recorder, name, &Command::account(), context)?;
        Ok(Account::newest(
            self.account(recorder, name, context)?,
            known.change.as_ref(),
        ))
    }

    /// Returns the time for a change of an account made now: later than any known change, and the same if the step is
    /// repeated.
    pub(crate) fn change_time(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        before: Option<&Account>,
        context: &RequestContext<'_>,
    ) -> Result<u64, Interrupt> {
        let known = self
            .attempt(recorder, name, &Command::account(), context)?
            .change;
        let stored = context.answers.read(&name.key(&self.tenant.id));
        let read_at = stored.map_or(context.now, |read| read.asked).seconds();
        let next = before.map_or(read_at.0, |account| account.next_change(read_at));
        Ok(known.map_or(next, |change| next.max(change.at.saturating_add(1))))
    }

    /// Reports a change of an account to the object that every sign-in asks.
    pub(crate) fn announce(
        &mut self,
        recorder: &mut Recorder,
        name: &AccountName,
        change: AccountChange,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        if self.tenant.consistency == Consistency::Eventual {
            return Ok(());
        }
        let at = change.at;
        let reply = self.attempt(recorder, name, &Command::changed(change), context)?;
        // An object of an earlier release does not know this command.
        let is_known = reply.change.is_some_and(|known| known.at >= at);
        let unavailable = || Problem::from(SignInProblem::AccountsUnavailable).into();
        is_known.then_some(()).ok_or_else(unavailable)
    }

    /// Returns the seconds to wait if a client tries too often. Each attempt costs a hash, right or wrong. A repeated
    /// step is the same attempt.
    fn is_flooding(&mut self, context: &RequestContext<'_>) -> Option<u64> {
        let client = context.request.client_network();
        if client == Network::Unknown || context.answers.found(VERIFIES).is_some() {
            return None;
        }
        match self.guessers.count(client, context.now) {
            Rate::First | Rate::Counted => None,
            Rate::Passed(seconds) | Rate::Over(seconds) => Some(seconds),
        }
    }

    fn attempt_here(
        &mut self,
        name: &AccountName,
        command: &Command,
        context: &RequestContext<'_>,
    ) -> Verdict {
        let is_first_call = context.answers.found(&name.key(&self.tenant.id)).is_none();
        let has_succeeded = matches!(command, Command::Succeeded { .. });
        if has_succeeded {
            self.guesses.forget(name.as_str());
        }
        if has_succeeded || !is_first_call {
            return Verdict::Allowed;
        }
        match self.guesses.count(name.as_str(), context.now) {
            Rate::First | Rate::Counted => Verdict::Allowed,
            Rate::Passed(seconds) | Rate::Over(seconds) => Verdict::Wait(seconds),
        }
    }
}

/// Returns the result of a step whose failure must not prevent the next one; `Err` while the step is under way.
pub(crate) fn ignoring_failure(
    outcome: Result<(), Interrupt>,
) -> Result<Result<(), Interrupt>, Interrupt> {
    match outcome {
        Err(Interrupt::Pending(needs)) => Err(Interrupt::Pending(needs)),
        ignoring_failure => Ok(ignoring_failure),
    }
}

/// Returns the account name for a typed name, whatever its spelling; `None` if it is invalid.
pub(crate) fn account_name(
    typed: &str,
    context: &RequestContext<'_>,
) -> Result<Option<AccountName>, Interrupt> {
    match context.answers.found("name") {
        None => Err(Interrupt::Pending(vec![Need::Fold {
            key: "name".to_owned(),
            text: typed.to_owned(),
        }])),
        Some(Found::Bytes(folded)) => {
            let folded = core::str::from_utf8(folded).unwrap_or_default();
            Ok(AccountName::parse(folded))
        }
        Some(_) => Ok(None),
    }
}

/// Builds a command to the object that counts attempts at `what`. The object's name is a hash and reveals nothing.
pub(crate) fn attempt_need(
    tenant: &TenantId,
    what: &[&str],
    command: &Command,
    key: String,
) -> Need {
    let hash = Sha256::digest(what.join("\0").as_bytes());
    Need::Call {
        class: Class::Attempts,
        name: format!("{tenant}/{}", encoding::base64url(&hash)),
        command: command.to_text(),
        key,
        deadline_ms: CALL_DEADLINE_MS,
    }
}
