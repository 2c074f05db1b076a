//! Serves `POST /login`, which signs in by name and password, and `/password`, which changes the password.

use super::refusal;
use super::theme;
use crate::encoding::json;
use crate::gateway::password_check::{NotProved, account_name, ignoring_failure};

use super::finish_login::Proof;
use super::form;
use super::start_login::Shown;
use crate::auth::account::{Account, MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH};
use crate::auth::login_throttle::message::AccountChange;
use crate::effect::{Found, Need};
use crate::gateway::authenticate::Caller;
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::page::{self, LoginFault, PasswordState};
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::telemetry::log::{Event, Level};

/// Key of the recorded account with its new password hash.
const NEW_ACCOUNT: &str = "account anew";

/// Serves `POST /login`.
pub(in crate::api) fn login_by_password(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !gateway.tenant.trusts(context.request) {
        return Err(Problem::CrossSite.into());
    }
    if !gateway.tenant.methods.password {
        return Err(Problem::LoginUnconfigured.into());
    }
    gateway.wait_to_sign_in(context)?;
    let fields = form::object(
        context,
        &["username", "password", "return_to"],
        &["remember"],
    )?;
    let return_to = gateway.return_url(form::text(&fields, "return_to"));
    let username = form::text(&fields, "username");
    let password = form::text(&fields, "password");
    if password.is_empty() {
        return Err(Problem::Invalid("`password` must not be empty.".to_owned()).into());
    }
    let account =
        match gateway
            .logins
            .verify_password(&mut gateway.recorder, username, password, context)?
        {
            Ok(account) => account,
            Err(not) => return login_failed(gateway, &not, &return_to, username, context),
        };
    let proof = Proof {
        method: "password",
        identity: account.identity(form::flag(&fields, "remember")),
        groups_omitted: 0,
        grant: None,
        authenticated: None,
    };
    let signed_in = super::finish_login::sign_in(gateway, &proof, &return_to, context)?;
    let answer = if context.request.is_navigation() {
        Answer::empty(303).with("location", return_to)
    } else {
        Answer::json(200, &json!({ "return_to": return_to }))
    };
    Ok(signed_in.onto(answer.with("vary", "Cookie")))
}

fn login_failed(
    gateway: &mut Gateway,
    not: &NotProved,
    return_to: &str,
    username: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let problem = match not {
        NotProved::Wrong => SignInProblem::Wrong,
        NotProved::Locked(seconds) => SignInProblem::Locked(*seconds),
    };
    gateway.recorder.emit(
        Event::new(Level::Warn, "login_failed")
            .with("method", "password")
            .with("reason", problem.kind().1),
    );
    if !context.request.is_navigation() {
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
    let page = super::start_login::login_page(gateway, status, &shown, context);
    // The page itself shows the wait.
    let hints = problem.hints().into_iter();
    let hints = hints.filter(|(name, _)| *name != "retry-after");
    Ok(hints.fold(page, |page, (name, value)| page.with(name, value)))
}

/// Serves `GET` and `POST /password`: changes the visitor's own password.
pub(in crate::api) fn password(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    if !gateway.tenant.methods.password {
        return Err(Problem::NotFound.into());
    }
    let is_change = context.request.method == "POST";
    if is_change && !gateway.tenant.trusts(context.request) {
        return Err(Problem::CrossSite.into());
    }
    // Once the change is stored it must be completed, even if the session is over by then.
    if let Some(kept) = context.answers.written() {
        return if kept {
            password_changed(gateway, context)
        } else {
            Err(Problem::from(SignInProblem::AccountsUnavailable).into())
        };
    }
    let Caller::Visitor(visitor) = gateway.authenticate(context)?.caller else {
        return Err(Problem::NoSession.into());
    };
    let record = &visitor.session.record;
    let identity = record.identity.as_ref().filter(|_| record.grant.is_none());
    let user = identity.ok_or(Problem::NoSession)?.user.clone();
    if !is_change {
        return Ok(password_page(gateway, 200, PasswordState::Ask, context));
    }
    let fields = form::object(context, &["current", "new"], &[])?;
    let new = form::text(&fields, "new");
    if new.chars().count() < MIN_PASSWORD_LENGTH || new.len() > MAX_PASSWORD_LENGTH {
        return Ok(password_page(
            gateway,
            422,
            PasswordState::TooShort,
            context,
        ));
    }
    let account = match gateway.logins.verify_password(
        &mut gateway.recorder,
        &user,
        form::text(&fields, "current"),
        context,
    )? {
        Ok(account) => account,
        Err(NotProved::Wrong) => {
            return Ok(password_page(gateway, 401, PasswordState::Wrong, context));
        }
        Err(NotProved::Locked(seconds)) => {
            return Err(Problem::from(SignInProblem::Locked(seconds)).into());
        }
    };
    let name = account_name(&user, context)?.ok_or(Problem::Internal)?;
    let text = match context.answers.found(NEW_ACCOUNT) {
        Some(Found::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => {
            let hash = gateway
                .logins
                .hash_password(&mut gateway.recorder, new, context)?;
            let text = account.with_hash(&hash, context.now.seconds());
            let key = NEW_ACCOUNT.to_owned();
            return Err(Interrupt::Pending(vec![Need::Note { key, text }]));
        }
    };
    gateway
        .recorder
        .emit(Event::new(Level::Info, "password_changed").about(visitor.token.handle));
    Err(Interrupt::Pending(vec![Need::Keep {
        puts: vec![(name.key(&gateway.tenant.id), text)],
        deletes: Vec::new(),
    }]))
}

/// Ends all sessions of the user, including this one.
fn password_changed(
    gateway: &mut Gateway,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let name = account_name("", context)?.ok_or(Problem::Internal)?;
    let text = match context.answers.found(NEW_ACCOUNT) {
        Some(Found::Bytes(text)) => String::from_utf8_lossy(text).into_owned(),
        _ => return Err(Problem::Internal.into()),
    };
    let account = Account::parse(text.as_bytes()).ok_or(Problem::Internal)?;
    let change = AccountChange {
        at: account.changed(),
        account: Some(text),
    };
    let announced = ignoring_failure(gateway.logins.announce(
        &mut gateway.recorder,
        &name,
        change,
        context,
    ))?;
    super::accounts::revoke_user(gateway, account.user(), context)?;
    announced?;
    Ok(password_page(gateway, 200, PasswordState::Done, context))
}

fn password_page(
    gateway: &Gateway,
    status: u16,
    state: PasswordState,
    context: &RequestContext<'_>,
) -> Answer {
    if context.request.is_navigation() {
        let theme = theme(gateway, context.request);
        return page::change_password(&theme, &gateway.prefix, status, state);
    }
    match state {
        PasswordState::Wrong => refusal(gateway, &SignInProblem::Wrong.into(), context),
        PasswordState::TooShort => {
            let what = format!(
                "`new` needs {MIN_PASSWORD_LENGTH} characters and takes {MAX_PASSWORD_LENGTH} bytes."
            );
            refusal(gateway, &Problem::Invalid(what), context)
        }
        PasswordState::Ask | PasswordState::Done => Answer::empty(204),
    }
}
