//! Asks identity providers. What every request asks alike (a provider's keys, how it is set up) is asked once; a token
//! is nobody else's.

use super::fetch::{FetchError, Request};
use super::single_flight::{self, Flights};
use crate::clock::UnixMillis;
use crate::effect::Outbound;
use crate::worker::counters::{Operation, counted};
use crate::worker::io::now;

/// Time that a provider has for its answer, in milliseconds.
const DEADLINE_MS: u32 = 10_000;

thread_local! {
    static UNDER_WAY: Flights<Result<Vec<u8>, FetchError>> = Flights::default();
}

/// Returns what a provider answered (see [`Reply`](crate::effect::Reply)), and when it was asked.
pub(super) async fn answer(call: &Outbound) -> (Result<Vec<u8>, FetchError>, UnixMillis) {
    let work = || counted(Operation::Provider, send(call));
    if call.form.is_some() || call.authorization.is_some() {
        let asked = now();
        return (work().await, asked);
    }
    single_flight::ask(&UNDER_WAY, &call.url, work).await
}

async fn send(call: &Outbound) -> Result<Vec<u8>, FetchError> {
    let mut request = Request::get(&call.url);
    if let Some(form) = &call.form {
        request = Request::post(&call.url, form)
            .header("content-type", "application/x-www-form-urlencoded");
    }
    if let Some(authorization) = &call.authorization {
        request = request.header("authorization", authorization);
    }
    let request = request.header("accept", "application/json");
    let response = request.deadline(DEADLINE_MS).send().await?;
    let status = response.status();
    let body = response.text(call.limit).await?;
    Ok(format!("{status}\n{body}").into_bytes())
}
