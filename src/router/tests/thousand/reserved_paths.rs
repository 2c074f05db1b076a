//! Exercises the reserved paths as client, origin and operator, with own and foreign credentials.

use serde_json::json;

use super::call::Call;
use super::credentials::alices_password;
use super::isolate::Isolate;
use super::visits::{Scene, Visit, Visits, answered, body, cookies, forwarded, session};
use crate::gateway::Step;

impl Visits {
    /// Reads `/me` and the user's own list.
    pub(super) fn read_own_sessions(&mut self, isolate: &mut Isolate, scene: Scene) {
        let Some(visit) = self.of.get(&(scene.browser, scene.at)).cloned() else {
            return;
        };
        if isolate.tenants[scene.at].is_closed && visit.user.is_none() {
            return;
        }
        let cookie = session(&visit.cookie);
        let me = Self::call(isolate, scene.at, "GET", "/_session/me").with("cookie", &cookie);
        let response = body(&answered(self.ask(isolate, scene.at, &me)));
        assert_eq!(response["tenant"], isolate.tenants[scene.at].id);
        assert_eq!(
            (&response["data"], &response["user"]),
            (&json!(visit.data), &json!(visit.user))
        );
        let list = Self::call(isolate, scene.at, "GET", "/_session/sessions");
        let response = body(&answered(self.ask(
            isolate,
            scene.at,
            &list.with("cookie", &cookie),
        )));
        let listed = response["sessions"].as_array().unwrap();
        let current: Vec<_> = listed.iter().filter(|one| one["current"] == true).collect();
        assert_eq!(current.len(), 1);
        let handle = current[0]["handle"].as_str().unwrap();
        assert!(handle.starts_with(&visit.handle), "{handle}");
        assert!(listed.iter().all(|one| one["user"] == json!(visit.user)));
        if let Some((_, other)) = self.another(isolate, scene.at) {
            let path = format!("/_session/sessions/{}", other.handle);
            let end = Self::call(isolate, scene.at, "DELETE", &path).with("cookie", &cookie);
            assert_eq!(answered(self.ask(isolate, scene.at, &end)).status, 404);
        }
        self.count("looked at sessions");
    }

    /// Reads pages and files.
    pub(super) fn read_pages(&mut self, isolate: &mut Isolate, scene: Scene) {
        let mark = isolate.tenants[scene.at].mark.clone();
        let page =
            |isolate: &mut Isolate, path| Self::call(isolate, scene.at, "GET", path).by_person();
        let call = page(isolate, "/_session/signed-out");
        assert!(
            answered(self.ask(isolate, scene.at, &call))
                .body
                .contains(&mark)
        );
        for path in [
            "/_session/login?return_to=/x",
            "/_session/logout",
            "/_session/none",
        ] {
            let call = page(isolate, path);
            self.ask(isolate, scene.at, &call);
        }
        for (path, name) in [("/logo", "logo"), ("/style.css", "style")] {
            let url = Self::url(isolate, scene.at, path);
            let call = Call::to("GET", url);
            match self.ask(isolate, scene.at, &call) {
                Step::Asset(answer) => {
                    let tag = ("etag", format!("\"{name}{mark}\""));
                    assert!(answer.headers.contains(&tag), "{answer:?}");
                }
                _ => assert!(!isolate.tenants[scene.at].has_assets),
            }
        }
        self.count("read pages and files");
    }

