//! Runs the object that orders one session's changes: performs the decisions of
//! [`SessionObject`](object::SessionObject).

use core::cell::RefCell;
use std::rc::Rc;

use chacha20::ChaCha20Rng;
use js_sys::{Promise, Uint8Array};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use worker::worker_sys::DurableObjectState;
use worker::{Env, State};

use super::calls::Calls;
use super::storage::Storage;
use super::{outbox, run_in_background};
use crate::clock::UnixMillis;
use crate::effect::{Found, Need, Outbound, Reply};
use crate::session_object::command::parse_object_name;
use crate::session_object::object::{self, Action, Context};
use crate::tenant_id::TenantId;
use crate::worker::io::{self, Answered};
use crate::worker::runtime::RequestContext;
use crate::worker::{drive, exporter, log, with_ready};

/// Storage keys of the object's name and row.
const NAME: &str = "name";
const ROW: &str = "row";

/// Key of an identity provider's answer.
const PROVIDER: &str = "provider";

/// Durable Object of one session.
#[wasm_bindgen]
pub struct SessionObject(Rc<Session>);

struct Session {
    state: State,
    env: Env,
    storage: Storage,
    /// Context that outlives the instance, so that a provider gets no request twice.
    context: RequestContext,
    /// Deciding object; `None` if its storage could not be read.
    object: RefCell<Option<object::SessionObject>>,
    /// Tenant that the last call named.
    tenant: RefCell<Option<TenantId>>,
    calls: Calls,
    /// Deletion in progress, which an alarm handler awaits.
    deletion: RefCell<Option<Promise>>,
}

#[wasm_bindgen]
impl SessionObject {
    /// Creates the object.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(state: DurableObjectState, env: Env, context: RequestContext) -> Self {
        let state = State::from(state);
        let storage = Storage::of(&state);
        Self(Rc::new(Session {
            state,
            env,
            storage,
            context,
            object: RefCell::new(None),
            tenant: RefCell::new(None),
            calls: Calls::default(),
            deletion: RefCell::new(None),
        }))
    }

    /// Applies a command. Answers once its change is stored and, if required, announced.
    pub fn call(&self, name: &str, command: &str) -> Promise {
        let session = &self.0;
        let (call, promise) = session.calls.begin();
        let tenant = parse_object_name(name).map(|(tenant, _)| tenant);
        session.tenant.replace(tenant);
        let actions = session.decide(|object, context| {
            #[cfg(feature = "planted-faults")]
            {
                crate::worker::fault_injection::inject("object", command);
                crate::worker::fault_injection::arm(command);
            }
            object.command(call, name, command, context)
        });
        session.perform(actions.unwrap_or_else(|| object::SessionObject::refuse(call)));
        promise
    }

    /// Handles the alarm.
    pub fn alarm(&self) -> Promise {
        let session = &self.0;
        let (call, promise) = session.calls.begin();
        #[cfg(feature = "planted-faults")]
        crate::worker::fault_injection::inject_next("alarm");
        session.step(|object| object.alarm(call, io::now()));
        promise
    }
}

