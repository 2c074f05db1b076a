//! Requests on their way through an isolate, and what the outside gets to see of them.

use super::*;
use crate::gateway::Asker;

impl World {
    pub(super) fn go(&mut self, number: u64) {
        let Some(mut task) = self.tasks.remove(&number) else {
            return;
        };
        let place = task.isolate;
        if self.chance(self.weather.deaths) {
            // Gone, and its answer with it.
            return self.die(place);
        }
        if self.chance(self.weather.cancels) {
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
                        let headers = self.controls(&task);
                        task.edited = forward.handle_response || !headers.is_empty();
                        task.run_background = forward
                            .run_background
                            .then(|| forward.response_context.clone());
                        task.stage = Stage::Settle {
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
            Stage::Settle {
                response_context,
                headers,
            } => {
                let settled = if task.edited {
                    gateway.handle_response(response_context, 200, headers, now, &task.answers)
                } else {
                    ResponseAction::Untouched
                };
                match settled {
                    ResponseAction::Await(needs) => needs,
                    done => {
                        self.store_later(number, place);
                        // Told to the operator, not to the browser: its id was replaced by a sign-in
                        // or its session ended while it was under way.
                        let events = self.isolates[place].gateway.recorder.take_events();
                        task.lost = events
                            .iter()
                            .any(|event| event.to_line().contains("session_change_lost"));
                        match done {
                            ResponseAction::Edited(edits) => self.settled(&task, &edits.append),
                            ResponseAction::Replaced(answer) => {
                                self.answered(&task, answer.status, &answer.headers, &answer.body);
                            }
                            _ => self.settled(&task, &[]),
                        }
                        if let Some(response_context) = task.run_background.take() {
                            task.stage = Stage::Afterwards { response_context };
                            task.answers = Answers::default();
                            self.tasks.insert(number, task);
                            self.schedule(10, Event::Go { task: number });
                        }
                        return;
                    }
                }
            }
            Stage::Afterwards { response_context } => {
                let needs = gateway.run_background(response_context, now, &task.answers);
                if needs.is_empty() {
                    return self.store_later(number, place);
                }
                needs
            }
        };
        task.lacking = needs.len();
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
        task.lacking -= 1;
        if task.lacking == 0 {
            self.go(number);
        }
    }

    pub(super) fn served(
        &mut self,
        task: &Task,
        headers: &Outgoing,
        origin: &str,
    ) -> Option<(String, BTreeSet<Mark>)> {
        let told = |name: &str| headers.value(name).unwrap_or_default().to_owned();
        let data: Value = serde_json::from_str(&told("x-session-data")).unwrap_or_default();
        let marks = marks(&data);
        let created: u64 = told("x-session-created").parse().unwrap();
        let degraded = told("x-session-state") == "degraded";
        let session = told("x-session-id");
        let session = crate::session::id::PublicName::parse(&session)
            .unwrap()
            .handle
            .to_text();
        let shown = (!degraded && !task.thief).then(|| (session.clone(), marks.clone()));
        let what = What::Served {
            browser: task.browser,
            sent: task.sent,
            session,
            created: created * 1000,
            thief: task.thief,
            marks,
            degraded,
            origin: origin.to_owned(),
        };
        self.observe(what);
        shown
    }

    /// An origin's answer has reached the browser.
    pub(super) fn settled(&mut self, task: &Task, headers: &[(&'static str, String)]) {
        let session = self.session_of(task, headers);
        if let Some((session, marks)) = task.shown.clone() {
            self.observe(What::Seen {
                browser: task.browser,
                session,
                marks,
            });
        }
        if !task.thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
        // With KV alone nobody is told that a change is kept.
        let kept = !task.lost && self.ordered;
        match (&task.wish, session) {
            (ClientAction::Mark(mark), Some(session)) if kept => self.observe(What::Kept {
                browser: task.browser,
                session,
                mark: *mark,
            }),
            (ClientAction::SignIn, session) => {
                self.browsers[task.browser].user = true;
                if let Some(session) = session.filter(|_| kept) {
                    self.schedule(500, Event::TokenSet { session });
                }
            }
            (ClientAction::End, _) => {
                let cleared = headers.iter().any(|(_, line)| line.contains("Max-Age=0"));
                // A guest of whom nothing is stored has nothing that could end.
                let recorded = task.cookie.filter(|token| token.least_version.0 > 0);
                if let Some(token) = recorded.filter(|_| cleared) {
                    self.over(token.handle);
                }
            }
            _ => {}
        }
    }

    /// Which session an answer concerns: the one its cookie names.
    pub(super) fn session_of(
        &self,
        task: &Task,
        headers: &[(&'static str, String)],
    ) -> Option<String> {
        let line = headers.iter().find(|(name, _)| *name == "set-cookie");
        let value = line.and_then(|(_, line)| line.split(['=', ';']).nth(1));
        let token = value.and_then(|value| self.token(value)).or(task.cookie);
        // A cookie without a version vouches for nothing that is stored.
        token
            .filter(|token| token.least_version.0 > 0)
            .map(|token| token.handle.to_text())
    }

    pub(super) fn over(&mut self, handle: Handle) {
        let session = handle.to_text();
        self.observe(What::Over { session });
    }

    /// The edge itself has answered.
    pub(super) fn answered(
        &mut self,
        task: &Task,
        status: u16,
        headers: &[(&'static str, String)],
        body: &str,
    ) {
        match (status, task.cookie) {
            (204, Some(token)) => {
                if task.wish == ClientAction::SignOutEverywhere {
                    self.over_everywhere(task.browser);
                }
                if token.least_version.0 > 0 {
                    self.over(token.handle);
                }
            }
            (401, Some(token)) if !task.thief => {
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
                        reason,
                    });
                }
            }
            _ => {}
        }
        if !task.thief {
            self.take_cookie(task.browser, task.cookie.as_ref(), headers);
        }
    }

    /// All sessions that were this browser's user's when it was revoked.
    pub(super) fn over_everywhere(&mut self, browser: usize) {
        let user = format!("u{browser}");
        let Some(tag) = self.keys.user_tags(&user).next() else {
            return;
        };
        let subject = Subject::User(tag).to_text();
        let mine: BTreeSet<String> = self
            .objects
            .keys()
            .filter_map(|name| match self.stands(name) {
                Some(Entry::Live(record)) => record
                    .identity
                    .filter(|who| who.user == user)
                    .filter(|_| self.directory.revoked_since(&subject, record.user_epoch.0))
                    .map(|_| record.handle.to_text()),
                _ => None,
            })
            .collect();
        for session in mine {
            self.observe(What::Over { session });
        }
    }
}
