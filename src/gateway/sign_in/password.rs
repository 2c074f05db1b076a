//! `POST /login`: by name and password; `/password`: another password.

use serde_json::json;

use super::super::recognition::Caller;
use super::super::{Gateway, Halt, Passage};
use super::completion::Proof;
use super::form;
use super::login::Shown;
use crate::answer::Answer;
use crate::answer::page::{self, LoginFault, PasswordState};
use crate::answer::problem::Problem;
use crate::answer::sign_in::SignInProblem;
use crate::inbound::rate_limit::Verdict as Rate;
use crate::sign_in::account::{Account, AccountName, LONGEST_PASSWORD, SHORTEST_PASSWORD};
use crate::sign_in::attempts::{Command, Verdict};
use crate::sign_in::return_address;
use crate::store::revocations::Subject;
use crate::store::{CALL_DEADLINE_MS, Class, Found, Need};
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;
use crate::{encoding, tenant_id::TenantId};

use chacha20::rand_core::Rng as _;
use sha2::{Digest as _, Sha256};

/// Why somebody is not who they say.
enum NotProved {
    /// Wrong name, wrong password, or an account that may not be used: nobody is told which.
    Wrong,
    /// Tried too often.
    Locked(u64),
}

impl Gateway {
    /// `POST /login`.
    pub(in super::super) fn login_by_password(
        &mut self,
        passage: &Passage<'_>,
    ) -> Result<Answer, Halt> {
        if !passage.request.is_same_site() {
            return Err(Problem::CrossSite.into());
        }
        if !self.tenant.methods.password {
            return Err(Problem::LoginUnconfigured.into());
        }
        let fields = form::object(
            passage,
            &["username", "password", "return_to"],
            &["remember"],
        )?;
        let return_to = return_address::sound(form::text(&fields, "return_to"), &self.prefix);
        let username = form::text(&fields, "username");
        let password = form::text(&fields, "password");
        if password.is_empty() {
            return Err(Problem::Invalid("`password` must not be empty.".to_owned()).into());
        }
        let account = match self.prove(username, password, passage)? {
            Ok(account) => account,
            Err(not) => return self.not_proved(&not, return_to, username, passage),
        };
        let proof = Proof {
            method: "password",
            identity: account.identity(form::flag(&fields, "remember")),
            grant: None,
            authenticated: None,
        };
        let signed_in = self.sign_in(&proof, passage)?;
        let answer = if passage.request.is_navigation() {
            Answer::empty(303).with("location", return_to)
        } else {
            Answer::json(200, &json!({ "return_to": return_to }))
        };
        let cookies = signed_in.cookies.into_iter();
        let answer = answer.with("vary", "Cookie");
        Ok(cookies.fold(answer, |answer, line| answer.with("set-cookie", line)))
    }

    fn not_proved(
        &mut self,
        not: &NotProved,
        return_to: &str,
        username: &str,
        passage: &Passage<'_>,
    ) -> Result<Answer, Halt> {
        let problem = match not {
            NotProved::Wrong => SignInProblem::Wrong,
            NotProved::Locked(seconds) => SignInProblem::Locked(*seconds),
        };
        self.note(
            Event::new(Level::Warn, "login_failed")
                .with("method", "password")
                .with("reason", problem.kind().1),
        );
        if !passage.request.is_navigation() {
            return Err(Problem::from(problem).into());
        }
        let fault = match not {
            NotProved::Wrong => LoginFault::Wrong,
            NotProved::Locked(seconds) => LoginFault::Locked(*seconds),
        };
        let status = problem.kind().0;
        let shown = Shown {
            return_to,
            username,
            fault: Some(fault),
            ..Shown::default()
        };
        let page = self.login_page(status, &shown, passage);
        // The page says itself how long to wait.
        let hints = problem.hints().into_iter();
        let hints = hints.filter(|(name, _)| *name != "retry-after");
        Ok(hints.fold(page, |page, (name, value)| page.with(name, value)))
    }