    /// Uses the admin API with the tenant's own token and with a foreign one.
    pub(super) fn operate(&mut self, isolate: &mut Isolate, scene: Scene) {
        let Some((other, stolen)) = self.another(isolate, scene.at) else {
            return;
        };
        let own = isolate.tenants[scene.at].admin_token();
        let foreign = isolate.tenants[other].admin_token();
        let path = "/_session/admin/sessions?limit=100";
        for (token, status) in [(&foreign, 401), (&own, 200)] {
            let call = Self::call(isolate, scene.at, "GET", path)
                .with("authorization", &format!("Bearer {token}"));
            let call = self.at_new_address(call);
            assert_eq!(answered(self.ask(isolate, scene.at, &call)).status, status);
        }
        // Ending a foreign session here has no effect.
        let path = format!("/_session/admin/sessions/{}", stolen.handle);
        let call = Self::call(isolate, scene.at, "DELETE", &path)
            .with("authorization", &format!("Bearer {own}"));
        assert_eq!(answered(self.ask(isolate, scene.at, &call)).status, 204);
        let path = format!(
            "/_session/admin/sessions?user=user-{}",
            isolate.tenants[other].mark
        );
        let call = Self::call(isolate, scene.at, "DELETE", &path)
            .with("authorization", &format!("Bearer {own}"));
        assert_eq!(answered(self.ask(isolate, scene.at, &call)).status, 204);
        self.count("operated");
    }

    /// Uses the session API of origins.
    pub(super) fn use_api(&mut self, isolate: &mut Isolate, scene: Scene) {
        if !self.of.contains_key(&(scene.browser, scene.at)) {
            return;
        }
        let Some((other, stolen)) = self.another(isolate, scene.at) else {
            return;
        };
        // The API accepts only the session's public name since the last sign-in.
        let (_, visit) = self.own(isolate, scene);
        let key = isolate.tenants[scene.at].origin_key();
        let foreign = isolate.tenants[other].origin_key();
        for (handle, key, status) in [
            (&visit.name, &key, 200),
            (&visit.name, &foreign, 401),
            (&stolen.handle, &key, 404),
            (&stolen.handle, &foreign, 401),
        ] {
            let path = format!("/_session/api/sessions/{handle}");
            let call = Self::call(isolate, scene.at, "GET", &path)
                .with("authorization", &format!("Bearer {key}"));
            let call = self.at_new_address(call);
            let answer = answered(self.ask(isolate, scene.at, &call));
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 200 {
                assert_eq!(body(&answer)["data"], json!(visit.data));
            }
        }
        self.count("used the API");
    }

    pub(super) fn sign_out(&mut self, isolate: &mut Isolate, scene: Scene) {
        let Some(visit) = self.of.get(&(scene.browser, scene.at)).cloned() else {
            return;
        };
        let call = Self::call(isolate, scene.at, "POST", "/_session/logout")
            .with("sec-fetch-site", "same-origin")
            .with("cookie", &session(&visit.cookie));
        assert_eq!(answered(self.ask(isolate, scene.at, &call)).status, 204);
        self.of.remove(&(scene.browser, scene.at));
        let call = Self::call(isolate, scene.at, "GET", "/public/x")
            .with("cookie", &session(&visit.cookie));
        match self.ask(isolate, scene.at, &call) {
            Step::Answer(answer) => assert_eq!(answer.status, 401),
            step => {
                let forward = forwarded(step);
                assert_eq!(forward.headers.value("x-session-data"), None);
            }
        }
        self.count("signed out");
    }

    /// Signs in by password, which only the account's own tenant accepts.
    pub(super) fn sign_in_by_password(&mut self, isolate: &mut Isolate, scene: Scene) {
        let methods = &isolate.tenants[scene.at].document["login"]["methods"];
        if methods["password"] != true {
            return;
        }
        let Some((other, _)) = self.another(isolate, scene.at) else {
            return;
        };
        let marks = [other, scene.at].map(|at| isolate.tenants[at].mark.clone());
        for (mark, status) in marks.iter().zip([401, 200]) {
            isolate.now.0 += 61_000;
            let credentials = json!({ "username": "alice", "password": alices_password(mark) });
            let call = Self::call(isolate, scene.at, "POST", "/_session/login").json(&credentials);
            let answer = answered(self.ask(isolate, scene.at, &call));
            assert_eq!(answer.status, status, "{answer:?}");
            if status == 200 {
                self.signed_in(isolate, scene, cookies(&answer.headers).next());
            }
        }
        self.count("signed in by password");
    }

