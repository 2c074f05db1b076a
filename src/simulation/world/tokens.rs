//! Simulates direct commands to sessions' objects: tokens, leases, and conditional changes.

use super::objects::PROVIDER_MS;
use super::*;

/// Duration of a lease, in milliseconds.
const LEASE_MS: u64 = 5_000;

/// Last lease that a client received.
#[derive(Clone, Copy)]
pub(super) struct Lease {
    pub(super) token: u64,
    /// Guaranteed and latest possible end, in milliseconds: answers get lost.
    sure: u64,
    pub(super) latest: u64,
    is_exclusive: bool,
}

impl World {
    /// Adds tokens to a session, as a sign-in does; two isolates refresh them later at once.
    pub(super) fn grant(&mut self, session: &str) {
        let change = Change {
            grant: Some(TokenSet {
                provider: "main".to_owned(),
                access_token: Some("a".to_owned()),
                expires: Some(UnixMillis(self.now).seconds() + TOKEN_LASTS),
                lasts: Some(TOKEN_LASTS),
                refresh_token: Some("r".to_owned()),
                ..TokenSet::default()
            }),
            ..Change::default()
        };
        let once = self.random.next_u64();
        let changing = UpdateCommand::new(change, once, Epoch::default());
        self.order(session, Operation::Change(Box::new(changing)));
        for _ in 0..4 {
            let lease = Event::Lease {
                session: session.to_owned(),
                token: None,
            };
            self.schedule(10_000, lease);
            let session = session.to_owned();
            self.schedule(2_000, Event::Compare { session });
        }
        for _ in 0..4 {
            let wait = self.below(90_000);
            for _ in 0..2 {
                let at = self.now + wait + self.below(PROVIDER_MS);
                let session = session.to_owned();
                self.schedule_at(at, Event::Refresh { session });
            }
        }
    }

    pub(super) fn refresh(&mut self, session: &str) {
        let call = Outbound {
            url: "https://id.example/token".to_owned(),
            authorization: None,
            form: Some(String::new()),
            limit: 1_024,
        };
        let order = Operation::Refresh {
            provider: "main".to_owned(),
            call,
            renewal: None,
        };
        self.order(session, order);
    }

    /// Takes or extends a lease for some seconds.
    pub(super) fn lease(&mut self, session: &str, token: Option<u64>) {
        let order = Operation::Lease(LeaseCommand {
            seconds: Seconds(LEASE_MS / 1_000),
            token,
            once: self.random.next_u64(),
            exclusive: token.is_none() && self.chance(500),
        });
        if let Some(lease) = self.leases.get_mut(session)
            && token == Some(lease.token)
        {
            lease.latest = self.now + LEASE_MS;
        }
        let caller = Caller::Lease(session.to_owned(), token);
        self.order_as(caller, session, order);
    }

    /// Records that a client received a lease.
    pub(super) fn lease_given(
        &mut self,
        session: &str,
        asked: Option<u64>,
        (token, until): (u64, u64),
        is_exclusive: bool,
    ) {
        if self.given_back.contains(&(session.to_owned(), token)) {
            // The answer arrives late.
            return;
        }
        let given = Lease {
            token,
            sure: until,
            latest: until,
            is_exclusive,
        };
        let before = self.leases.insert(session.to_owned(), given);
        let is_over = |before: &Lease| self.is_ended_by_sign_in(session, before);
        let is_held = |before: Lease| {
            self.now < before.sure && asked != Some(before.token) && !is_over(&before)
        };
        if before.is_some_and(is_held) {
            self.broken("a lease is given while another holds", session.to_owned());
        }
        let owned = || session.to_owned();
        let changes = Event::LeasedChange {
            session: owned(),
            token,
        };
        self.schedule(2 * LEASE_MS, changes);
        let other = Event::OtherChange { session: owned() };
        self.schedule(2 * LEASE_MS, other);
        if self.chance(300) {
            let extends = Event::Lease {
                session: owned(),
                token: Some(token),
            };
            self.schedule(LEASE_MS, extends);
        }
        if self.chance(200) {
            let session = owned();
            self.schedule(LEASE_MS, Event::Release { session, token });
        }
    }

