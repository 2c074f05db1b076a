//! Serves files that the build compressed and put into the Worker: the API's description, and the console's.

use crate::effect::asset::{Asset, Coding};
use crate::effect::{Answers, Need};
use crate::gateway::{Interrupt, RequestContext};
use crate::http::conditional::{accepts_gzip, names_etag};
use crate::http::request::Request;
use crate::response::problem::Problem;
use crate::response::{Answer, DATA_POLICY};

/// File of the build.
pub(crate) struct BuiltFile {
    /// Name in `src/worker/js/runtime.js`.
    pub(crate) name: &'static str,
    pub(crate) media_type: &'static str,
    /// Content security policy.
    pub(crate) policy: &'static str,
}

/// Serves `GET /openapi.json`: the description of all reserved paths. It is the same for all tenants, and public.
pub(super) fn description(context: &RequestContext<'_>) -> Interrupt {
    let file = BuiltFile {
        name: "openapi",
        media_type: "application/json",
        policy: DATA_POLICY,
    };
    built_file(&file, context.request, context.answers)
}

/// Returns a file, or 304 if the client has it.
pub(crate) fn built_file(file: &BuiltFile, request: &Request<'_>, answers: &Answers) -> Interrupt {
    let coding = match request.header("accept-encoding") {
        Some(accepted) if accepts_gzip(accepted) => Coding::Gzip,
        _ => Coding::Identity,
    };
    let name = file.name;
    let metadata = match answers.asset(name) {
        None => return Interrupt::Pending(vec![Need::BuiltFile { name, coding }]),
        Some(Asset::Missing(_)) => return Problem::NotFound.into(),
        Some(Asset::Available(metadata)) => metadata,
    };
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
        .with("content-type", file.media_type)
        .with("x-content-type-options", "nosniff")
        .with("referrer-policy", "no-referrer")
        .with("cross-origin-opener-policy", "same-origin")
        .with("content-security-policy", file.policy);
    match coding {
        _ if is_known => Interrupt::Respond(answer.into()),
        Coding::Identity => Interrupt::RespondFile(answer.into()),
        Coding::Gzip => Interrupt::RespondFile(answer.with("content-encoding", "gzip").into()),
    }
}
