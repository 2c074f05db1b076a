//! What browsers want, send, and take from answers.

use super::*;

impl World {
    pub(super) fn act(&mut self, browser: usize) {
        let Some(left) = self.browsers[browser].left.checked_sub(1) else {
            return;
        };
        self.browsers[browser].left = left;
        // Now and then a user goes on with another device.
        if self.chance(30) {
            self.browsers[browser].cookie = None;
            self.browsers[browser].user = false;
        }
        let wish = self.wish(browser);
        let (method, target) = match wish {
            ClientAction::SignOut | ClientAction::SignOutEverywhere => ("POST", "/_session/logout"),
            _ => ("GET", "/"),
        };
        let mut packed = format!("{method}\nhttps://chat.example{target}");
        if wish == ClientAction::SignOutEverywhere {
            packed.push_str("\ncontent-type\napplication/json");
        }
        let mut value = self.browsers[browser].cookie.clone();
        // Somebody with a copy of an old cookie looks in now and then.
        let copies = u64::try_from(self.browsers[browser].copied.len()).unwrap();
        let thief = wish == ClientAction::Look && copies > 0 && self.chance(200);
        if thief {
            let which = usize::try_from(self.below(copies)).unwrap();
            value = Some(self.browsers[browser].copied[which].clone());
        }
        if let Some(value) = &value {
            packed.push_str(&format!("\ncookie\n__Host-session={value}"));
        }
        let isolate = usize::try_from(self.below(4)).unwrap();
        if self.chance(self.weather.deaths) {
            self.die(isolate);
        }
        let task = Task {
            isolate,
            browser,
            wish,
            sent: self.now,
            packed,
            cookie: value.and_then(|value| self.token(&value)),
            stage: Stage::Admit,
            answers: Answers::default(),
            lacking: 0,
            storing: None,
            run_background: None,
            edited: false,
            lost: false,
            shown: None,
            thief,
        };
        let session = match task.wish {
            ClientAction::End | ClientAction::SignOut => {
                task.cookie.map(|token| Some(token.handle.to_text()))
            }
            ClientAction::SignOutEverywhere => Some(None),
            _ => None,
        };
        if let Some(session) = session {
            self.observe(What::Ending { browser, session });
        }
        self.next_task += 1;
        self.tasks.insert(self.next_task, task);
        let task = self.next_task;
        self.schedule(100, Event::Go { task });
        let pause = match self.below(20) {
            0 => 400_000,
            1..=3 => 30_000,
            4..=9 => 4_000,
            _ => 300,
        };
        self.schedule(pause, Event::Act { browser });
    }

    pub(super) fn wish(&mut self, browser: usize) -> ClientAction {
        match self.below(100) {
            50..85 => {
                let own = &mut self.browsers[browser];
                own.marks += 1;
                ClientAction::Mark((u64::try_from(browser).unwrap() << 32) + u64::from(own.marks))
            }
            85..90 => ClientAction::Rotate,
            90..94 => ClientAction::SignIn,
            94..96 => ClientAction::SignOut,
            96..98 if self.browsers[browser].user => ClientAction::SignOutEverywhere,
            98.. => ClientAction::End,
            _ => ClientAction::Look,
        }
    }

    pub(super) fn controls(&self, task: &Task) -> String {
        match &task.wish {
            ClientAction::Mark(mark) => format!("x-session-patch\n{{\"m{mark}\":1}}"),
            ClientAction::Rotate => "x-session-rotate\n1".to_owned(),
            ClientAction::SignIn => {
                format!("x-session-identify\n{{\"user\":\"u{}\"}}", task.browser)
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

    /// A browser takes what an answer says about its cookie. Answers that overtake each other do not
    /// take back a newer one: nothing an edge does could help there.
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
            // A guest's first cookie is not looked up, and passes for that guest only.
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
                self.browsers[browser].cookie = Some(match self.planted {
                    Some(InjectedBug::Gullible) => gullible.mint(&self.keys),
                    _ => value.to_owned(),
                });
            }
        }
    }
}
