//! Serves `/admin/users`: password accounts, for operators' programs.

use serde_json::{Map, Value};

use crate::api::body;
use crate::auth::account::{self, AccountName, MAX_PASSWORD_LENGTH, MIN_PASSWORD_LENGTH};
use crate::auth::login_throttle::message::AccountChange;
use crate::effect::{Found, Need};
use crate::encoding::json;
use crate::encoding::object;
use crate::gateway::password_check::{account_name, ignoring_failure};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::response::sign_in::SignInProblem;
use crate::session::identity::Identity;
use crate::store::revocations::Subject;
use crate::telemetry::log::{Event, Level};

/// Members that a PUT may contain.
const MEMBERS: [&str; 5] = ["email", "name", "groups", "password", "disabled"];

/// Serves `/admin/users…`; `route` is the rest of the path.
pub(in crate::api) fn respond_about_users(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let method = context.request.method;
    if route.is_empty() {
        return list_users(gateway, context);
    }
    let name = route.strip_prefix('/').and_then(crate::http::query::decode);
    let name = account_name(&name.ok_or(Problem::NotFound)?, context)?;
    let name = name.ok_or(Problem::NotFound)?;
    match method {
        "PUT" => put_user(gateway, &name, context),
        "DELETE" => delete_user(gateway, &name, context),
        _ => {
            let account = gateway
                .logins
                .account_now(&mut gateway.recorder, &name, context)?;
            let account = account.ok_or(Problem::NotFound)?;
            Ok(Answer::json(200, &account.summary()))
        }
    }
}

fn list_users(gateway: &Gateway, context: &RequestContext<'_>) -> Result<Answer, Interrupt> {
    let prefix = account::prefix(&gateway.tenant.id);
    match context.answers.found(&prefix) {
        None => Err(Interrupt::Pending(vec![Need::Documents { prefix }])),
        Some(Found::Bytes(keys)) => {
            let keys = String::from_utf8_lossy(keys);
            let names: Vec<&str> = keys
                .lines()
                .filter_map(|key| key.strip_prefix(prefix.as_str()))
                .collect();
            Ok(Answer::json(200, &json!({ "users": names })))
        }
        Some(_) => Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
    }
}

/// Creates an account, or changes the given members.
fn put_user(
    gateway: &mut Gateway,
    name: &AccountName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let body = body::object(context)?;
    check(&body)?;
    let before = gateway
        .logins
        .account_now(&mut gateway.recorder, name, context)?;
    let at = gateway
        .logins
        .change_time(&mut gateway.recorder, name, before.as_ref(), context)?;
    let is_new = before.is_none();
    let mut members = match before {
        Some(account) => account.into_members(),
        None => object([("user", json!(name.as_str()))]),
    };
    let password = body.get("password").and_then(Value::as_str);
    match password {
        None if is_new => {
            let what = "A new user needs a `password`.";
            return Err(Problem::Invalid(what.to_owned()).into());
        }
        None => {}
        Some(password) => {
            let hash = gateway
                .logins
                .hash_password(&mut gateway.recorder, password, context)?;
            members.insert("password".to_owned(), json!(hash));
        }
    }
    for member in ["email", "name", "groups", "disabled"] {
        match body.get(member) {
            None => {}
            Some(Value::Null | Value::Bool(false)) => drop(members.remove(member)),
            Some(value) => drop(members.insert(member.to_owned(), value.clone())),
        }
    }
    members.insert("changed".to_owned(), json!(at));
    let user = members.get("user").and_then(Value::as_str);
    let user = user.unwrap_or_default().to_owned();
    let text = Value::Object(members).to_string();
    if !is_kept(context)? {
        return Err(Interrupt::Pending(vec![Need::Keep {
            puts: vec![(name.key(&gateway.tenant.id), text)],
            deletes: Vec::new(),
        }]));
    }
    let account = Some(text);
    let announced = ignoring_failure(gateway.logins.announce(
        &mut gateway.recorder,
        name,
        AccountChange { at, account },
        context,
    ))?;
    // A new password ends the user's sessions, and so does disabling the account.
    let is_closed = body.get("disabled") == Some(&Value::Bool(true));
    if !is_new && (password.is_some() || is_closed) {
        revoke_user(gateway, &user, context)?;
    }
    announced?;
    gateway
        .recorder
        .emit(Event::new(Level::Info, "audit_user_put").with("new", is_new));
    Ok(Answer::json(200, &json!({ "kept": true })))
}

fn delete_user(
    gateway: &mut Gateway,
    name: &AccountName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let account = gateway
        .logins
        .account_now(&mut gateway.recorder, name, context)?;
    let account = account.ok_or(Problem::NotFound)?;
    let at = gateway
        .logins
        .change_time(&mut gateway.recorder, name, Some(&account), context)?;
    if !is_kept(context)? {
        return Err(Interrupt::Pending(vec![Need::Keep {
            puts: Vec::new(),
            deletes: vec![name.key(&gateway.tenant.id)],
        }]));
    }
    let gone = AccountChange { at, account: None };
    let announced = ignoring_failure(gateway.logins.announce(
        &mut gateway.recorder,
        name,
        gone,
        context,
    ))?;
    revoke_user(gateway, account.user(), context)?;
    announced?;
    gateway
        .recorder
        .emit(Event::new(Level::Info, "audit_user_deleted"));
    Ok(Answer::empty(204))
}

/// Ends all sessions of a user.
pub(super) fn revoke_user(
    gateway: &mut Gateway,
    user: &str,
    context: &RequestContext<'_>,
) -> Result<(), Interrupt> {
    let tags = gateway.tenant.keys.user_tags(user);
    let subjects: Vec<Subject> = tags.map(Subject::User).collect();
    gateway
        .sessions
        .revoke(&subjects, context.answers, context.now)
}

/// Returns whether the documents are stored; `false` before that was tried.
fn is_kept(context: &RequestContext<'_>) -> Result<bool, Interrupt> {
    match context.answers.written() {
        None => Ok(false),
        Some(true) => Ok(true),
        Some(false) => Err(Problem::from(SignInProblem::AccountsUnavailable).into()),
    }
}

fn check(body: &Map<String, Value>) -> Result<(), Interrupt> {
    let invalid = |what: String| Interrupt::from(Problem::Invalid(what));
    if let Some(other) = body.keys().find(|name| !MEMBERS.contains(&name.as_str())) {
        let all = MEMBERS.join(", ");
        return Err(invalid(format!("`{other}` is not known; there are {all}.")));
    }
    let mut identity = body.clone();
    identity.retain(|name, _| !matches!(name.as_str(), "password" | "disabled"));
    identity.insert("user".to_owned(), json!("x"));
    let is_flag = body.get("disabled").is_none_or(Value::is_boolean);
    if !is_flag || Identity::parse(&Value::Object(identity).to_string()).is_err() {
        let what = "`email` and `name` are texts and `groups` is a list of up to 64 texts, each of 1 to 320 bytes, without a blank at either end, control characters and invisible ones, and a group without a comma; `disabled` is true or false.";
        return Err(invalid(what.to_owned()));
    }
    match body.get("password") {
        None => Ok(()),
        Some(Value::String(text))
            if text.chars().count() >= MIN_PASSWORD_LENGTH && text.len() <= MAX_PASSWORD_LENGTH =>
        {
            Ok(())
        }
        Some(_) => Err(invalid(format!(
            "`password` is a text of at least {MIN_PASSWORD_LENGTH} characters and at most {MAX_PASSWORD_LENGTH} bytes."
        ))),
    }
}
