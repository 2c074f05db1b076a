//! Renders a tenant's pages from a document that need not be stored. The pages are real; their forms do nothing.

use serde_json::Value;

use super::super::{Interrupt, Router};
use crate::auth::methods::Methods;
use crate::config::Fault;
use crate::effect::{Answers, Body, Need};
use crate::http::host::HostPattern;
use crate::http::request::Request;
use crate::http::{form, json};
use crate::response::Answer;
use crate::response::page::{self, LoginPage, Theme};
use crate::response::problem::{Audience, Problem};
use crate::response::theme::Brand;

/// Trace id that matches no log line.
const TRACE_ID: &str = "00000000000000000000000000000000";

impl Router {
    /// Answers `POST /admin/preview` with one page, for a frame of the console.
    pub(super) fn preview(
        &self,
        request: &Request<'_>,
        answers: &Answers,
    ) -> Result<Answer, Interrupt> {
        let refused = |problem| Interrupt::Reject(problem);
        let bytes = match answers.body() {
            // A body that is not a form is refused unread.
            _ if !form::is_form(request) => &[][..],
            None => {
                let limit = json::LARGEST;
                return Err(Interrupt::Pending(vec![Need::Body { limit }]));
            }
            Some(Body::TooLarge) => return Err(refused(Problem::BodyTooLarge)),
            Some(Body::Broken) => return Err(refused(Problem::BrokenBody)),
            Some(Body::Bytes(bytes)) => bytes,
        };
        let fields = form::fields(request, bytes, &["document", "page"])
            .map_err(|bad| refused(bad.into()))?;
        let document = fields.get("document").unwrap_or_default();
        let document = json::strict(document, json::ANY_NUMBER);
        let not_json =
            || "The document is not JSON, or has a member twice, or nests too deeply.".to_owned();
        let tenant = document.ok_or_else(not_json).and_then(|document: Value| {
            let tenant = self.deployment.tenant_of(&document);
            tenant.map_err(|faults| Fault::join(&faults))
        });
        let tenant = match tenant {
            Ok(tenant) => tenant,
            Err(faults) => {
                let brand = Brand::default();
                let audience = Audience::of(request, &brand);
                let answer = Problem::BadDocument(faults).answer(audience, "");
                return Ok(page::framed(answer, page::FRAMED_BY_SELF));
            }
        };
        let host = tenant.hosts.first().map(HostPattern::as_str);
        let mut theme = Theme::of(&tenant.brand, request);
        theme.site = host.unwrap_or(theme.site);
        let problem = |problem: Problem| problem.answer(Audience::Person(theme), TRACE_ID);
        let prefix = &self.deployment.prefix;
        let shown = match fields.get("page") {
            Some("sign-in") => sign_in(&theme, prefix, &tenant.methods),
            Some("sign-out") => page::confirm_sign_out(&theme, prefix, false, &[]),
            Some("problem") => problem(Problem::OriginUnreachable),
            Some("waiting") => problem(Problem::Overloaded(None)),
            _ => {
                let what = "`page` must be sign-in, sign-out, problem or waiting.";
                return Err(refused(Problem::Invalid(what.to_owned())));
            }
        };
        let shown = page::framed(shown, page::FRAMED_BY_SELF);
        // The preview answers no real request, so no client should retry it.
        let mut headers = shown.headers;
        headers.retain(|(name, _)| !matches!(*name, "refresh" | "retry-after"));
        Ok(Answer {
            status: 200,
            headers,
            ..shown
        })
    }
}

/// Renders the sign-in page with the document's methods. A document without any gets a password form as an example.
fn sign_in(theme: &Theme<'_>, prefix: &str, methods: &Methods) -> Answer {
    let page = LoginPage {
        prefix,
        return_to: "/",
        max_age: None,
        has_password: methods.password || methods.oidc.is_empty(),
        providers: &methods.shown(),
        username: "",
        fault: None,
        popup: None,
    };
    page::login(theme, 200, &page)
}
