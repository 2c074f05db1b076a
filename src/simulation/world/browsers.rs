//! Simulates browsers: the actions they choose, the requests they send, and the cookies they take.

use super::*;

impl World {
    pub(super) fn act(&mut self, browser: usize) {
        let Some(left) = self.browsers[browser].left.checked_sub(1) else {
            return;
        };
        self.browsers[browser].left = left;
        // A user sometimes continues on another device.
        let leaves = if self.rates.rest_ms > 400_000 {
            100
        } else {
            30
        };
        if self.chance(leaves) {
            self.browsers[browser].cookie = None;
            self.browsers[browser].user = false;
        }
        if self.chance(self.rates.endings) {
            self.end_all();
        }
        let action = self.choose_action(browser);
        let mut value = self.browsers[browser].cookie.clone();
        // A thief sometimes uses an old copied cookie.
        let copies = u64::try_from(self.browsers[browser].copied.len()).unwrap();
        let tries = matches!(action, ClientAction::Look | ClientAction::Mark(_));
        let is_thief = tries && copies > 0 && self.chance(200);
        if is_thief {
            let which = usize::try_from(self.below(copies)).unwrap();
            value = Some(self.browsers[browser].copied[which].clone());
        }
        let isolate = usize::try_from(self.below(4)).unwrap();
        if self.chance(self.rates.deaths) {
            self.die(isolate);
        }
        // A page causes more than one request.
        let more = match value {
            Some(_) if self.chance(self.rates.bursts) => self.below(6),
            _ => 0,
        };
        for _ in 0..more {
            let patch = self.chance(400).then(|| self.mark(browser));
            let more = Event::Send {
                isolate,
                browser,
                action: patch.unwrap_or(ClientAction::Look),
                copy: value.clone().filter(|_| is_thief),
            };
            self.schedule(800, more);
        }
        // Two tabs may sign out at once.
        let ends = matches!(action, ClientAction::SignOut | ClientAction::End);
        if ends && self.chance(500) {
            let again = Event::Send {
                isolate: (isolate + 1) % 4,
                browser,
                action: action.clone(),
                copy: None,
            };
            self.schedule(300, again);
        }
        self.send(isolate, browser, action, value, is_thief);
        let pause = match self.below(20) {
            0 => self.rates.rest_ms,
            1 if self.rates.rest_ms > 400_000 => self.rates.rest_ms,
            1..=3 => 30_000,
            4..=9 => 4_000,
            _ => 300,
        };
        self.schedule(pause, Event::Act { browser });
    }

    /// Sends a request to an isolate.
    pub(super) fn send(
        &mut self,
        isolate: usize,
        browser: usize,
        action: ClientAction,
        value: Option<String>,
        is_thief: bool,
    ) {
        let (method, target) = match action {
            ClientAction::SignOut | ClientAction::SignOutEverywhere => ("POST", "/_session/logout"),
            _ => ("GET", "/"),
        };
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        if action == ClientAction::SignOutEverywhere {
            packed.push_str("\ncontent-type\napplication/json");
        }
        if let Some(value) = &value {
            packed.push_str(&format!("\ncookie\n__Host-session={value}"));
        }
        let task = Task {
            isolate,
            browser,
            action,
            sent: self.now,
            packed,
            cookie: value.and_then(|value| self.token(&value)),
            stage: Stage::Admit,
            answers: Answers::default(),
            missing: 0,
            storing: None,
            run_background: None,
            edited: false,
            lost: false,
            shown: None,
            is_thief,
        };
        let session = task.cookie.map(|token| token.handle.to_text());
        self.announce_action(browser, &task.action, session);
        self.next_task += 1;
        self.tasks.insert(self.next_task, task);
        let task = self.next_task;
        self.schedule(100, Event::Go { task });
        if self.chance(self.rates.cancels * 5) {
            self.schedule(1_000, Event::Cancel { task });
        }
    }

    /// Records that a browser's action may take effect from now on.
    fn announce_action(&mut self, browser: usize, action: &ClientAction, session: Option<String>) {
        match (action, session) {
            (ClientAction::SignOutEverywhere, session) => {
                for other in 0..self.browsers.len() {
                    if Self::user(other) == Self::user(browser) {
                        let (browser, session) = (other, None);
                        self.observe(What::Ending { browser, session });
                    }
                }
                if session.is_some() {
                    self.observe(What::Ending { browser, session });
                }
            }
            (ClientAction::End | ClientAction::SignOut, session @ Some(_)) => {
                self.observe(What::Ending { browser, session });
            }
            (ClientAction::SignIn, Some(session)) => {
                let sent = self.now;
                self.observe(What::SigningIn { session, sent });
            }
            _ => {}
        }
    }

