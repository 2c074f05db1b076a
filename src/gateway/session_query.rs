//! Looking at sessions from outside: for the visitor's own list, for origins, for operators.

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use serde_json::{Map, Value, json};

use super::session_lookup::LookupResult;
use super::{Gateway, Interrupt, RequestContext};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Body, Found, Need};
use crate::encoding::object;
use crate::http::json;
use crate::keys::UserTag;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::prepared::Prepared;
use crate::session::record::Record;
use crate::store::cache::Known;
use crate::store::session_index::{self, Listed, Which};
use crate::tenant::Consistency;

/// A page of a list, and what the next one begins after.
pub(super) type Page = (Vec<Rc<Prepared>>, Option<String>);

impl Sessions {
    /// A session by its handle, as those know it who know best; none if it is over.
    pub(super) fn inspect(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        context: &RequestContext<'_>,
    ) -> Result<Option<Rc<Prepared>>, Interrupt> {
        match self.load_authoritative(recorder, handle, context)? {
            LookupResult::Found(Known::Live(session)) => {
                Ok(Some(session).filter(|session| self.lives(session, context.now)))
            }
            LookupResult::Found(_) | LookupResult::Nothing => Ok(None),
            LookupResult::Corrupt => Err(Problem::SessionCorrupt.into()),
            LookupResult::Unavailable => Err(Problem::StoreUnavailable.into()),
        }
    }

    /// What those say of a session who know best; the revocations are known then.
    pub(super) fn load_authoritative(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        context: &RequestContext<'_>,
    ) -> Result<LookupResult, Interrupt> {
        let answers = context.answers;
        // Not to be had means degraded; an inquiry has nobody to tell that to.
        if let Err(need) = self.heed_revocations(recorder, answers, context.now) {
            return Err(Interrupt::Pending(vec![need]));
        }
        let ordered = self.tenant.consistency == Consistency::Strong;
        let mut source = LookupResult::Nothing;
        if ordered {
            source = self.ask_object(recorder, handle, &LookupResult::Nothing, answers)?;
        }
        if matches!(source, LookupResult::Nothing | LookupResult::Unavailable) {
            source = self.ask_namespace(recorder, handle, answers)?;
        }
        Ok(source)
    }

    /// A page of the sessions that are on a list and live.
    pub(super) fn list(
        &mut self,
        recorder: &mut Recorder,
        tags: Option<&[UserTag]>,
        after: Option<&str>,
        limit: usize,
        context: &RequestContext<'_>,
    ) -> Result<Page, Interrupt> {
        let (answers, now) = (context.answers, context.now);
        let feed = self.heed_revocations(recorder, answers, now);
        let tenant = &self.tenant;
        let which = Which { tags, after, limit };
        let (listed, next) = match tenant.consistency {
            Consistency::Strong => match answers.found(session_index::LISTED) {
                Some(Found::Bytes(answer)) => {
                    session_index::read_list(answer).ok_or(Problem::ListUnavailable)?
                }
                Some(_) => return Err(Problem::ListUnavailable.into()),
                None => {
                    let mut needs = session_index::ask_list(&tenant.id, tenant.consistency, &which);
                    needs.extend(feed.err());
                    return Err(Interrupt::Pending(needs));
                }
            },
            Consistency::Eventual => {
                let mut listed = Vec::new();
                let mut needs = session_index::ask_list(&tenant.id, tenant.consistency, &which);
                for prefix in session_index::list_keys(&tenant.id, tags) {
                    match answers.found(&prefix) {
                        Some(Found::Bytes(names)) => {
                            listed.extend(session_index::read_names(session_index::names(names)));
                            needs.retain(|need| !matches!(need, Need::List { prefix: asked } if *asked == prefix));
                        }
                        Some(_) => return Err(Problem::ListUnavailable.into()),
                        None => {}
                    }
                }
                if !needs.is_empty() {
                    needs.extend(feed.err());
                    return Err(Interrupt::Pending(needs));
                }
                page_of(listed, after, limit)
            }
        };
        let sessions = self.load_listed(recorder, &listed, answers, now)?;
        Ok((sessions, next))
    }

