//! Drives browsers and checks that each finds its own data and no other.

use std::collections::{BTreeMap, HashMap};

use serde_json::{Value, json};

use super::call::Call;
use super::isolate::Isolate;
use crate::gateway::{Forward, ResponseAction, Step};
use crate::response::Answer;

pub(super) const BROWSERS: usize = 40;

/// A browser's state at one tenant, and the expected content of its session.
#[derive(Clone, Default)]
pub(super) struct Visit {
    pub(super) cookie: String,
    pub(super) handle: String,
    /// Public name of the session as the origin received it last.
    pub(super) name: String,
    pub(super) data: BTreeMap<String, String>,
    pub(super) user: Option<String>,
    pub(super) vaulted: Option<String>,
    /// Routing suffix of a client without cookies.
    pub(super) route: Option<String>,
}

/// All visits, by browser and tenant.
#[derive(Default)]
pub(super) struct Visits {
    pub(super) of: HashMap<(usize, usize), Visit>,
    serial: usize,
    /// Number of times each action happened.
    pub(super) done: BTreeMap<&'static str, usize>,
    /// Tenants that are deleted or have an invalid document.
    pub(super) out_of_order: Vec<usize>,
}

pub(super) fn forwarded(step: Step) -> Forward {
    match step {
        Step::Forward(forward) => *forward,
        other => panic!("not forwarded: {other:?}"),
    }
}

pub(super) fn answered(step: Step) -> Answer {
    match step {
        Step::Answer(answer) => answer,
        other => panic!("not answered: {other:?}"),
    }
}

pub(super) fn body(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_default()
}

