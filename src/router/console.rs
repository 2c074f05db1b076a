//! Serves the console's files. They hold no secret and are public; their data comes from the admin API.

use super::Router;
use crate::effect::asset::{Asset, Coding, FileMetadata};
use crate::effect::{Answers, Need};
use crate::gateway::Step;
use crate::http::conditional::{accepts_gzip, names_etag};
use crate::http::host::Host;
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::log::{Event, Level};

/// Setting that gives the console a host of its own.
const CONSOLE_HOST: &str = "CONSOLE_HOST";

/// Content security policy: own resources only, no inline script or style, no embedding.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Files by name, with their media types.
const FILES: [(&str, &str); 4] = [
    ("index.html", "text/html; charset=utf-8"),
    ("console.js", "text/javascript; charset=utf-8"),
    ("console.css", "text/css; charset=utf-8"),
    ("tenant.schema.json", "application/schema+json"),
];

impl Router {
    /// Answers `/console` and the paths below it.
    pub(super) fn console(
        &mut self,
        route: &str,
        request: &Request<'_>,
        answers: &Answers,
    ) -> Step {
        if let Err(problem) = self.check_console_host(request) {
            return self.refused(&problem);
        }
        if !matches!(request.method, "GET" | "HEAD") {
            return self.refused(&Problem::MethodNotAllowed("GET, HEAD"));
        }
        if route.is_empty() {
            // The page refers to its files by relative names.
            let location = format!("{}/console/", self.deployment.prefix);
            return Step::Answer(Answer::empty(308).with("location", location));
        }
        let name = match route.trim_start_matches('/') {
            "" => "index.html",
            name => name,
        };
        let file = FILES.iter().find(|(known, _)| *known == name);
        let Some((name, media_type)) = file else {
            return self.refused(&Problem::NotFound);
        };
        let coding = match request.header("accept-encoding") {
            Some(accepted) if accepts_gzip(accepted) => Coding::Gzip,
            _ => Coding::Identity,
        };
        match answers.asset(name) {
            None => Step::Await(vec![Need::ConsoleFile { name, coding }]),
            Some(Asset::Missing(_)) => self.refused(&Problem::NotFound),
            Some(Asset::Available(metadata)) => shown(request, media_type, metadata, coding),
        }
    }

    /// Checks that the request's host may serve the console: `CONSOLE_HOST`, or without that setting a loopback host.
    /// On a chat server's host the server's scripts could use an operator's session.
    pub(super) fn check_console_host(&self, request: &Request<'_>) -> Result<(), Problem> {
        match self.deployment.secrets.of_deployment(CONSOLE_HOST) {
            Some(own) if is_host(request, own) => Ok(()),
            Some(_) => Err(Problem::NotFound),
            None if request.location.is_plain_loopback() => Ok(()),
            None => Err(Problem::ConsoleUnconfigured),
        }
    }

    /// Logs once, at the first request from another machine, that the console is unreachable without `CONSOLE_HOST`.
    pub(super) fn report_missing_console_host(&mut self, request: &Request<'_>) {
        if self.is_console_reported || request.location.is_plain_loopback() {
            return;
        }
        self.is_console_reported = true;
        let secrets = &self.deployment.secrets;
        if secrets.of_deployment(CONSOLE_HOST).is_none() && secrets.is_set_for_any("ADMIN_TOKEN") {
            let cure =
                "set CONSOLE_HOST to a host that no chat server has, or the console stays closed";
            let event = Event::new(Level::Warn, "console_host_missing");
            self.emit(event.with("detail", cure));
        }
    }

    /// Returns whether the request's host is `CONSOLE_HOST`.
    pub(super) fn is_consoles_alone(&self, request: &Request<'_>) -> bool {
        let own = self.deployment.secrets.of_deployment(CONSOLE_HOST);
        own.is_some_and(|own| is_host(request, own))
    }

    pub(super) fn refused(&mut self, problem: &Problem) -> Step {
        self.labels.reason = problem.code();
        Step::Answer(problem.answer(Audience::Program, ""))
    }
}

/// Returns a file, or 304 if the client has it.
fn shown(request: &Request<'_>, media_type: &str, metadata: &FileMetadata, coding: Coding) -> Step {
    let etag = format!("\"{}\"", metadata.hash);
    let is_known = request
        .header("if-none-match")
        .is_some_and(|known| names_etag(known, &etag));
    let answer = Answer {
        status: if is_known { 304 } else { 200 },
        headers: vec![("cache-control", "no-cache".to_owned()), ("etag", etag)],
        ..Answer::empty(200)
    };
    let answer = answer
        .with("content-type", media_type)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
        .with("cross-origin-opener-policy", "same-origin")
        .with("content-security-policy", POLICY);
    match coding {
        _ if is_known => Step::Answer(answer),
        Coding::Identity => Step::Asset(answer),
        Coding::Gzip => Step::Asset(answer.with("content-encoding", "gzip")),
    }
}

fn is_host(request: &Request<'_>, own: &str) -> bool {
    Host::canonical(request.location.authority).is_some_and(|host| host.as_str() == own)
}
