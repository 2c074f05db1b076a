//! Calls Vestibule before the handler of a Worker on workers-rs: the session goes in, changes come out.
#![cfg(target_arch = "wasm32")]

use core::time::Duration;

use vestibule::{Changes, Identity, Session, Vestibule};
use worker::{Context, Env, Request, Response, Result, event};

#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response> {
    let vestibule = Vestibule::from_env(&env)?;
    Ok(vestibule.handle(request, &context, handle).await?)
}

/// Counts visits, signs the user in and out, and changes the session's id and idle time.
async fn handle(request: Request, session: Option<Session>) -> Result<(Response, Changes)> {
    let Some(session) = session else {
        return Ok((Response::empty()?, Changes::new()));
    };
    let changes = match request.path().as_str() {
        "/sign-in" => Changes::new()
            .identify(&Identity::new("alice"))
            .map_err(|error| error.to_string())?,
        "/sign-out" => Changes::new().destroy(),
        "/new-id" => Changes::new().rotate(),
        "/short" => Changes::new().idle(Duration::from_secs(600)),
        _ => Changes::new(),
    };
    let visits = session.get::<u64>("visits")?.unwrap_or_default() + 1;
    let name = session.user().unwrap_or("guest");
    let response = Response::ok(format!("Hello {name}, visit {visits}\n"))?;
    Ok((response, changes.set("visits", visits)))
}
