//! Decides what pages of other sites may do: read our responses, show our pages in frames, and send requests with the
//! visitor's session (`embed` of the tenant's document).
//!
//! Authority: Fetch section 3.3 (CORS), RFC 6265bis section 8.8 (`SameSite`), and CSP Level 3 (`frame-ancestors`). For
//! a tenant that names sites the cookie is `SameSite=None`, so browsers no longer keep it out of other sites' requests.
//! The check here does.

use super::Asker;
use super::{Gateway, Interrupt, RequestContext};
use crate::cookie::jar;
use crate::http::path::PathClass;
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::response::{Answer, page};
use crate::tenant::Tenant;

impl Tenant {
    /// Returns whether a request comes from this site, from a site that the tenant names, or from no page.
    pub(crate) fn trusts(&self, request: &Request<'_>) -> bool {
        request.is_same_site() || is_of(&self.embed_sites, request)
    }

    /// Returns whether a browser requests a page for a frame, and frames of other sites are allowed.
    pub(crate) fn shows_in_frame(&self, request: &Request<'_>) -> bool {
        !self.embed_sites.is_empty() && request.is_framed()
    }

    /// Returns the value of `Content-Security-Policy` that lets only the named sites show a page.
    pub(super) fn frame_policy(&self) -> String {
        let mut policy = page::FRAMED_BY_SELF.to_owned();
        for site in &self.embed_sites {
            policy.push(' ');
            policy.push_str(site);
        }
        policy
    }
}

impl Gateway {
    /// Refuses a request that a page of a site without trust sends with the visitor's cookie. Browsers name the site in
    /// every request that they let such a page read, and in every one that may change something.
    ///
    /// # Errors
    /// Returns the refusal.
    pub(crate) fn check_sender(&self, context: &RequestContext<'_>) -> Result<(), Problem> {
        let (tenant, request) = (&self.tenant, context.request);
        // A handshake has a check of its own.
        if tenant.embed_sites.is_empty()
            || request.is_websocket()
            || tenant.trusts(request)
            || is_of(&tenant.cors_origins, request)
            || (request.is_safe() && request.header("origin").is_none())
        {
            return Ok(());
        }
        let header = request.header("cookie").unwrap_or_default();
        let name = tenant.cookie_name(context.cookie);
        match jar::candidates(header, &name).next() {
            Some(_) => Err(Problem::CrossSite),
            None => Ok(()),
        }
    }

    /// Answers the preflight for a reserved path. Other preflights are the chat server's to answer. Those who present
    /// keys are programs, not pages.
    ///
    /// # Errors
    /// Returns the answer.
    #[inline(never)]
    pub(super) fn answer_preflight(
        &self,
        route: &str,
        context: &RequestContext<'_>,
    ) -> Result<(), Interrupt> {
        let request = context.request;
        if request.method != "OPTIONS"
            || !is_for_pages(route)
            || !super::anonymous::is_preflight(request)
            || !is_of(&self.tenant.embed_sites, request)
        {
            return Ok(());
        }
        let answer = Answer::empty(204)
            .with("access-control-allow-methods", "GET, HEAD, POST, DELETE")
            .with(
                "access-control-allow-headers",
                "Authorization, Content-Type",
            )
            .with("access-control-max-age", "600");
        Err(Interrupt::Respond(answer.into()))
    }

    /// Lets pages of the sites that the tenant allows read a refusal in place of an origin's response (Fetch section
    /// 3.2.3), and pages of trusted sites any response of ours. An operator's responses are for no other site: the cookie
    /// of the console also accompanies requests of its sister hosts.
    pub(super) fn with_cors(&self, answer: Answer, context: &RequestContext<'_>) -> Answer {
        let (tenant, request) = (&self.tenant, context.request);
        let sites: &[String] = match self.classify(&request.location) {
            _ if context.asker == Asker::Operator => &[],
            PathClass::Origin => &tenant.cors_origins,
            PathClass::Reserved(route) if !is_for_pages(route) => &[],
            PathClass::Reserved(_) | PathClass::Ambiguous => &tenant.embed_sites,
        };
        let answer = match request.header("origin").filter(|_| is_of(sites, request)) {
            Some(origin) => answer
                .with("access-control-allow-origin", origin)
                .with("access-control-allow-credentials", "true")
                .with(
                    "access-control-expose-headers",
                    "WWW-Authenticate, Retry-After",
                )
                .with("vary", "Origin"),
            // A cache must not give it to a page that may read another one.
            None if !tenant.embed_sites.is_empty() => answer.with("vary", "Origin"),
            None => answer,
        };
        self.framed(answer)
    }

    /// Lets frames of trusted sites show a page of ours.
    fn framed(&self, answer: Answer) -> Answer {
        if self.tenant.embed_sites.is_empty() {
            answer
        } else {
            page::framed(answer, &self.tenant.frame_policy())
        }
    }

    /// Opens a response that is no refusal to trusted sites.
    pub(super) fn shared(&self, answer: Answer, context: &RequestContext<'_>) -> Answer {
        if self.tenant.embed_sites.is_empty() {
            answer
        } else {
            self.with_cors(answer, context)
        }
    }
}

/// Returns whether a reserved path is for pages. Programs and operators present keys at the others.
fn is_for_pages(route: &str) -> bool {
    !route.starts_with("/api/") && !route.starts_with("/admin/")
}

/// Returns whether `Origin` names one of these sites.
fn is_of(sites: &[String], request: &Request<'_>) -> bool {
    !sites.is_empty()
        && request.header("origin").is_some_and(|origin| {
            let mut sites = sites.iter();
            sites.any(|site| site.eq_ignore_ascii_case(origin))
        })
}
