//! `/logout` and `/signed-out`: this session, or all of its user's, and at the provider too.

use std::rc::Rc;

use serde_json::json;

use super::super::devices::is_same_site;
use super::super::recognition::Caller;
use super::super::{Gateway, Halt, Passage};
use super::form;
use crate::answer::Answer;
use crate::answer::page;
use crate::answer::problem::Problem;
use crate::cookie::jar::{self, Presented};
use crate::cookie::set_cookie;
use crate::cookie::token::Token;
use crate::inbound::request::Location;
use crate::session::id::Handle;
use crate::sign_in::authorization;
use crate::store::cache::{Known, Prepared};
use crate::store::revocations::Subject;
use crate::store::{Found, Need};

/// What is noted of where the browser goes on to sign out.
const ONWARD: &str = "signs out";

impl Gateway {
    /// `GET /logout`: a page that asks, because what merely loads must change nothing.
    pub(in super::super) fn confirm_sign_out(
        &mut self,
        passage: &Passage<'_>,
    ) -> Result<Answer, Halt> {
        if !passage.request.is_navigation() {
            return Err(Problem::MethodNotAllowed("POST").into());
        }
        let look = self.look(passage.request);
        Ok(page::confirm_sign_out(
            &look,
            &self.prefix,
            &self.provider_origins(),
        ))
    }

    /// `GET /signed-out`.
    pub(in super::super) fn signed_out_page(&mut self, passage: &Passage<'_>) -> Answer {
        page::signed_out(&self.look(passage.request))
    }

    /// `POST /logout`, of this session or, with `everywhere`, of all its user's.
    pub(in super::super) fn logout(&mut self, passage: &Passage<'_>) -> Result<Answer, Halt> {
        if !is_same_site(passage.request) {
            return Err(Problem::CrossSite.into());
        }
        let everywhere = wants_everywhere(passage)?;
        match passage.answers.written() {
            Some(true) => return Ok(self.signed_out(passage)),
            Some(false) => return Err(Problem::StoreUnavailable.into()),
            None => {}
        }
        // Once begun it is seen through: by then the session may well be over.
        if let Some(handle) = self.logout_under_way(passage) {
            self.end(handle, passage.answers, passage.now)?;
            return Ok(self.signed_out(passage));
        }
        let session = match self.recognise(passage)? {
            Caller::Visitor(visitor) if visitor.is_recorded() => Some(visitor.session),
            // A genuine cookie with an id from before may still put an end to it.
            Caller::Over(Problem::SessionRotated | Problem::SessionReplaced) => {
                self.session_of_cookie(passage)
            }
            // What is over can put an end to nothing else.
            Caller::Over(problem) if everywhere => {
                return Err(Halt::Refuse {
                    problem,
                    clear_cookie: true,
                });
            }
            Caller::Visitor(_) | Caller::Stranger { .. } | Caller::Over(_) => None,
        };
        if let Some(session) = session {
            self.note_onward(&session, passage)?;
            if everywhere && !session.tags.is_empty() {
                let subjects: Vec<_> = session.tags.iter().map(|tag| Subject::User(*tag)).collect();
                self.revoke(&subjects, passage.answers, passage.now)?;
            }
            self.end(session.record.handle, passage.answers, passage.now)?;
        }
        Ok(self.signed_out(passage))
    }

    /// Where a form that signs out may lead: browsers count what a form redirects to as its target.
    fn provider_origins(&self) -> Vec<String> {
        let providers = self.tenant.methods.oidc.iter();
        let endpoint = |issuer: &str| self.known_sign_out(issuer).unwrap_or(issuer.to_owned());
        let urls = providers.map(|provider| format!("{}/", endpoint(&provider.issuer)));
        urls.filter_map(|url| {
            let location = Location::parse(&url)?;
            Some(format!("{}://{}", location.scheme, location.authority))
        })
        .collect()
    }

    /// Finds out where the provider signs people out, before the session that knows it is over.
    fn note_onward(&mut self, session: &Prepared, passage: &Passage<'_>) -> Result<(), Halt> {
        let Some(grant) = &session.record.grant else {
            return Ok(());
        };
        let provider = self.tenant.methods.provider(&grant.provider).cloned();
        let (Some(provider), None) = (provider, passage.answers.found(ONWARD)) else {
            return Ok(());
        };
        let endpoint = match self.metadata(&provider.issuer, passage.answers, passage.now) {
            Ok(metadata) => metadata.end_session_endpoint,
            Err(Halt::Await(needs)) => return Err(Halt::Await(needs)),
            // Signing out here must not depend on anybody else.
            Err(_) => None,
        };
        let Some(endpoint) = endpoint else {
            return Ok(());
        };
        let location = &passage.request.location;
        let (scheme, authority) = (location.scheme, location.authority);
        let back = format!("{scheme}://{authority}{}/signed-out", self.prefix);
        let state = session.handle.get(..8).unwrap_or_default();
        let id_token = grant.id_token.as_deref();
        let text = authorization::sign_out_url(&endpoint, &provider, id_token, &back, state);
        let key = ONWARD.to_owned();
        Err(Halt::Await(vec![Need::Note { key, text }]))
    }

    fn signed_out(&self, passage: &Passage<'_>) -> Answer {
        let onward = match passage.answers.found(ONWARD) {
            Some(Found::Bytes(url)) => Some(String::from_utf8_lossy(url).into_owned()),
            _ => None,
        };
        let answer = match (passage.request.is_navigation(), onward) {
            (true, Some(url)) => Answer::empty(303).with("location", url),
            (true, None) => {
                Answer::empty(303).with("location", format!("{}/signed-out", self.prefix))
            }
            (false, Some(url)) => Answer::json(200, &json!({ "continue": url })),
            (false, None) => Answer::empty(204),
        };
        let answer = answer.with_cookie(Some(set_cookie::clear(passage.cookie)));
        let foreign = self.foreign_cookies(passage).into_iter();
        foreign.fold(answer, |answer, line| answer.with("set-cookie", line))
    }

    /// What this isolate has just learned of the session that a genuine cookie names.
    fn session_of_cookie(&mut self, passage: &Passage<'_>) -> Option<Rc<Prepared>> {
        let handle = self.named_by_cookie(passage)?;
        match self.cache.get(handle, passage.now)?.known {
            Known::Live(session) => Some(session),
            Known::Ended | Known::Absent(_) => None,
        }
    }

    fn named_by_cookie(&self, passage: &Passage<'_>) -> Option<Handle> {
        let header = passage.request.header("cookie").unwrap_or_default();
        let Presented::One(value) = jar::find(header, passage.cookie.as_str()) else {
            return None;
        };
        let keys = &self.tenant.keys;
        let verified = Token::verify(value, keys, passage.now.seconds()).ok()?;
        Some(verified.token.handle)
    }

    fn logout_under_way(&self, passage: &Passage<'_>) -> Option<Handle> {
        let handle = self.named_by_cookie(passage)?;
        let key = format!("change {}", handle.to_text());
        passage.answers.found(&key).map(|_| handle)
    }
}

/// Whether all of the user's sessions are meant. No body means this one.
fn wants_everywhere(passage: &Passage<'_>) -> Result<bool, Halt> {
    if passage.request.header("content-type").is_none() {
        return Ok(false);
    }
    let fields = form::object(passage, &[], &["everywhere"])?;
    Ok(form::flag(&fields, "everywhere"))
}
