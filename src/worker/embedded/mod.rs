//! Runs Vestibule within another Worker: the handler is the origin.

mod http;

use core::cell::Cell;
use core::fmt;

use futures_util::future::join_all;
use serde_json::{Map, Value};
use thiserror::Error;
use wasm_bindgen::JsValue;
use worker::{Context, Env, Request, Response};

use super::drive::{self, Decision, Pending};
use super::io::{self, now};
use super::runtime::RequestContext;
use super::{NoRandomSource, drain, keep_seed, serve, with_ready};
use crate::deployment::Misconfigured;
use crate::effect::{Answers, Need};
use crate::embed::{Changes, Config, Session};
use crate::gateway::{Forward, ResponseAction, Revalidation, Step};
use crate::router::Router;

/// Reasons why a request could not be handled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings are invalid. The text names every fault, and no secret.
    #[error(transparent)]
    Misconfigured(#[from] Misconfigured),
    /// The platform provides no random numbers.
    #[error("the platform gave no random numbers")]
    NoRandomSource,
    /// The request or response could not be read or built.
    #[error("the runtime failed: {0}")]
    Runtime(String),
    /// The handler failed.
    #[error("the handler failed: {0}")]
    Handler(worker::Error),
}

impl From<NoRandomSource> for Error {
    fn from(_: NoRandomSource) -> Self {
        Self::NoRandomSource
    }
}

impl From<worker::Error> for Error {
    fn from(error: worker::Error) -> Self {
        Self::Runtime(error.to_string())
    }
}

impl From<JsValue> for Error {
    fn from(thrown: JsValue) -> Self {
        worker::Error::from(thrown).into()
    }
}

impl From<Error> for worker::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Handler(error) => error,
            other => Self::RustError(other.to_string()),
        }
    }
}

/// Middleware that validates the session cookie, passes the session to a handler, stores the handler's changes, and
/// sets the cookie.
///
/// The isolate holds all state (sessions, revocations, limits). Creating a value per request is therefore cheap: it
/// only checks whether the settings were read.
pub struct Vestibule {
    env: Env,
}

/// Hides the bindings, which include secrets.
impl fmt::Debug for Vestibule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vestibule").finish_non_exhaustive()
    }
}

thread_local! {
    /// Whether this isolate has settings.
    static IS_SERVING: Cell<bool> = const { Cell::new(false) };
}

impl Vestibule {
    /// Reads the settings from the bindings, once per isolate.
    ///
    /// # Errors
    /// Returns [`Error::Misconfigured`] with all faults.
    pub fn from_env(env: &Env) -> Result<Self, Error> {
        if !IS_SERVING.get() {
            Self::serve(Config::from_bindings(bindings(env))?)?;
        }
        Ok(Self { env: env.clone() })
    }

    /// Uses the given settings, once per isolate. `env` has the bindings that they name.
    ///
    /// # Errors
    /// Returns [`Error::NoRandomSource`].
    pub fn with_config(env: &Env, config: Config) -> Result<Self, Error> {
        if !IS_SERVING.get() {
            Self::serve(config)?;
        }
        Ok(Self { env: env.clone() })
    }

    fn serve(config: Config) -> Result<(), Error> {
        serve(config.into_deployment())?;
        IS_SERVING.set(true);
        Ok(())
    }

    /// Handles a request. Vestibule answers its own paths, refusals and sign-ins; otherwise it calls `handler`.
    ///
    /// The handler gets the request as an origin would: without the session cookie and forbidden client headers, and
    /// with identity headers. It may forward the request as it is. The session is `None` for a request without one (a
    /// CORS preflight, paths that `CACHE` names). Vestibule applies `X-Session-…` headers of the handler's response as
    /// an origin's, and removes them: copy them from no response that you do not trust.
    ///
    /// # Errors
    /// Returns [`Error::Handler`] with the handler's error. The session is unchanged then.
    pub async fn handle<H>(
        &self,
        request: Request,
        context: &Context,
        handler: H,
    ) -> Result<Response, Error>
    where
        H: AsyncFnOnce(Request, Option<Session>) -> worker::Result<(Response, Changes)>,
    {
        let raw = http::raw(&request);
        let packed = http::packed(&request)?;
        let carried = RequestContext::new(self.env.clone(), Some(Clone::clone(&raw)));
        let step = decided(Admit(&packed), Answers::default(), &carried).await;
        self.store_later(context);
        match step {
            Step::Forward(forward) => {
                let request = http::forwarded(&raw, &packed, &forward)?;
                let session = session(&forward);
                let (response, changes) =
                    handler(request, session).await.map_err(Error::Handler)?;
                self.handle_response(response, &changes, *forward, context)
                    .await
            }
            Step::Answer(answer) => http::response(answer, None),
            Step::Asset(answer) => http::response(answer, carried.take_file()),
            Step::Await(_) => Err(Error::Runtime("a decision was not made".to_owned())),
        }
    }

