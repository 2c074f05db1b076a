//! Sends requests to identity providers. Public documents (keys, metadata) are fetched once for concurrent requests;
//! responses with tokens are not shared.

use super::fetch::{FetchError, Request};
use super::single_flight::{self, Flights};
use crate::clock::UnixMillis;
use crate::effect::Outbound;
use crate::worker::counters::{Operation, counted};
use crate::worker::io::now;
use crate::worker::runtime::RequestContext;

/// Maximum time of a provider's response, in milliseconds.
const DEADLINE_MS: u32 = 10_000;

thread_local! {
    static UNDER_WAY: Flights<Result<Vec<u8>, FetchError>> = Flights::default();
}

/// Returns a provider's response (see [`Reply`](crate::effect::Reply)) and the time of its request. A form is sent only
/// once: providers treat a repeated code or refresh token as theft.
pub(super) async fn answer(
    call: &Outbound,
    context: &RequestContext,
) -> (Result<Vec<u8>, FetchError>, UnixMillis) {
    let asked = now();
    if let Some(form) = &call.form {
        let request = Request::post(&call.url, form)
            .header("content-type", "application/x-www-form-urlencoded");
        let sent = prepared(request, call).send_once(context, call.limit);
        let answer = counted(Operation::Provider, sent).await;
        return (answer.map(reply), asked);
    }
    let work = || counted(Operation::Provider, get(call));
    if call.authorization.is_some() {
        return (work().await, asked);
    }
    single_flight::ask(&UNDER_WAY, &call.url, work).await
}

async fn get(call: &Outbound) -> Result<Vec<u8>, FetchError> {
    let response = prepared(Request::get(&call.url), call).send().await?;
    let status = response.status();
    let body = response.text(call.limit).await?;
    Ok(reply((status, body)))
}

fn prepared<'a>(request: Request<'a>, call: &'a Outbound) -> Request<'a> {
    let request = match &call.authorization {
        Some(authorization) => request.header("authorization", authorization),
        None => request,
    };
    let request = request.header("accept", "application/json");
    request.deadline(DEADLINE_MS)
}

fn reply((status, body): (u16, String)) -> Vec<u8> {
    format!("{status}\n{body}").into_bytes()
}