    /// Changes the session under a lease.
    pub(super) fn leased_change(&mut self, session: &str, token: u64) {
        let changing = self.changing("l");
        let changing = UpdateCommand {
            lease: Some(token),
            ..changing
        };
        self.order(session, Operation::Change(Box::new(changing)));
    }

    /// A client without a lease changes the session.
    pub(super) fn other_change(&mut self, session: &str) {
        let changing = self.changing("o");
        self.order(session, Operation::Change(Box::new(changing)));
    }

    /// Returns whether a client certainly has an exclusive lease.
    pub(super) fn is_held_exclusively(&self, session: &str) -> bool {
        self.leases.get(session).is_some_and(|lease| {
            lease.is_exclusive && self.now < lease.sure && !self.is_ended_by_sign_in(session, lease)
        })
    }

    /// Returns whether a sign-in came after a lease was given.
    fn is_ended_by_sign_in(&self, session: &str, lease: &Lease) -> bool {
        let last = self.signed_in.get(session);
        last.is_some_and(|last| lease.token <= *last)
    }

    /// Releases a lease.
    pub(super) fn release(&mut self, session: &str, token: u64) {
        if let Some(lease) = self.leases.get_mut(session)
            && lease.token == token
        {
            lease.sure = 0;
        }
        self.given_back.insert((session.to_owned(), token));
        let caller = Caller::Release(session.to_owned(), token);
        self.order_as(caller, session, Operation::Release { token });
    }

    /// Records that a lease was released.
    pub(super) fn released(&mut self, session: &str, token: u64) {
        if let Some(lease) = self.leases.get_mut(session)
            && lease.token == token
        {
            lease.latest = 0;
        }
    }

    /// Reads a session for a conditional change.
    pub(super) fn compare(&mut self, session: &str) {
        let caller = Caller::Compare(session.to_owned());
        self.order_as(caller, session, Operation::Read);
    }

    pub(super) fn compared(&mut self, session: String, sealed: &[u8]) {
        let name = format!("{}/{session}", self.tenant);
        if let Some(Entry::Live(record)) = self.opened(&name, sealed) {
            let version = record.version;
            self.schedule(500, Event::ChangeIf { session, version });
        }
    }

    pub(super) fn change_if(&mut self, session: &str, version: Version) {
        let changing = self.changing("c");
        let changing = UpdateCommand {
            if_version: Some(version),
            ..changing
        };
        self.order(session, Operation::Change(Box::new(changing)));
    }

    /// Builds a change of a member that no other client changes in this way.
    fn changing(&mut self, member: &str) -> UpdateCommand {
        let once = self.random.next_u64();
        let change = Change {
            patch: Some(format!(r#"{{"{member}":{once}}}"#)),
            ..Change::default()
        };
        UpdateCommand::new(change, once, Epoch::default())
    }

    fn order(&mut self, session: &str, order: Operation) {
        self.order_as(Caller::Nobody, session, order);
    }

    fn order_as(&mut self, caller: Caller, session: &str, order: Operation) {
        let command = Command {
            lifetime: self.lifetime(),
            max_per_user: Some(MAX_PER_USER),
            adopt: None,
            named: None,
            order,
        };
        let name = format!("{}/{session}", self.tenant);
        self.call(caller, &name, &command.to_text());
    }

    pub(super) fn provider_answer(&mut self, name: &str, life: u64) {
        let fails = self.chance(self.rates.calls);
        let answer = json!({
            "access_token": "a", "refresh_token": "r", "expires_in": TOKEN_LASTS.0,
        });
        let (status, body) = if fails {
            (0, String::new())
        } else {
            (200, answer.to_string())
        };
        let mut random = ChaCha20Rng::seed_from_u64(self.random.next_u64());
        let now = UnixMillis(self.now);
        let object = self.objects.get_mut(name).unwrap();
        if object.life != life {
            return;
        }
        object.is_asking = false;
        let mut context = Context {
            keys: &self.keys,
            random: &mut random,
            now,
        };
        let live = object.live(now);
        let actions = live.provider_answered(status, body, &mut context);
        self.perform(name, actions);
    }
}