    /// Handles the handler's response as an origin's.
    async fn handle_response(
        &self,
        response: Response,
        changes: &Changes,
        forward: Forward,
        context: &Context,
    ) -> Result<Response, Error> {
        let step = HandleResponse {
            response_context: &forward.response_context,
            status: response.status_code(),
            headers: http::packed_response(&response, changes)?,
        };
        let carried = RequestContext::new(self.env.clone(), None);
        let action = decided(step, begun(), &carried).await;
        self.store_later(context);
        let response = match action {
            ResponseAction::Untouched => response,
            ResponseAction::Edited(edits) => http::edited(response, &edits)?,
            ResponseAction::Replaced(answer) => return http::response(answer, None),
            ResponseAction::Await(_) => {
                return Err(Error::Runtime("a decision was not made".to_owned()));
            }
        };
        // The handler is the only origin, so probes have no use.
        with_ready(Router::take_probes);
        if forward.opens && http::stays_open(&response) {
            self.go_on(Revalidate(forward.response_context.clone()), context);
        }
        if forward.run_background {
            self.go_on(RunBackground(forward.response_context), context);
        }
        Ok(response)
    }

    /// Performs work after the response.
    fn go_on(&self, step: impl drive::Step<Output = ()> + 'static, context: &Context) {
        let env = self.env.clone();
        context.wait_until(async move {
            let carried = RequestContext::new(env.clone(), None);
            decided(step, begun(), &carried).await;
            let writes = with_ready(Router::take_writes).unwrap_or_default();
            let stored = writes
                .into_iter()
                .map(|write| io::store_in_background(env.clone(), write));
            join_all(stored).await;
        });
    }

    /// Stores the pending values of the last decision.
    fn store_later(&self, context: &Context) {
        for write in with_ready(Router::take_writes).unwrap_or_default() {
            context.wait_until(io::store_in_background(self.env.clone(), write));
        }
    }
}

/// Returns the bindings in the form that [`Config::from_bindings`] takes.
fn bindings(env: &Env) -> Map<String, Value> {
    http::entries(env.as_ref())
        .map(|(name, value)| {
            (
                name,
                value.as_string().map_or(Value::Bool(true), Value::from),
            )
        })
        .collect()
}

/// Returns the session of a forwarded request.
fn session(forward: &Forward) -> Option<Session> {
    let visit = forward.visit.as_ref()?;
    let tenant = forward
        .headers
        .value("x-session-tenant")
        .unwrap_or_default();
    Some(Session::of(tenant, visit))
}

/// Creates the answers of a step after a request.
fn begun() -> Answers {
    let mut answers = Answers::default();
    if let Some(seed) = with_ready(Router::draw_seed) {
        answers.set_seed(seed);
    }
    answers
}

/// Decides, and performs needs until the decision is complete.
async fn decided<S: drive::Step>(
    step: S,
    mut answers: Answers,
    carried: &RequestContext,
) -> S::Output {
    match step.decide(&answers) {
        Decision::Complete(made) => made,
        Decision::Pending(needs) => {
            keep_seed(&mut answers);
            drive::drive(Pending::new(needs, answers), carried, step).await
        }
    }
}

/// Runs `act` on the core, and logs its events.
fn act<T>(act: impl FnOnce(&mut Router) -> T) -> Option<T> {
    with_ready(|router| {
        let result = act(router);
        drain(router, js_sys::Date::now());
        result
    })
}

struct Admit<'a>(&'a str);

impl drive::Step for Admit<'_> {
    type Output = Step;

    fn decide(&self, answers: &Answers) -> Decision<Step> {
        match act(|router| router.admit(self.0, now(), answers)) {
            Some(Step::Await(needs)) => Decision::Pending(needs),
            Some(step) => Decision::Complete(step),
            None => Decision::Complete(Step::Await(Vec::new())),
        }
    }
}

struct HandleResponse<'a> {
    response_context: &'a str,
    status: u16,
    headers: String,
}

impl drive::Step for HandleResponse<'_> {
    type Output = ResponseAction;

    fn decide(&self, answers: &Answers) -> Decision<ResponseAction> {
        let Self {
            response_context,
            status,
            headers,
        } = self;
        match act(|router| {
            router.handle_response(response_context, *status, headers, now(), answers)
        }) {
            Some(ResponseAction::Await(needs)) => Decision::Pending(needs),
            Some(action) => Decision::Complete(action),
            None => Decision::Complete(ResponseAction::Await(Vec::new())),
        }
    }
}

/// Notes use, refreshes outdated copies, and polls revocations.
struct RunBackground(String);

impl drive::Step for RunBackground {
    type Output = ();

    fn decide(&self, answers: &Answers) -> Decision<()> {
        let needs = act(|router| router.run_background(&self.0, now(), answers));
        pending_unless_empty(needs.unwrap_or_default())
    }
}

/// Notes an opened connection that is not followed to its end.
struct Revalidate(String);

impl drive::Step for Revalidate {
    type Output = ();

    fn decide(&self, answers: &Answers) -> Decision<()> {
        match act(|router| router.revalidate(&self.0, now(), answers)) {
            Some(Revalidation::Await(needs)) => pending_unless_empty(needs),
            _ => Decision::Complete(()),
        }
    }
}

fn pending_unless_empty(needs: Vec<Need>) -> Decision<()> {
    if needs.is_empty() {
        Decision::Complete(())
    } else {
        Decision::Pending(needs)
    }
}
