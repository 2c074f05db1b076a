//! Sends probes: requests without any client data, to a suspected origin.
//!
//! A probe continues after the client that caused it has left.

use js_sys::Date;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

use super::io::fetch::{FetchError, Request, Response};
use super::{drain, futures, io, millis, runtime, with_ready};
use crate::balancer::probe::{DEADLINE_MS, Probe, Verdict};
use crate::balancer::service;
use crate::router::Router;
use crate::tenant_id::TenantId;

/// Returns whether a response, by its status and `Server` header, reports that Cloudflare could not connect to the
/// origin. The request was then not sent.
#[wasm_bindgen(js_name = isUnsent)]
#[must_use]
pub fn is_unsent(status: u16, server: &str) -> bool {
    Verdict::of_answer(status, Some(server)) == Verdict::Dead
}

/// Sends the requested probes, and keeps the current request alive for them.
pub(super) fn send_probes() {
    for (tenant, probe) in with_ready(Router::take_probes).unwrap_or_default() {
        let sent = futures::promise(async move {
            send(&tenant, &probe).await;
            Ok(JsValue::UNDEFINED)
        });
        // The request may be over already; the probe was sent anyway.
        let _ = runtime::wait_until(&sent);
    }
}

async fn send(tenant: &TenantId, probe: &Probe) {
    let begun = io::now();
    let mut answer = ask(&probe.url, DEADLINE_MS).await;
    // The origin may have closed an idle connection, so the first loss proves nothing.
    if let Err(FetchError::Lost(_)) = answer {
        let spent = io::now().millis_since(begun);
        answer = ask(&probe.url, DEADLINE_MS.saturating_sub(spent)).await;
    }
    let verdict = match &answer {
        // Another Worker that answers was reached, whatever it relays.
        Ok(answer) if service::split(&probe.url).is_some() => {
            Verdict::of_answer(answer.status(), None)
        }
        Ok(answer) => Verdict::of_answer(answer.status(), answer.header("server").as_deref()),
        Err(FetchError::Deadline) => Verdict::Silent,
        Err(_) => Verdict::Dead,
    };
    let now = Date::now();
    with_ready(|router| {
        router.probed(tenant, probe, verdict, millis(now));
        drain(router, now);
    });
    runtime::state_changed();
    if let Ok(answer) = answer {
        answer.discard().await;
    }
}

async fn ask(url: &str, deadline_ms: u64) -> Result<Response, FetchError> {
    let deadline_ms = u32::try_from(deadline_ms).unwrap_or(u32::MAX);
    Request::get(url).deadline(deadline_ms).send().await
}