    /// Whether a name and a password belong together. Costs the same whether there is such a name or
    /// not.
    fn prove(
        &mut self,
        username: &str,
        password: &str,
        passage: &Passage<'_>,
    ) -> Result<Result<Account, NotProved>, Halt> {
        if password.len() > LONGEST_PASSWORD {
            return Err(Problem::BodyTooLarge.into());
        }
        let Some(name) = account_name(username, passage)? else {
            return Ok(Err(NotProved::Wrong));
        };
        if let Some(seconds) = self.is_flooding(&name, passage) {
            return Ok(Err(NotProved::Locked(seconds)));
        }
        let by = self.random.next_u64();
        if let Verdict::Wait(seconds) = self.attempt(&name, &Command::Try { by }, passage)? {
            return Ok(Err(NotProved::Locked(seconds)));
        }
        let account = self.account(&name, passage)?;
        let hash = account.as_ref().and_then(Account::hash).map(str::to_owned);
        let is_right = match passage.answers.found("password") {
            None => {
                return Err(Halt::Await(vec![Need::CheckPassword {
                    key: "password".to_owned(),
                    password: password.to_owned(),
                    hash,
                }]));
            }
            Some(Found::Bytes(verdict)) => verdict == b"1",
            Some(_) => return Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
        };
        match account.filter(|account| is_right && !account.is_disabled()) {
            Some(account) => {
                self.attempt(&name, &Command::Succeeded, passage)?;
                Ok(Ok(account))
            }
            None => Ok(Err(NotProved::Wrong)),
        }
    }

    pub(super) fn account(
        &mut self,
        name: &AccountName,
        passage: &Passage<'_>,
    ) -> Result<Option<Account>, Halt> {
        let key = name.key(&self.tenant.id);
        match passage.answers.found(&key) {
            None => Err(Halt::Await(vec![Need::Document { key }])),
            Some(Found::Unavailable) => {
                Err(Problem::from(SignInProblem::AccountsUnavailable).into())
            }
            Some(Found::Absent) => Ok(None),
            Some(Found::Bytes(bytes)) => {
                let account = Account::parse(bytes);
                if account.is_none() {
                    self.note(Event::new(Level::Error, "account_unreadable"));
                }
                Ok(account)
            }
        }
    }

    /// Counts an attempt at an account, where all isolates count together; with KV alone each counts
    /// for itself, and so where the one who counts does not answer.
    fn attempt(
        &mut self,
        name: &AccountName,
        command: &Command,
        passage: &Passage<'_>,
    ) -> Result<Verdict, Halt> {
        if self.tenant.consistency == Consistency::Eventual {
            return Ok(self.attempt_here(name, command, passage));
        }
        let key = match command {
            Command::Try { .. } => "attempt",
            Command::Succeeded | Command::Seen | Command::Once { .. } => "attempt succeeded",
        };
        match passage.answers.found(key) {
            None => Err(Halt::Await(vec![attempt_need(
                &self.tenant.id,
                &["password", name.as_str()],
                command,
                key.to_owned(),
            )])),
            Some(Found::Bytes(verdict)) => Ok(Verdict::parse(verdict).unwrap_or(Verdict::Wait(1))),
            // Whoever floods the one who counts must not be let in by that.
            Some(_) => {
                self.note(Event::new(Level::Error, "attempts_uncounted"));
                Ok(self.attempt_here(name, command, passage))
            }
        }
    }

    /// Whether an address tries too many names: each costs a computation, right or wrong.
    fn is_flooding(&mut self, name: &AccountName, passage: &Passage<'_>) -> Option<u64> {
        let address = passage.request.client_address()?;
        if !self.is_first_ask(name, passage) {
            return None;
        }
        match self.guessers.count(address, passage.now) {
            Rate::First | Rate::Counted => None,
            Rate::Passed(seconds) | Rate::Over(seconds) => Some(seconds),
        }
    }

    /// A step that is asked again is the same attempt.
    fn is_first_ask(&self, name: &AccountName, passage: &Passage<'_>) -> bool {
        let answers = passage.answers;
        answers.found("attempt").is_none() && answers.found(&name.key(&self.tenant.id)).is_none()
    }

    fn attempt_here(
        &mut self,
        name: &AccountName,
        command: &Command,
        passage: &Passage<'_>,
    ) -> Verdict {
        let is_first_ask = passage.answers.found(&name.key(&self.tenant.id)).is_none();
        if *command == Command::Succeeded {
            self.guesses.forget(name.as_str());
        }
        if *command == Command::Succeeded || !is_first_ask {
            return Verdict::Allowed;
        }
        match self.guesses.count(name.as_str(), passage.now) {
            Rate::First | Rate::Counted => Verdict::Allowed,
            Rate::Passed(seconds) | Rate::Over(seconds) => Verdict::Wait(seconds),
        }
    }