impl Session {
    /// Runs `act` with the tenant's keys; returns `None` if there are none here.
    fn decide(
        &self,
        act: impl FnOnce(&mut object::SessionObject, &mut Context<'_, ChaCha20Rng>) -> Vec<Action>,
    ) -> Option<Vec<Action>> {
        let tenant = self.tenant.borrow().clone()?;
        with_ready(|router| {
            let (keys, random) = router.for_object(&tenant)?;
            let mut context = Context {
                keys,
                random,
                now: io::now(),
            };
            self.with_object(|object| act(object, &mut context))
        })?
    }

    /// Runs `act` on the object in memory, which is restored from storage if needed. A failed restore fails all calls.
    fn with_object(
        &self,
        act: impl FnOnce(&mut object::SessionObject) -> Vec<Action>,
    ) -> Option<Vec<Action>> {
        let mut object = self.object.borrow_mut();
        if object.is_none() {
            match self.restored() {
                Ok(restored) => *object = Some(restored),
                Err(error) => {
                    self.calls.fail(&error);
                    return Some(Vec::new());
                }
            }
        }
        object.as_mut().map(act)
    }

    fn restored(&self) -> Result<object::SessionObject, JsValue> {
        let name = self.storage.text(NAME)?;
        let row = self.storage.bytes(ROW)?;
        let restored = object::SessionObject::restored(name.as_deref(), row, io::now());
        Ok(restored)
    }

    fn step(self: &Rc<Self>, act: impl FnOnce(&mut object::SessionObject) -> Vec<Action>) {
        let actions = self.with_object(act).unwrap_or_default();
        self.perform(actions);
    }

    /// Performs actions. If storage fails, memory differs from it: the next call restores the object, and calls in
    /// progress fail.
    fn perform(self: &Rc<Self>, actions: Vec<Action>) {
        for action in actions {
            if let Err(error) = self.perform_one(action) {
                self.object.replace(None);
                return self.calls.fail(&error);
            }
        }
    }

    /// Performs the actions after a provider's answer. Forgets the answer unless more needs must be performed first.
    fn perform_judged(self: &Rc<Self>, actions: Vec<Action>) {
        let is_judged = !actions
            .iter()
            .any(|action| matches!(action, Action::Perform(_)));
        self.perform(actions);
        if is_judged {
            self.context.forget_sent();
        }
    }

    fn perform_one(self: &Rc<Self>, action: Action) -> Result<(), JsValue> {
        match action {
            Action::StoreName(name) => self.storage.put(NAME, &JsValue::from_str(&name))?,
            Action::StoreRow(row) => {
                self.storage.put_bytes(ROW, &row)?;
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("row");
            }
            Action::SetAlarm(at) => self.storage.set_alarm(at)?,
            Action::DeleteAll => {
                self.deletion.replace(Some(self.storage.delete_all()?));
            }
            Action::Run(item) => self.spawn(|session| async move {
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("outbox");
                let succeeded = outbox::perform(item, &session.env).await;
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("outbox-done");
                session.step(|object| object.item_done(succeeded, io::now()));
                exporter::flush_if_idle(&session.env).await;
            }),
            Action::Fetch(call) => self.spawn(|session| async move {
                let (status, body) = session.ask_provider(call).await;
                #[cfg(feature = "planted-faults")]
                crate::worker::fault_injection::inject_next("provider");
                let actions = session
                    .decide(|object, context| object.provider_answered(status, body, context));
                session.perform_judged(actions.unwrap_or_default());
            }),
            Action::Perform(needs) => self.spawn(|session| async move {
                let found = session.perform_needs(needs).await;
                let actions =
                    session.decide(|object, context| object.needs_performed(found, context));
                session.perform_judged(actions.unwrap_or_default());
            }),
            Action::Reply(call, bytes) => {
                self.calls.answer(call, &Uint8Array::from(bytes.as_slice()));
            }
            Action::AlarmDone(call) => {
                let deletion = self.deletion.take();
                let done = deletion.map_or(JsValue::UNDEFINED, JsValue::from);
                self.calls.answer(call, &done);
            }
            Action::Log(event) => log::write(&event),
        }
        Ok(())
    }

    /// Runs background work, attributed to this object in case the instance dies of it.
    fn spawn<F: Future<Output = ()> + 'static>(self: &Rc<Self>, work: impl FnOnce(Rc<Self>) -> F) {
        let session = Rc::clone(self);
        let work = work(Rc::clone(self));
        run_in_background(&self.state, async move {
            drive::attributed(&session.context, work).await;
        });
    }

    /// Sends a request to an identity provider; returns a status of 0 without a response.
    async fn ask_provider(&self, call: Outbound) -> (u16, String) {
        let key = PROVIDER.to_owned();
        let found = self.perform_needs(vec![Need::Fetch { key, call }]).await;
        let answer = found.iter().find_map(|(_, found, _)| match found {
            Found::Bytes(bytes) => Reply::read(bytes),
            Found::Absent | Found::Unavailable => None,
        });
        answer.map_or_else(
            || (0, String::new()),
            |reply| (reply.status, reply.body.to_owned()),
        )
    }

    async fn perform_needs(&self, needs: Vec<Need>) -> Vec<(String, Found, UnixMillis)> {
        let mut found = Vec::new();
        for answered in drive::perform_all(needs, Vec::new(), &self.context).await {
            if let Answered::Found {
                key,
                found: what,
                asked,
            } = answered
            {
                found.push((key, what, asked));
            }
        }
        found
    }
}
