//! Runs futures in boxes, because scheduling code is compiled once per future type.

use core::future::{Future, poll_fn};
use core::pin::Pin;
use core::task::Poll;

use futures_util::future::maybe_done;
use js_sys::Promise;
use js_sys::futures::future_to_promise;
use wasm_bindgen::JsValue;

type Work = Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>>;

/// Runs a future as a promise.
pub(super) fn promise(work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let work: Work = Box::pin(work);
    future_to_promise(work)
}

/// Awaits several futures concurrently. Their number is small, so each wake polls all of them.
pub(super) async fn all<F: Future>(works: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut works: Vec<_> = works.map(|work| Box::pin(maybe_done(work))).collect();
    poll_fn(|context| {
        let mut all = Poll::Ready(());
        for work in &mut works {
            if work.as_mut().poll(context).is_pending() {
                all = Poll::Pending;
            }
        }
        all
    })
    .await;
    let results = works
        .iter_mut()
        .filter_map(|work| work.as_mut().take_output());
    results.collect()
}
