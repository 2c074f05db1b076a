//! Serves the session API for origins: `/api/sessions/{X-Session-Id}`, with the origin key.
//!
//! Each call checks the sign-in in the name against the record's. An origin may know a name from a guest's copied
//! cookie; it gets 404 for the user that the guest became.

use super::leases;
use super::summary;
use crate::api::body;
use crate::encoding::json;
use crate::gateway::parts::{Limits, Recorder};
use serde_json::{Map, Value};

use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::effect::Found;
use crate::gateway::lease_wait;
use crate::gateway::update::{Update, UpdateError, UpdateOutcome};
use crate::gateway::{Gateway, Interrupt, RequestContext};
use crate::http::network::Network;
use crate::http::rate_limit::Verdict;
use crate::response::Answer;
use crate::response::problem::Problem;
use crate::session::change::{Change, MAX_LEASE_WAIT};
use crate::session::id::{PublicName, SessionId};
use crate::session::record::{Record, Version};
use crate::session_object::command::{Command, Operation, Reply};
use crate::telemetry::log::{Event, Level};
use crate::tenant::Consistency;

/// Key of a reply.
pub(super) const REPLY: &str = "said";

/// Serves `/api/sessions/{name}` and `/api/sessions/{name}/lease`; `route` is the part after `/api/sessions/`.
pub(super) fn session_api(
    gateway: &mut Gateway,
    route: &str,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    check_origin_key(&mut gateway.limits, &mut gateway.recorder, context)?;
    let (name, rest) = route.split_once('/').unwrap_or((route, ""));
    let name = PublicName::parse(name).ok_or(Problem::NotFound)?;
    match (rest, context.request.method) {
        ("", "GET" | "HEAD") => get(gateway, name, context),
        ("", "PATCH") => patch(gateway, name, context),
        ("", "DELETE") => {
            gateway.sessions.end_named(
                &mut gateway.recorder,
                name,
                context.answers,
                context.now,
            )?;
            gateway.recorder.note_ended(name.handle, "origin_api");
            Ok(Answer::empty(204))
        }
        ("lease", "POST") => leases::take_lease(gateway, name, context),
        _ => leases::release_lease(gateway, name, context),
    }
}

fn get(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let session = gateway
        .sessions
        .inspect(&mut gateway.recorder, name.handle, context)?;
    let session = session.filter(|session| name.is_of(session.record.sign_in));
    let session = session.ok_or(Problem::NotFound)?;
    Ok(describe_record(gateway, &session.record))
}

fn describe_record(gateway: &Gateway, record: &Record) -> Answer {
    let mut body = summary::summarise(gateway, record);
    let data = serde_json::from_str::<Value>(record.data.to_json()).unwrap_or_default();
    let identity = record.identity.as_ref();
    for (name, value) in [
        ("data", data),
        ("version", json!(record.version.0)),
        (
            "email",
            json!(identity.and_then(|who| who.email.as_deref())),
        ),
        ("name", json!(identity.and_then(|who| who.name.as_deref()))),
        ("groups", json!(identity.map(|who| &who.groups))),
        (
            "groups_omitted",
            json!(identity.map(|who| who.groups_omitted)),
        ),
    ] {
        body.insert(name.to_owned(), value);
    }
    Answer::json(200, &Value::Object(body)).with("etag", format!("\"{}\"", record.version.0))
}

fn patch(
    gateway: &mut Gateway,
    name: PublicName,
    context: &RequestContext<'_>,
) -> Result<Answer, Interrupt> {
    let if_version = if_match(context.request.header("if-match"))?;
    if if_version == Condition::None && gateway.tenant.consistency == Consistency::Eventual {
        return Err(Problem::VersionRequired.into());
    }
    let body = body::object(context)?;
    let Patch {
        change,
        lease,
        wait,
        begin,
    } = read_patch(&body)?;
    let since = start_of(gateway, name, begin, context.now)?;
    if let Some(idle) = change.idle
        && !gateway.tenant.lifetime.allows_idle(idle)
    {
        return Err(invalid(
            "`ttl` must be 60 to the absolute limit, in whole seconds.",
        ));
    }
    let update = Update {
        if_version: match if_version {
            Condition::Version(version) => Some(version),
            Condition::None | Condition::Any => None,
        },
        lease,
        wait,
        begins: since.is_some(),
        since,
        ..Update::of_named(name, change)
    };
    let updated =
        gateway
            .sessions
            .update(&mut gateway.recorder, &update, context.answers, context.now);
    match updated.map_err(Interrupt::Pending)? {
        UpdateOutcome::Live { session, refused } => match refused.first().map(String::as_str) {
            None => Ok(describe_record(gateway, &session.record)),
            Some("patch_too_large") => Err(Problem::BodyTooLarge.into()),
            Some(_) => Err(invalid(
                "`patch` must be a JSON object whose members' names have at most 512 bytes and no control characters.",
            )),
        },
        UpdateOutcome::Ended => Err(Problem::NotFound.into()),
        UpdateOutcome::Not(UpdateError::Absent) if name.sign_in.is_none() => {
            Err(Problem::NotRecorded.into())
        }
        UpdateOutcome::Not(error) => Err(problem(&error, context.now).into()),
    }
}

pub(super) fn send(
    gateway: &mut Gateway,
    name: PublicName,
    order: Operation,
    key: &str,
    context: &RequestContext<'_>,
) -> Result<Reply, Interrupt> {
    match context.answers.found(key) {
        None => {
            let tenant = &gateway.tenant.id;
            let command = Command {
                named: Some(name.sign_in),
                ..gateway.sessions.command(order)
            };
            let need = command.need(tenant, name.handle, key.to_owned());
            Err(Interrupt::Pending(vec![need]))
        }
        Some(Found::Bytes(bytes)) => {
            Reply::parse(bytes).ok_or_else(|| Problem::StoreUnavailable.into())
        }
        Some(Found::Absent | Found::Unavailable) => Err(Problem::StoreUnavailable.into()),
    }
}