    fn signed_in(&mut self, isolate: &mut Isolate, scene: Scene, cookie: Option<&str>) {
        let value = cookie.and_then(|cookie| cookie.strip_prefix("__Host-session="));
        let cookie = value.expect("a cookie").to_owned();
        isolate.leaks.belongs(scene.at, &cookie);
        let visit = Visit {
            cookie,
            user: Some(format!("user-{}", isolate.tenants[scene.at].mark)),
            ..Visit::default()
        };
        self.of.insert((scene.browser, scene.at), visit);
        let (_, visit) = self.own(isolate, scene);
        self.of.insert((scene.browser, scene.at), visit);
    }

    /// Signs in at a tenant's provider, from beginning to end.
    pub(super) fn sign_in(&mut self, isolate: &mut Isolate, scene: Scene) {
        if let Some(begun) = self.begin(isolate, scene.at) {
            self.finish(isolate, scene, &begun);
            self.count("signed in at a provider");
        }
    }

    /// Begins a sign-in at one tenant and fails to finish it at another.
    pub(super) fn steal_sign_in(&mut self, isolate: &mut Isolate, scene: Scene) {
        let mut others: Vec<usize> = (0..isolate.tenants.len()).collect();
        others.retain(|other| {
            isolate.tenants[*other].has_provider
                && *other != scene.at
                && !isolate.served.contains(other)
                && !self.out_of_order.contains(other)
        });
        if others.is_empty() {
            return;
        }
        let thief = *isolate.random.pick(&others);
        let Some(begun) = self.begin(isolate, scene.at) else {
            return;
        };
        let call = Self::call(isolate, thief, "GET", &begun.path).with("cookie", &begun.cookie);
        let before = isolate.fetched;
        let answer = isolate.ask(Some(thief), &call, &mut |_| {});
        let answer = answered(answer);
        assert_eq!(
            (answer.status, isolate.fetched),
            (400, before),
            "{answer:?}"
        );
        self.finish(isolate, scene, &begun);
        self.count("stole a sign-in");
    }

    fn begin(&mut self, isolate: &mut Isolate, at: usize) -> Option<Begun> {
        if !isolate.tenants[at].has_provider {
            return None;
        }
        let path = format!("/_session/login?provider=id-{}", isolate.tenants[at].mark);
        let call = Self::call(isolate, at, "GET", &path).by_person();
        let answer = answered(self.ask(isolate, at, &call));
        assert_eq!(answer.status, 303, "{answer:?}");
        let cookie = cookies(&answer.headers).next().unwrap().to_owned();
        let location = answer.headers.iter().find(|(name, _)| *name == "location");
        let location = &location.unwrap().1;
        let part = |name: &str| {
            let (_, rest) = location.split_once(name).unwrap();
            rest.split('&').next().unwrap().to_owned()
        };
        let (state, nonce) = (part("&state="), part("&nonce="));
        for secret in [&cookie, &state, &nonce, &part("&code_challenge=")] {
            isolate.leaks.belongs(at, secret);
        }
        let host = call.url.split('/').nth(2).unwrap().to_owned();
        Some(Begun {
            host,
            path: format!("/_session/callback?state={state}&code={nonce}"),
            cookie,
        })
    }

    fn finish(&mut self, isolate: &mut Isolate, scene: Scene, begun: &Begun) {
        let url = format!("https://{}{}", begun.host, begun.path);
        let call = Call::to("GET", url)
            .by_person()
            .with("cookie", &begun.cookie);
        let answer = answered(self.ask(isolate, scene.at, &call));
        assert_eq!(answer.status, 303, "{answer:?}");
        let set = cookies(&answer.headers).find(|line| line.starts_with("__Host-session="));
        self.signed_in(isolate, scene, set);
    }
}

/// Sign-in in progress.
struct Begun {
    host: String,
    path: String,
    cookie: String,
}