/// Returns each `name=value` of the `Set-Cookie` lines.
pub(super) fn cookies<'a>(headers: &'a [(&'static str, String)]) -> impl Iterator<Item = &'a str> {
    let lines = headers.iter().filter(|(name, _)| *name == "set-cookie");
    lines.filter_map(|(_, line)| line.split(';').next())
}

/// Browser and tenant of an action.
#[derive(Clone, Copy)]
pub(super) struct Scene {
    pub(super) browser: usize,
    pub(super) at: usize,
}

impl Visits {
    pub(super) fn count(&mut self, what: &'static str) {
        *self.done.entry(what).or_default() += 1;
    }

    pub(super) fn url(isolate: &mut Isolate, at: usize, path: &str) -> String {
        let host = isolate.random.pick(&isolate.tenants[at].hosts);
        format!("https://{host}{path}")
    }

    pub(super) fn ask(&mut self, isolate: &mut Isolate, at: usize, call: &Call) -> Step {
        isolate.ask(Some(at), call, &mut |isolate| self.random_visit(isolate))
    }

    /// Creates a call without the browser's credentials.
    pub(super) fn call(isolate: &mut Isolate, at: usize, method: &'static str, path: &str) -> Call {
        Call::to(method, Self::url(isolate, at, path))
    }

    /// Sends the call from an unused address, so that no rate limit applies.
    pub(super) fn at_new_address(&mut self, call: Call) -> Call {
        self.serial += 1;
        call.with(
            "cf-connecting-ip",
            &format!("2001:db8:{:x}::1", self.serial),
        )
    }

    pub(super) fn cookie(&self, scene: Scene) -> String {
        let visit = self.of.get(&(scene.browser, scene.at));
        visit.map(|visit| visit.cookie.clone()).unwrap_or_default()
    }

    /// Returns a visit at another tenant, with that tenant's index.
    pub(super) fn another(&mut self, isolate: &mut Isolate, at: usize) -> Option<(usize, Visit)> {
        let mut others: Vec<&(usize, usize)> = self.of.keys().collect();
        others.sort_unstable();
        others.retain(|(_, other)| *other != at && !self.out_of_order.contains(other));
        if others.is_empty() {
            return None;
        }
        let key = **isolate.random.pick(&others);
        Some((key.1, self.of[&key].clone()))
    }

    /// Performs a random action of a random browser, unless that tenant is being served.
    pub(super) fn random_visit(&mut self, isolate: &mut Isolate) {
        let scene = Scene {
            browser: isolate.random.below(BROWSERS),
            at: isolate.random.below(isolate.tenants.len()),
        };
        if !isolate.served.contains(&scene.at) && !self.out_of_order.contains(&scene.at) {
            self.act(isolate, scene);
        }
    }

    /// Repeats the visit of a random known browser.
    pub(super) fn repeat_visit(&mut self, isolate: &mut Isolate) {
        let mut known: Vec<(usize, usize)> = self.of.keys().copied().collect();
        known.retain(|(_, at)| !self.out_of_order.contains(at));
        known.sort_unstable();
        let (browser, at) = *isolate.random.pick(&known);
        self.act(isolate, Scene { browser, at });
    }

    fn act(&mut self, isolate: &mut Isolate, scene: Scene) {
        isolate.now.0 += u64::try_from(isolate.random.below(1_500)).unwrap();
        match isolate.random.below(16) {
            0..=4 => self.talk(isolate, scene),
            5 => self.read_own_sessions(isolate, scene),
            6 => self.read_pages(isolate, scene),
            7 => self.operate(isolate, scene),
            8 => self.use_api(isolate, scene),
            9 => self.sign_in(isolate, scene),
            10 => self.sign_out(isolate, scene),
            11 => self.steal(isolate, scene),
            12 => self.claim(isolate, scene),
            13 => self.sign_in_by_password(isolate, scene),
            14 => self.without_cookies(isolate, scene),
            _ => self.steal_sign_in(isolate, scene),
        }
    }

    /// Sends a request and lets its origin change the session.
    pub(super) fn talk(&mut self, isolate: &mut Isolate, scene: Scene) {
        let (forward, mut visit) = self.own(isolate, scene);
        let mark = isolate.tenants[scene.at].mark.clone();
        self.serial += 1;
        let value = format!("{mark}-{}", self.serial);
        let mut headers = Vec::new();
        let key = format!("k{}", isolate.random.below(4));
        headers.push(format!("x-session-patch\n{}", json!({ &key: value })));
        visit.data.insert(key, value.clone());
        if visit.user.is_none() && isolate.random.one_in(3) {
            let user = format!("user-{}-{mark}", scene.browser);
            let identity = json!({
                "user": user, "email": format!("{value}@mail.example"),
                "name": format!("Name {mark}"), "groups": [format!("g-{mark}")],
            });
            headers.push(format!("x-session-identify\n{identity}"));
            visit.user = Some(user);
            // Signing in discards the guest's vaulted cookie.
            visit.vaulted = None;
        }
        if isolate.random.one_in(2) {
            headers.push(format!("set-cookie\nvault_a={value}; Path=/"));
            visit.vaulted = isolate.tenants[scene.at].has_vault.then_some(value);
        }
        let mut other = |isolate: &mut Isolate| self.random_visit(isolate);
        match isolate.handle_response(scene.at, &forward, &headers.join("\n"), &mut other) {
            ResponseAction::Edited(edits) => {
                let own = cookies(&edits.append).next();
                if let Some((_, value)) = own.and_then(|own| own.split_once('=')) {
                    isolate.leaks.belongs(scene.at, value);
                    visit.cookie = value.to_owned();
                }
            }
            ResponseAction::Untouched => {}
            other => panic!("{other:?}"),
        }
        self.of.insert((scene.browser, scene.at), visit);
        self.count("talked");
    }

    /// Sends the browser's own request, and checks that it finds its data.
    pub(super) fn own(&mut self, isolate: &mut Isolate, scene: Scene) -> (Forward, Visit) {
        let Scene { browser, at } = scene;
        let visit = self.of.get(&(browser, at)).cloned().unwrap_or_default();
        let is_open = !isolate.tenants[at].is_closed || visit.user.is_some();
        let path = if is_open {
            *isolate.random.pick(&["/", "/api/x?q=1", "/public/x"])
        } else {
            let url = Self::url(isolate, at, "/");
            let call = Call::to("GET", url).with("cookie", &session(&visit.cookie));
            assert_eq!(answered(self.ask(isolate, at, &call)).status, 401);
            "/public/x"
        };
        let mut call = Self::call(isolate, at, "GET", path);
        if !visit.cookie.is_empty() && isolate.random.one_in(4) {
            call = call.with("authorization", &format!("Bearer {}", visit.cookie));
        } else {
            call = call.with("cookie", &session(&visit.cookie));
        }
        if isolate.random.one_in(2) {
            call = call.by_person();
        }
        let forward = forwarded(self.ask(isolate, at, &call));
        let visit = self.found(isolate, at, &forward, visit);
        (forward, visit)
    }

    /// Checks that the origin's headers match the expected session.
    pub(super) fn found(
        &mut self,
        isolate: &mut Isolate,
        at: usize,
        forward: &Forward,
        visit: Visit,
    ) -> Visit {
        let header = |name| forward.headers.value(name);
        let tenant = &isolate.tenants[at];
        let mark = &tenant.mark;
        assert!(forward.url.contains(&format!(".{mark}.internal:8000/")));
        assert_eq!(header("x-session-tenant"), Some(tenant.id.as_str()));
        let env = json!({ "KEY": format!("api-key-{mark}"), "MODEL": format!("model-{mark}") });
        assert_eq!(header("x-session-env"), Some(env.to_string().as_str()));
        let data = (!visit.data.is_empty()).then(|| json!(visit.data).to_string());
        assert_eq!(header("x-session-data"), data.as_deref(), "{mark}");
        assert_eq!(header("x-session-user"), visit.user.as_deref());
        let vaulted = visit
            .vaulted
            .as_ref()
            .map(|value| format!("vault_a={value}"));
        assert_eq!(header("cookie"), vaulted.as_deref());
        let handle = header("x-session-id").unwrap().to_owned();
        let (lasting, _) = handle.split_once('.').unwrap_or((&handle, ""));
        assert!(visit.handle.is_empty() || visit.handle == lasting);
        isolate.leaks.belongs(at, &handle);
        Visit {
            handle: lasting.to_owned(),
            name: handle,
            ..visit
        }
    }
}

pub(super) fn session(cookie: &str) -> String {
    if cookie.is_empty() {
        return String::new();
    }
    format!("__Host-session={cookie}")
}
