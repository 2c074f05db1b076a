//! Runs requests through an isolate, and records what clients and origins observe.

use super::*;
use crate::gateway::Asker;
use crate::session::record::Record;

impl World {
    pub(super) fn go(&mut self, number: u64) {
        let Some(mut task) = self.tasks.remove(&number) else {
            return;
        };
        let place = task.isolate;
        if self.chance(self.rates.deaths) {
            // The isolate dies, and its answer is lost.
            return self.die(place);
        }
        if self.chance(self.rates.cancels) {
            return self.cancel(number);
        }
        let now = UnixMillis(self.now);
        let gateway = &mut self.isolates[place].gateway;
        let needs = match &task.stage {
            Stage::Admit => {
                match gateway.admit(
                    &Request::parse(&task.packed).unwrap(),
                    Asker::Visitor,
                    now,
                    &task.answers,
                ) {
                    Step::Await(needs) => needs,
                    Step::Forward(forward) => {
                        task.shown = self.served(&task, &forward.headers, &forward.origin);
                        let headers = Self::controls(&task);
                        task.edited = forward.handle_response || !headers.is_empty();
                        task.run_background = forward
                            .run_background
                            .then(|| forward.response_context.clone());
                        task.stage = Stage::HandleResponse {
                            response_context: forward.response_context,
                            headers,
                        };
                        task.answers = Answers::default();
                        let thinking =
                            [20, 200, 3_000, 20_000][usize::try_from(self.below(4)).unwrap()];
                        self.tasks.insert(number, task);
                        self.store_later(number, place);
                        return self.schedule(thinking, Event::Go { task: number });
                    }
                    Step::Answer(answer) | Step::Asset(answer) => {
                        self.store_later(number, place);
                        return self.answered(&task, answer.status, &answer.headers, &answer.body);
                    }
                }
            }
            Stage::HandleResponse {
                response_context,
                headers,
            } => {
                let action = if task.edited {
                    gateway.handle_response(response_context, 200, headers, now, &task.answers)
                } else {
                    ResponseAction::Untouched
                };
                match action {
                    ResponseAction::Await(needs) => needs,
                    done => {
                        self.store_later(number, place);
                        // The log reports a lost change, not the browser: a sign-in replaced the id, or the session
                        // ended meanwhile.
                        task.lost = self.read_log(place);
                        match done {
                            ResponseAction::Edited(edits) => {
                                self.deliver_response(&task, &edits.append);
                            }
                            ResponseAction::Replaced(answer) => {
                                self.answered(&task, answer.status, &answer.headers, &answer.body);
                            }
                            _ => self.deliver_response(&task, &[]),
                        }
                        if let Some(response_context) = task.run_background.take() {
                            task.stage = Stage::RunBackground { response_context };
                            task.answers = Answers::default();
                            self.tasks.insert(number, task);
                            self.schedule(10, Event::Go { task: number });
                        }
                        return;
                    }
                }
            }
            Stage::RunBackground { response_context } => {
                let needs = gateway.run_background(response_context, now, &task.answers);
                if needs.is_empty() {
                    return self.store_later(number, place);
                }
                needs
            }
        };
        task.missing = needs.len();
        self.tasks.insert(number, task);
        for need in needs {
            self.meet(number, place, need);
        }
    }

    pub(super) fn answer(&mut self, number: u64, answer: Reply) {
        let Some(task) = self.tasks.get_mut(&number) else {
            return;
        };
        match answer {
            Reply::Found(key, found, asked) => {
                task.answers.add(&key, found, UnixMillis(asked));
            }
            Reply::Written(acknowledged) => task.answers.set_written(acknowledged),
            Reply::Body(bytes) => task.answers.set_body(Body::Bytes(bytes)),
        }
        task.missing -= 1;
        if task.missing == 0 {
            self.go(number);
        }
    }

    pub(super) fn served(
        &mut self,
        task: &Task,
        headers: &Outgoing,
        origin: &str,
    ) -> Option<(String, BTreeSet<Mark>)> {
        let header = |name: &str| headers.value(name).unwrap_or_default().to_owned();
        let data: Value = serde_json::from_str(&header("x-session-data")).unwrap_or_default();
        let marks = marks(&data);
        let created: u64 = header("x-session-created").parse().unwrap();
        let degraded = header("x-session-state") == "degraded";
        let session = header("x-session-id");
        let session = crate::session::id::PublicName::parse(&session)
            .unwrap()
            .handle
            .to_text();
        let shown = (!degraded && !task.is_thief).then(|| (session.clone(), marks.clone()));
        let what = What::Served {
            browser: task.browser,
            sent: task.sent,
            session,
            created: created * 1000,
            is_thief: task.is_thief,
            guest: task
                .cookie
                .is_none_or(|token| token.least_version == Version::UNSTORED),
            marks,
            degraded,
            origin: origin.to_owned(),
        };
        self.observe(what);
        shown
    }