    /// Reloads pages during an outage, mostly the same one.
    pub(super) fn load_again(&mut self, isolate: usize) {
        let copied = self.browsers.iter().enumerate();
        let copied: Vec<(usize, String)> = copied
            .flat_map(|(browser, own)| own.copied.iter().map(move |value| (browser, value.clone())))
            .collect();
        if copied.is_empty() {
            return;
        }
        let mut which = 0;
        for again in 0..self.rates.bursts / 20 {
            if again % 6 == 0 {
                which = usize::try_from(self.below(copied.len() as u64)).unwrap();
            }
            let (browser, value) = copied[which].clone();
            let again = Event::Send {
                isolate,
                browser,
                action: ClientAction::Look,
                copy: Some(value),
            };
            self.schedule(4_000, again);
        }
    }

    /// Signs a user in on another device right after a sign-out.
    pub(super) fn return_elsewhere(&mut self, session: &str) {
        let name = format!("{}/{session}", self.tenant);
        let users = (0..self.browsers.len()).find(|browser| self.was_theirs(&name, *browser));
        let Some(browser) = users.filter(|_| self.chance(300)) else {
            return;
        };
        self.browsers[browser].cookie = None;
        self.browsers[browser].user = false;
        let isolate = usize::try_from(self.below(4)).unwrap();
        let returns = Event::Send {
            isolate,
            browser,
            action: ClientAction::SignIn,
            copy: None,
        };
        self.schedule(300, returns);
    }

    /// Sends a request with a copied cookie of a session.
    pub(super) fn probe(&mut self, session: &str, place: usize, is_new: bool) {
        if is_new {
            self.die(place);
        }
        for browser in 0..self.browsers.len() {
            let mut copies = self.browsers[browser].copied.iter().rev();
            let is_theirs = |token: Token| token.handle.to_text() == session;
            let copy = copies.find(|value| self.token(value).is_some_and(is_theirs));
            let copy = copy.cloned();
            if copy.is_some() {
                return self.send(place, browser, ClientAction::Look, copy, true);
            }
        }
    }

    fn mark(&mut self, browser: usize) -> ClientAction {
        let own = &mut self.browsers[browser];
        own.marks += 1;
        ClientAction::Mark((u64::try_from(browser).unwrap() << 32) + u64::from(own.marks))
    }

    pub(super) fn choose_action(&mut self, browser: usize) -> ClientAction {
        match self.below(100) {
            50..85 => self.mark(browser),
            85..90 => ClientAction::Rotate,
            90..94 => ClientAction::SignIn,
            94..96 => ClientAction::SignOut,
            96..98 if self.browsers[browser].user => ClientAction::SignOutEverywhere,
            98.. => ClientAction::End,
            _ => ClientAction::Look,
        }
    }

    pub(super) fn controls(task: &Task) -> String {
        match &task.action {
            ClientAction::Mark(mark) => format!("x-session-patch\n{{\"m{mark}\":1}}"),
            ClientAction::Rotate => "x-session-rotate\n1".to_owned(),
            ClientAction::SignIn => {
                let user = Self::user(task.browser);
                format!("x-session-identify\n{{\"user\":\"{user}\"}}")
            }
            ClientAction::End => "x-session-destroy\n1".to_owned(),
            _ => String::new(),
        }
    }

    pub(super) fn token(&self, value: &str) -> Option<Token> {
        let now = UnixMillis(self.now).seconds();
        let verified = Token::verify(value, &self.keys, now);
        verified.ok().map(|verified| verified.token)
    }

    /// Applies an answer's `Set-Cookie` to a browser. Late answers do not replace a newer cookie, because Vestibule
    /// cannot prevent that in a real browser.
    pub(super) fn take_cookie(
        &mut self,
        browser: usize,
        before: Option<&Token>,
        headers: &[(&'static str, String)],
    ) {
        for (name, line) in headers {
            if *name != "set-cookie" {
                continue;
            }
            let own = self.browsers[browser].cookie.clone();
            let own = own.and_then(|value| self.token(&value));
            if line.contains("Max-Age=0") {
                let same = own.map(|own| own.handle) == before.map(|token| token.handle);
                if same {
                    self.browsers[browser].cookie = None;
                    self.browsers[browser].user = false;
                }
                continue;
            }
            let value = line.split(['=', ';']).nth(1).unwrap_or_default();
            let Some(token) = self.token(value) else {
                panic!("a cookie of ours that is not: {line}");
            };
            // A guest's first cookie is not looked up, and serves that guest only.
            if token.least_version.0 > 0 {
                self.browsers[browser].copied.push(value.to_owned());
            }
            if let Some(before) = before
                && before.handle == token.handle
                && before.id != token.id
            {
                let text = |token: &Token| base64url(token.id.as_bytes());
                let (from, to) = (text(before), text(&token));
                self.observe(What::Replaced { from, to });
            }
            let latest = self.browsers[browser]
                .latest
                .entry(token.handle)
                .or_default();
            if *latest <= token.least_version {
                *latest = token.least_version;
                let gullible = Token {
                    least_version: token.least_version.min(Version(1)),
                    ..token
                };
                self.browsers[browser].cookie = Some(match self.injected {
                    Some(InjectedBug::IgnoresVersions) => gullible.mint(&self.keys),
                    _ => value.to_owned(),
                });
            }
        }
    }
}
