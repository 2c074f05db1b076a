//! Makes the active health checks: see [`crate::route::health_check`].

use futures_util::future::join_all;
use js_sys::Promise;
use js_sys::futures::JsFuture;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::Env;

use super::io::fetch::Request;
use super::log::report;
use super::timing::within;
use super::with_ready;
use crate::effect::CALL_DEADLINE_MS;
use crate::reception::Reception;
use crate::route::health_check::{DEADLINE_MS, HealthCheck};

/// The namespace of the pool objects.
const OBJECTS: &str = "POOL_OBJECTS";

#[wasm_bindgen]
extern "C" {
    type PoolStub;

    #[wasm_bindgen(method, catch)]
    fn call(this: &PoolStub, name: &str, command: &str) -> Result<Promise, JsValue>;
}

/// Asks all origins that have a health path, of the tenants that this isolate knows, whether they are ready.
pub(crate) async fn check_health(env: &Env) {
    let checks = with_ready(|reception| Reception::health_checks(reception)).unwrap_or_default();
    join_all(checks.iter().map(|check| make(env, check))).await;
}

async fn make(env: &Env, check: &HealthCheck) {
    let is_ready = within(DEADLINE_MS, is_ready(&check.url)).await;
    let command = check.command(is_ready.unwrap_or_default());
    match within(CALL_DEADLINE_MS, tell(env, check.tenant.as_str(), &command)).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => report("check_not_told", &error),
        Err(error) => report("check_not_told", error.to_string().as_str()),
    }
}

async fn is_ready(url: &str) -> bool {
    let Ok(answer) = Request::get(url).deadline(DEADLINE_MS).send().await else {
        return false;
    };
    let is_ready = answer.is_ok();
    answer.discard().await;
    is_ready
}

async fn tell(env: &Env, tenant: &str, command: &str) -> Result<(), worker::Error> {
    let stub = env.durable_object(OBJECTS)?.get_by_name(tenant)?;
    JsFuture::from(stub.into_rpc::<PoolStub>().call(tenant, command)?).await?;
    Ok(())
}