    /// Delivers an origin's answer to the browser.
    pub(super) fn deliver_response(&mut self, task: &Task, headers: &[(&'static str, String)]) {
        let session = self.session_of(task, headers);
        if let Some((session, marks)) = task.shown.clone() {
            self.observe(What::Seen {
                browser: task.browser,
                session,
                marks,
            });
        }
        if !task.is_thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
        // KV alone acknowledges no change, and a thief reports nothing.
        let kept = !task.lost && !task.is_thief && self.ordered;
        match (&task.action, session) {
            (ClientAction::Mark(mark), Some(session)) if kept => self.observe(What::Kept {
                browser: task.browser,
                session,
                mark: *mark,
            }),
            (ClientAction::Mark(mark), Some(_)) if !task.lost && !self.ordered => {
                if let Some(token) = task.cookie {
                    self.see_confirmed(task.isolate, token.handle, *mark);
                }
            }
            (ClientAction::SignIn, session) => {
                self.browsers[task.browser].user = true;
                if let Some(session) = session.clone() {
                    let sent = task.sent;
                    self.observe(What::SigningIn { session, sent });
                }
                if let Some(session) = session.filter(|_| kept) {
                    self.schedule(500, Event::TokenSet { session });
                }
            }
            (ClientAction::End, _) => {
                let cleared = headers.iter().any(|(_, line)| line.contains("Max-Age=0"));
                // A guest without a stored record has nothing to end.
                let recorded = task.cookie.filter(|token| token.least_version.0 > 0);
                if let Some(token) = recorded.filter(|_| cleared) {
                    self.over(token.handle);
                }
            }
            _ => {}
        }
    }

    /// Returns the session that an answer's cookie names.
    pub(super) fn session_of(
        &self,
        task: &Task,
        headers: &[(&'static str, String)],
    ) -> Option<String> {
        let line = headers.iter().find(|(name, _)| *name == "set-cookie");
        let value = line.and_then(|(_, line)| line.split(['=', ';']).nth(1));
        let token = value.and_then(|value| self.token(value)).or(task.cookie);
        // A cookie without a version does not prove a stored record.
        token
            .filter(|token| token.least_version.0 > 0)
            .map(|token| token.handle.to_text())
    }

    pub(super) fn over(&mut self, handle: Handle) {
        self.ended(&handle.to_text());
    }

    /// Records that a session is over. Tries its copied cookies just before the revocation must be known, and long
    /// after.
    pub(super) fn ended(&mut self, session: &str) {
        self.observe(What::Over {
            session: session.to_owned(),
        });
        if !self.ordered || !self.probed.insert(session.to_owned()) {
            return;
        }
        self.return_elsewhere(session);
        for is_far in [true, false] {
            let place = usize::try_from(self.below(4)).unwrap();
            let first = self.below(2_000);
            let later = 60_000 + self.below(240_000);
            let last = 600_000 + self.below(300_000);
            let times = [first, first + CACHE_S * 1000 - 40, later, last];
            let times = times.into_iter().zip([false, false, true, true]);
            for (at, is_new) in times.take(if is_far { 4 } else { 2 }) {
                let session = session.to_owned();
                let probe = Event::Probe {
                    session,
                    place,
                    is_new: is_new && self.chance(600),
                };
                self.schedule_at(self.now + at, probe);
            }
        }
    }

    /// Delivers an answer of the gateway itself.
    pub(super) fn answered(
        &mut self,
        task: &Task,
        status: u16,
        headers: &[(&'static str, String)],
        body: &str,
    ) {
        match (status, task.cookie) {
            (204, Some(token)) => {
                if task.action == ClientAction::SignOutEverywhere {
                    self.over_everywhere(task.browser);
                }
                if token.least_version.0 > 0 {
                    self.over(token.handle);
                }
            }
            (401, Some(token)) if !task.is_thief => {
                let body: Value = serde_json::from_str(body).unwrap_or_default();
                let reason = body["code"].as_str().unwrap_or_default().to_owned();
                let is_excused = reason == "session_rotated"
                    || (reason == "session_expired"
                        && self.now >= (token.created.0 + ABSOLUTE_S) * 1000);
                if !is_excused {
                    self.observe(What::Refused {
                        browser: task.browser,
                        sent: task.sent,
                        session: token.handle.to_text(),
                        created: token.created.0 * 1000,
                        reason,
                    });
                }
            }
            _ => {}
        }
        if !task.is_thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
    }

    /// Records the end of all sessions of this browser's user that the revocation covers.
    pub(super) fn over_everywhere(&mut self, browser: usize) {
        let user = Self::user(browser);
        let Some(tag) = self.keys.user_tags(&user).next() else {
            return;
        };
        let subject = Subject::User(tag).to_text();
        self.over_where(|world, record| {
            let is_theirs = record
                .identity
                .as_ref()
                .is_some_and(|identity| identity.user == user);
            is_theirs && world.directory.revoked_since(&subject, record.user_epoch.0)
        });
    }

    /// Records the end of all sessions that are revoked like this.
    pub(super) fn over_where(&mut self, is_over: impl Fn(&Self, &Record) -> bool) {
        let names = self.objects.keys();
        let over: Vec<String> = names
            .filter_map(|name| match self.stored_entry(name) {
                Some(Entry::Live(record)) if is_over(self, &record) => {
                    Some(record.handle.to_text())
                }
                _ => None,
            })
            .collect();
        for session in over {
            self.ended(&session);
        }
    }
}