/// Checks the origin key. Counts and logs wrong ones.
pub(super) fn check_origin_key(
    limits: &mut Limits,
    recorder: &mut Recorder,
    context: &RequestContext<'_>,
) -> Result<(), Interrupt> {
    let RequestContext { request, now, .. } = *context;
    let client = request.client_network();
    // Clients without a known address share a count, so it proves nothing about this one.
    let is_known = client != Network::Unknown;
    if let Some(wait) = limits.wrong_keys.wait(client, now).filter(|_| is_known) {
        return Err(Problem::TooManyGuesses(wait).into());
    }
    let authorization = request.header("authorization");
    let keys = &limits.tenant.origin_keys;
    if keys.iter().any(|key| key.is_presented(authorization)) {
        return Ok(());
    }
    if authorization.is_none() {
        return Err(Problem::ApiKey.into());
    }
    match limits.wrong_keys.count(client, now) {
        Verdict::Over(wait) => Err(Problem::TooManyGuesses(wait).into()),
        verdict => {
            recorder.emit(Event::new(Level::Warn, "origin_key_refused"));
            match verdict {
                Verdict::Passed(wait) => Err(Problem::TooManyGuesses(wait).into()),
                _ => Err(Problem::ApiKey.into()),
            }
        }
    }
}

pub(super) fn problem(error: &UpdateError, now: UnixMillis) -> Problem {
    match error {
        UpdateError::Absent | UpdateError::Outdated => Problem::NotFound,
        UpdateError::Version => Problem::VersionChanged,
        UpdateError::Lease(until) => Problem::Leased(lease_wait::retry_after(*until, now)),
        UpdateError::Unreadable => Problem::SessionCorrupt,
        UpdateError::Silent | UpdateError::Unannounced | UpdateError::NotYetReadable => {
            Problem::StoreUnavailable
        }
    }
}

/// Condition of `If-Match` (RFC 9110 section 13.1.1).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Condition {
    None,
    Any,
    Version(Version),
}

fn if_match(header: Option<&str>) -> Result<Condition, Interrupt> {
    let Some(header) = header.map(str::trim) else {
        return Ok(Condition::None);
    };
    if header == "*" {
        return Ok(Condition::Any);
    }
    header
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .and_then(|version| version.parse().ok())
        .map(|version| Condition::Version(Version(version)))
        .ok_or_else(|| invalid("If-Match must be `*` or the ETag that was read."))
}

/// The body of a `PATCH`.
#[derive(Default)]
struct Patch {
    change: Change,
    lease: Option<u64>,
    wait: Seconds,
    /// Start of the guest's session, to begin a record that does not exist.
    begin: Option<UnixSeconds>,
}

/// Parses the body of a `PATCH`. Identity and id change only in a response to the browser, which must get the new
/// cookie.
fn read_patch(body: &Map<String, Value>) -> Result<Patch, Interrupt> {
    let mut patch = Patch::default();
    for (member, value) in body {
        match (member.as_str(), value) {
            ("patch", Value::Object(_)) => patch.change.patch = Some(value.to_string()),
            ("ttl", value) => match value.as_u64() {
                Some(seconds) => patch.change.idle = Some(Seconds(seconds)),
                None => return Err(invalid("`ttl` must be a whole number of seconds.")),
            },
            ("lease", value) if value.is_u64() => patch.lease = value.as_u64(),
            ("wait", value) => patch.wait = read_wait(value)?,
            ("begin", value) => patch.begin = Some(read_begin(value)?),
            ("patch" | "lease", _) => {
                return Err(invalid(
                    "`patch` must be an object, `lease` the token of a lease.",
                ));
            }
            _ => {
                return Err(invalid(
                    "The body may hold `patch`, `ttl`, `lease`, `wait` and `begin`.",
                ));
            }
        }
    }
    Ok(patch)
}

/// Reads when the session of a guest began whose record shall begin.
pub(super) fn read_begin(value: &Value) -> Result<UnixSeconds, Interrupt> {
    let since = value.as_u64().map(UnixSeconds);
    since.ok_or_else(|| invalid("`begin` must be the number in X-Session-Created."))
}

/// Returns the start of a guest's session whose record may begin. The caller names it, so that a late change does not
/// begin another session under the name of one that has ended.
///
/// # Errors
/// Returns [`Problem::NotFound`] if the session has reached its absolute limit.
pub(super) fn start_of(
    gateway: &Gateway,
    name: PublicName,
    begin: Option<UnixSeconds>,
    now: UnixMillis,
) -> Result<Option<UnixSeconds>, Interrupt> {
    let Some(since) = begin.filter(|_| name.sign_in.is_none()) else {
        return Ok(None);
    };
    let now = now.seconds();
    let guest = Record::unstored(name.handle, SessionId::UNKNOWN, since, now);
    if since > now || gateway.tenant.lifetime.absolute_end(&guest.span()) <= now {
        return Err(Problem::NotFound.into());
    }
    Ok(Some(since))
}

/// Reads how long a caller waits for a lease.
pub(super) fn read_wait(value: &Value) -> Result<Seconds, Interrupt> {
    let wait = value.as_u64().map(Seconds);
    wait.filter(|wait| *wait <= MAX_LEASE_WAIT)
        .ok_or_else(|| invalid("`wait` must be 0 to 10, in whole seconds."))
}

pub(super) fn invalid(what: &str) -> Interrupt {
    Problem::Invalid(what.to_owned()).into()
}
