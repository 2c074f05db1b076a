//! Reads sessions outside of their visitor's request: for the visitor's list, origins and operators.

use super::parts::{Recorder, Sessions};
use std::rc::Rc;

use super::session_lookup::LookupResult;
use super::{Interrupt, RequestContext};
use crate::clock::UnixMillis;
use crate::effect::{Answers, Found, Need};
use crate::keys::UserTag;
use crate::response::problem::Problem;
use crate::session::id::Handle;
use crate::session::prepared::Prepared;
use crate::sorted;
use crate::store::cache::Known;
use crate::store::session_index::{self, Listed, Which};
use crate::tenant::Consistency;

/// Page of a list, and the cursor of the next one.
pub(crate) type Page = (Vec<Rc<Prepared>>, Option<String>);

impl Sessions {
    /// Returns a session by its handle, from the authoritative source; `None` if it is over.
    pub(crate) fn inspect(
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

    /// Reads a session from the authoritative source, and ensures that revocations are known.
    pub(crate) fn load_authoritative(
        &mut self,
        recorder: &mut Recorder,
        handle: Handle,
        context: &RequestContext<'_>,
    ) -> Result<LookupResult, Interrupt> {
        let answers = context.answers;
        // Unavailable revocations mean a degraded result, which a query cannot report.
        if let Err(need) = self.require_revocations(recorder, answers, context.now) {
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

    /// Returns a page of the live sessions on a list.
    pub(crate) fn list(
        &mut self,
        recorder: &mut Recorder,
        tags: Option<&[UserTag]>,
        after: Option<&str>,
        limit: usize,
        context: &RequestContext<'_>,
    ) -> Result<Page, Interrupt> {
        let (answers, now) = (context.answers, context.now);
        let feed = self.require_revocations(recorder, answers, now);
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
                            needs.retain(|need| !matches!(need, Need::List { prefix: other } if *other == prefix));
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

    /// Reads all listed sessions at once; the list is only a hint.
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
            // The namespace may not show it yet.
            if matches!(source, Ok(LookupResult::Nothing))
                && self.tenant.consistency == Consistency::Strong
            {
                source = self.ask_object(recorder, *handle, &LookupResult::Nothing, answers);
            }
            match source {
                Err(Interrupt::Pending(missing)) => needs.extend(missing),
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

/// Returns the page of a namespace's list after `after`, oldest first.
fn page_of(
    mut listed: Vec<Listed>,
    after: Option<&str>,
    limit: usize,
) -> (Vec<Listed>, Option<String>) {
    let place = |listed: &Listed| format!("{:011}:{}", listed.created.0, listed.handle.to_text());
    sorted::by(&mut listed, |one, other| place(one).cmp(&place(other)));
    listed.dedup();
    let begin =
        listed.partition_point(|one| after.is_some_and(|after| place(one).as_str() <= after));
    let page: Vec<Listed> = listed.iter().skip(begin).take(limit).copied().collect();
    let more = listed.len() > begin + page.len();
    let next = page.last().filter(|_| more).map(place);
    (page, next)
}
