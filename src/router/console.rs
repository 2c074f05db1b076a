//! Serves the console's files. They hold no secret and are public; their data comes from the admin API.

use super::Router;
use crate::api::built_file::{BuiltFile, built_file};
use crate::api::routes;
use crate::effect::Answers;
use crate::gateway::{self, Step};
use crate::http::host::Host;
use crate::http::request::Request;
use crate::response::Answer;
use crate::response::problem::{Audience, Problem};
use crate::telemetry::log::{Event, Level};

/// Setting that gives the console a host of its own.
const CONSOLE_HOST: &str = "CONSOLE_HOST";

/// Content security policy: own resources only, no inline script or style, no embedding.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Media type of a script.
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Files by name, with their names in the build and their media types.
const FILES: [(&str, &str, &str); 7] = [
    ("index.html", "index.html", "text/html; charset=utf-8"),
    ("console.js", "console.js", SCRIPT),
    ("console.css", "console.css", "text/css; charset=utf-8"),
    // What the scripts share, the page of a tenant's document, and its editor.
    ("chunk.js", "chunk.js", SCRIPT),
    ("tenant.js", "tenant.js", SCRIPT),
    ("code.js", "code.js", SCRIPT),
    (
        "tenant.schema.json",
        "tenant.schema.json",
        "application/schema+json",
    ),
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
        let path = request.location.path.strip_prefix(&self.deployment.prefix);
        if let Err(problem) = routes::check(path.unwrap_or_default(), request.method) {
            return self.refused(&problem);
        }
        if route.is_empty() {
            // The page refers to its files by relative names.
            let location = format!("{}/console/", self.deployment.prefix);
            return Step::Answer(Answer::empty(308).with("location", location));
        }
        let wanted = match route.trim_start_matches('/') {
            "" => "index.html",
            wanted => wanted,
        };
        let file = FILES.iter().find(|(known, ..)| *known == wanted);
        let Some((_, name, media_type)) = file else {
            return self.refused(&Problem::NotFound);
        };
        let file = BuiltFile {
            name,
            media_type,
            policy: POLICY,
        };
        match built_file(&file, request, answers) {
            gateway::Interrupt::Pending(needs) => Step::Await(needs),
            gateway::Interrupt::Respond(answer) => Step::Answer(*answer),
            gateway::Interrupt::RespondFile(answer) => Step::Asset(*answer),
            gateway::Interrupt::Reject { problem, .. } => self.refused(&problem),
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

fn is_host(request: &Request<'_>, own: &str) -> bool {
    Host::canonical(request.location.authority).is_some_and(|host| host.as_str() == own)
}