    /// `GET` and `POST /password`: the visitor's own.
    pub(in super::super) fn password(&mut self, passage: &Passage<'_>) -> Result<Answer, Halt> {
        if !self.tenant.methods.password {
            return Err(Problem::NotFound.into());
        }
        let is_change = passage.request.method == "POST";
        if is_change && !passage.request.is_same_site() {
            return Err(Problem::CrossSite.into());
        }
        // Once it is kept the change is seen through: by then the session may be over.
        if let Some(kept) = passage.answers.written() {
            return if kept {
                self.password_changed(passage)
            } else {
                Err(Problem::from(SignInProblem::AccountsUnavailable).into())
            };
        }
        let Caller::Visitor(visitor) = self.recognise(passage)? else {
            return Err(Problem::NoSession.into());
        };
        let record = &visitor.session.record;
        let identity = record.identity.as_ref().filter(|_| record.grant.is_none());
        let user = identity.ok_or(Problem::NoSession)?.user.clone();
        if !is_change {
            return Ok(self.password_page(200, PasswordState::Ask, passage));
        }
        let fields = form::object(passage, &["current", "new"], &[])?;
        let new = form::text(&fields, "new");
        if new.chars().count() < SHORTEST_PASSWORD || new.len() > LONGEST_PASSWORD {
            return Ok(self.password_page(422, PasswordState::TooShort, passage));
        }
        let account = match self.prove(&user, form::text(&fields, "current"), passage)? {
            Ok(account) => account,
            Err(NotProved::Wrong) => {
                return Ok(self.password_page(401, PasswordState::Wrong, passage));
            }
            Err(NotProved::Locked(seconds)) => {
                return Err(Problem::from(SignInProblem::Locked(seconds)).into());
            }
        };
        let hash = match passage.answers.found("hash") {
            None => {
                return Err(Halt::Await(vec![Need::HashPassword {
                    key: "hash".to_owned(),
                    password: new.to_owned(),
                }]));
            }
            Some(Found::Bytes(hash)) => String::from_utf8_lossy(hash).into_owned(),
            Some(_) => return Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
        };
        self.note(Event::new(Level::Info, "password_changed").about(visitor.token.handle));
        let name = account_name(&user, passage)?.ok_or(Problem::Internal)?;
        Err(Halt::Await(vec![Need::Keep {
            puts: vec![(
                name.key(&self.tenant.id),
                account.with_hash(&hash, passage.now.seconds()),
            )],
            deletes: Vec::new(),
        }]))
    }

    /// Whoever has used the old password is out, this session included.
    fn password_changed(&mut self, passage: &Passage<'_>) -> Result<Answer, Halt> {
        if let Caller::Visitor(visitor) = self.recognise(passage)? {
            let tags = visitor.session.tags.iter();
            let subjects: Vec<Subject> = tags.map(|tag| Subject::User(*tag)).collect();
            self.revoke(&subjects, passage.answers, passage.now)?;
        }
        Ok(self.password_page(200, PasswordState::Done, passage))
    }

    fn password_page(&self, status: u16, state: PasswordState, passage: &Passage<'_>) -> Answer {
        if passage.request.is_navigation() {
            let look = self.look(passage.request);
            return page::change_password(&look, &self.prefix, status, state);
        }
        match state {
            PasswordState::Wrong => self.refusal(&SignInProblem::Wrong.into(), passage),
            PasswordState::TooShort => {
                let what = format!(
                    "`new` needs {SHORTEST_PASSWORD} characters and takes {LONGEST_PASSWORD} bytes."
                );
                self.refusal(&Problem::Invalid(what), passage)
            }
            PasswordState::Ask | PasswordState::Done => Answer::empty(204),
        }
    }
}

/// The account a name means, however it was typed.
pub(super) fn account_name(
    typed: &str,
    passage: &Passage<'_>,
) -> Result<Option<AccountName>, Halt> {
    match passage.answers.found("name") {
        None => Err(Halt::Await(vec![Need::Fold {
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

/// To say something to the object that counts attempts at this; its name tells nobody what it is.
pub(super) fn attempt_need(
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