    /// Reads all that are listed at once; the list is only a hint.
    fn load_listed(
        &mut self,
        recorder: &mut Recorder,
        listed: &[Listed],
        answers: &Answers,
        now: UnixMillis,
    ) -> Result<Vec<Rc<Prepared>>, Interrupt> {
        let mut sessions = Vec::with_capacity(listed.len());
        let mut needs = Vec::new();
        for Listed { handle, .. } in listed {
            let mut source = self.ask_namespace(recorder, *handle, answers);
            // The namespace may not have it yet.
            if matches!(source, Ok(LookupResult::Nothing))
                && self.tenant.consistency == Consistency::Strong
            {
                source = self.ask_object(recorder, *handle, &LookupResult::Nothing, answers);
            }
            match source {
                Err(Interrupt::Pending(lacking)) => needs.extend(lacking),
                Ok(LookupResult::Found(Known::Live(session))) if self.lives(&session, now) => {
                    sessions.push(session);
                }
                Ok(LookupResult::Unavailable) => return Err(Problem::StoreUnavailable.into()),
                Ok(_) | Err(_) => {}
            }
        }
        if needs.is_empty() {
            Ok(sessions)
        } else {
            Err(Interrupt::Pending(needs))
        }
    }

    fn lives(&self, session: &Prepared, now: UnixMillis) -> bool {
        let lifetime = &self.tenant.lifetime;
        !self.is_revoked(session) && !lifetime.has_ended(&session.record.span(), now.seconds())
    }
}

impl Gateway {
    /// What a list tells of a session.
    pub(super) fn summary(&self, record: &Record) -> Map<String, Value> {
        let tenant = &self.tenant;
        let pinned = record.pin.as_deref();
        let hashed = self.balancer.hashed(record.handle, record.created);
        object([
            ("handle", json!(record.public_name())),
            ("created", json!(record.created.0)),
            ("last_seen", json!(record.seen.0)),
            ("expires", json!(tenant.lifetime.end(&record.span()).0)),
            ("device", json!(record.device)),
            ("country", json!(record.country)),
            (
                "origin",
                json!(pinned.or(hashed.map(|origin| origin.name.as_str()))),
            ),
            ("user", json!(record.identity.as_ref().map(|who| &who.user))),
        ])
    }
}

/// The page of a namespace's list that follows `after`; oldest first.
fn page_of(
    mut listed: Vec<Listed>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<Listed>, Option<String>) {
    let place = |listed: &Listed| format!("{:011}:{}", listed.created.0, listed.handle.to_text());
    listed.sort_unstable_by_key(place);
    listed.dedup();
    let begin =
        listed.partition_point(|one| after.is_some_and(|after| place(one).as_str() <= after));
    let page: Vec<Listed> = listed.iter().skip(begin).take(limit).copied().collect();
    let more = listed.len() > begin + page.len();
    let next = page.last().filter(|_| more).map(place);
    (page, next)
}

/// The JSON object in the body of a request whose key was found good.
pub(super) fn body(context: &RequestContext<'_>) -> Result<Map<String, Value>, Interrupt> {
    read(context, json::LARGEST, json::ANY_NUMBER)
}

/// The JSON object in the body of a request that anybody may have sent.
pub(super) fn body_of_stranger(
    context: &RequestContext<'_>,
) -> Result<Map<String, Value>, Interrupt> {
    read(
        context,
        json::LARGEST_OF_STRANGERS,
        json::MAX_FROM_STRANGERS,
    )
}

fn read(
    context: &RequestContext<'_>,
    limit: usize,
    most: usize,
) -> Result<Map<String, Value>, Interrupt> {
    match context.answers.body() {
        None => Err(Interrupt::Pending(vec![Need::Body { limit }])),
        Some(Body::TooLarge) => Err(Problem::BodyTooLarge.into()),
        Some(Body::Broken) => Err(Problem::BrokenBody.into()),
        Some(Body::Bytes(bytes)) => {
            json::object(context.request, bytes, most).map_err(|bad| Problem::from(bad).into())
        }
    }
}
