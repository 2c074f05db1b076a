//! What is said to a session's object, and what it answers: one line of JSON; in an answer the
//! sealed record follows it. Both ends may be of different releases: what is missing has a neutral
//! value, and what is not known is passed over.

use serde_json::{Value, json};

use crate::clock::{Seconds, UnixMillis, UnixSeconds};
use crate::effect::{CALL_DEADLINE_MS, Class, Need, Outbound};
use crate::encoding;
use crate::session::change::Change;
use crate::session::id::{Handle, SessionId, SignIn};
use crate::session::lifetime::Lifetime;
use crate::session::record::{Epoch, Version};
use crate::sign_in::renewal::Renewal;
use crate::tenant_id::TenantId;

/// Something said to a session's object.
#[derive(Clone, Debug, PartialEq)]
pub struct Command {
    /// The tenant's limits.
    pub lifetime: Lifetime,
    /// The most sessions a user may have.
    pub max_per_user: Option<u64>,
    /// The record as the namespace has it, should the object have none: from before the tenant
    /// ordered its writes.
    pub adopt: Option<Vec<u8>>,
    /// The sign-in in the name the asker knows the session by, none for a guest: if the session has
    /// another one by now, nothing is done and [`Is::Outdated`] is the answer. None if the asker means the
    /// session whoever signed in.
    pub named: Option<Option<SignIn>>,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Order {
    /// Tell what there is.
    Read,
    /// Tell what there is, and show it to the namespace again, which has rubbish.
    Repair,
    /// Change it.
    Change(Box<Changing>),
    /// Take the right to change it alone, or keep it longer.
    Lease {
        /// For how long.
        seconds: Seconds,
        /// The token of whoever has it already.
        token: Option<u64>,
        /// Tells one that is delivered twice.
        once: u64,
    },
    /// Ask the identity provider for a new access token, if the one there is has run out.
    Refresh {
        /// Which, as the tenant names it.
        provider: String,
        /// How; the refresh token is the object's to add.
        call: Outbound,
        /// What the provider's word is judged by that comes with it; an older release says nothing of that.
        renewal: Option<Box<Renewal>>,
    },
    /// Give that right back.
    Release {
        /// Its token.
        token: u64,
    },
}

/// A change, and when it is to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Changing {
    /// What is asked.
    pub change: Change,
    /// Tells a change that is delivered twice.
    pub once: u64,
    /// The id the asker came with; none for one who needs no cookie.
    pub id: Option<SessionId>,
    /// How the session begins if nothing is recorded of it yet.
    pub begin: Option<Begin>,
    /// The last revocation the asker knows.
    pub epoch: Epoch,
    /// Only to this version.
    pub if_version: Option<Version>,
    /// The token of the asker's lease.
    pub lease: Option<u64>,
}

/// A session of which nothing is recorded yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Begin {
    /// Its id.
    pub id: SessionId,
    /// When it began.
    pub created: UnixSeconds,
    /// On what kind of device.
    pub device: Option<String>,
    /// In which country.
    pub country: Option<String>,
}

impl Changing {
    /// A change nobody set a condition for.
    #[must_use]
    pub fn new(change: Change, once: u64, epoch: Epoch) -> Self {
        Self {
            change,
            once,
            id: None,
            begin: None,
            epoch,
            if_version: None,
            lease: None,
        }
    }
}

impl Command {
    /// To say it to the object of a session; the answer is filed under `key`.
    #[must_use]
    pub fn need(&self, tenant: &TenantId, handle: Handle, key: String) -> Need {
        Need::Call {
            deadline_ms: CALL_DEADLINE_MS,
            class: Class::Session,
            name: object_name(tenant, handle),
            command: self.to_text(),
            key,
        }
    }

    /// One line of JSON.
    #[must_use]
    pub fn to_text(&self) -> String {
        let order = match &self.order {
            Order::Read => json!({ "do": "read" }),
            Order::Repair => json!({ "do": "repair" }),
            Order::Change(changing) => json!({
                "do": "change",
                "change": changing.change.to_json(),
                "once": changing.once,
                "id": changing.id.map(|id| encoding::base64url(id.as_bytes())),
                "begin": changing.begin.as_ref().map(|begin| json!({
                    "id": encoding::base64url(begin.id.as_bytes()),
                    "created": begin.created.0,
                    "device": begin.device,
                    "country": begin.country,
                })),
                "epoch": changing.epoch.0,
                "if": changing.if_version.map(|version| version.0),
                "lease": changing.lease,
            }),
            Order::Lease {
                seconds,
                token,
                once,
            } => json!({ "do": "lease", "seconds": seconds.0, "token": token, "once": once }),
            Order::Refresh {
                provider,
                call,
                renewal,
            } => json!({
                "do": "refresh",
                "provider": provider,
                "call": call.to_json(),
                "renewal": renewal.as_ref().map(|renewal| renewal.to_json()),
            }),
            Order::Release { token } => json!({ "do": "release", "token": token }),
        };
        json!({
            "idle": self.lifetime.idle.0,
            "absolute": self.lifetime.absolute.0,
            "remember": self.lifetime.remember.0,
            "most": self.max_per_user,
            "adopt": self.adopt.as_ref().map(|sealed| encoding::base64url(sealed)),
            "named": self.named.map(|sign_in| sign_in.map(SignIn::to_text).unwrap_or_default()),
            "order": order,
        })
        .to_string()
    }

    /// The counterpart of [`Command::to_text`]; `None` for what is no command.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let command: Value = serde_json::from_str(text).ok()?;
        let number = |name: &str| command.get(name).and_then(Value::as_u64);
        Some(Self {
            lifetime: Lifetime {
                idle: Seconds(number("idle")?),
                absolute: Seconds(number("absolute")?),
                remember: Seconds(number("remember")?),
            },
            max_per_user: number("most"),
            adopt: command
                .get("adopt")
                .and_then(Value::as_str)
                .and_then(encoding::from_base64url),
            named: match command.get("named").and_then(Value::as_str) {
                None => None,
                Some("") => Some(None),
                Some(tag) => Some(Some(SignIn::parse(tag)?)),
            },
            order: parse_order(command.get("order")?)?,
        })
    }
}

/// The object's name: tenant and handle.
#[must_use]
pub fn object_name(tenant: &TenantId, handle: Handle) -> String {
    format!("{tenant}/{}", handle.to_text())
}

/// The counterpart of [`object_name`].
#[must_use]
pub fn parse_object_name(name: &str) -> Option<(TenantId, Handle)> {
    let (tenant, handle) = name.split_once('/')?;
    Some((TenantId::parse(tenant)?, Handle::parse(handle)?))
}

fn parse_order(order: &Value) -> Option<Order> {
    let number = |name: &str| order.get(name).and_then(Value::as_u64);
    match order.get("do")?.as_str()? {
        "read" => Some(Order::Read),
        "repair" => Some(Order::Repair),
        "change" => Some(Order::Change(Box::new(Changing {
            change: Change::from_json(order.get("change")?),
            once: number("once")?,
            id: order.get("id").and_then(parse_id),
            begin: order.get("begin").and_then(parse_begin),
            epoch: Epoch(number("epoch").unwrap_or_default()),
            if_version: number("if").map(Version),
            lease: number("lease"),
        }))),
        "lease" => Some(Order::Lease {
            seconds: Seconds(number("seconds")?),
            token: number("token"),
            once: number("once").unwrap_or_default(),
        }),
        "refresh" => Some(Order::Refresh {
            provider: order.get("provider")?.as_str()?.to_owned(),
            call: Outbound::from_json(order.get("call")?)?,
            renewal: order
                .get("renewal")
                .and_then(Renewal::from_json)
                .map(Box::new),
        }),
        "release" => Some(Order::Release {
            token: number("token")?,
        }),
        _ => None,
    }
}

fn parse_begin(begin: &Value) -> Option<Begin> {
    let text = |name: &str| begin.get(name).and_then(Value::as_str).map(str::to_owned);
    Some(Begin {
        id: begin.get("id").and_then(parse_id)?,
        created: UnixSeconds(begin.get("created")?.as_u64()?),
        device: text("device"),
        country: text("country"),
    })
}

fn parse_id(id: &Value) -> Option<SessionId> {
    encoding::from_base64url_exact(id.as_str()?).map(SessionId::from_bytes)
}

/// What an object says there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Is {
    /// A record; it follows.
    Live,
    /// A session that was ended.
    Ended,
    /// Nothing.
    Absent,
    /// The asker's id, or the sign-in in the asker's name for the session, is not valid any more.
    Outdated,
    /// Another version than the asker's; the record follows.
    Conflict,
    /// Somebody else's lease.
    Held,
    /// A record that cannot be read.
    Unreadable,
}

const NAMES: [(Is, &str); 7] = [
    (Is::Live, "live"),
    (Is::Ended, "ended"),
    (Is::Absent, "absent"),
    (Is::Outdated, "outdated"),
    (Is::Conflict, "conflict"),
    (Is::Held, "held"),
    (Is::Unreadable, "unreadable"),
];

/// What an object answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// What there is.
    pub is: Is,
    /// What was asked and not granted.
    pub refused: Vec<String>,
    /// The lease's token, and until when it holds.
    pub lease: Option<(u64, UnixMillis)>,
    /// What the caller waits for was not done: what changed will be told to everybody later.
    pub unannounced: bool,
    /// The record, sealed.
    pub sealed: Vec<u8>,
}

impl Reply {
    /// An answer without anything else.
    #[must_use]
    pub fn is(is: Is) -> Self {
        Self {
            is,
            refused: Vec::new(),
            lease: None,
            unannounced: false,
            sealed: Vec::new(),
        }
    }

    /// The line of JSON and the record.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let is = NAMES.iter().find(|(is, _)| *is == self.is);
        let line = json!({
            "is": is.map(|(_, name)| *name),
            "refused": self.refused,
            "lease": self.lease.map(|(token, until)| [token, until.0]),
            "unannounced": self.unannounced,
        });
        [line.to_string().as_bytes(), b"\n", &self.sealed].concat()
    }

    /// The counterpart of [`Reply::to_bytes`].
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.iter().position(|byte| *byte == b'\n')?;
        let line = encoding::json(bytes.get(..end)?)?;
        let name = line.get("is")?.as_str()?;
        let lease = line.get("lease").and_then(Value::as_array);
        let part = |at: usize| lease.and_then(|lease| lease.get(at)?.as_u64());
        Some(Self {
            is: NAMES.iter().find(|(_, own)| *own == name)?.0,
            refused: encoding::strings(line.get("refused")),
            lease: part(0).zip(part(1).map(UnixMillis)),
            unannounced: line.get("unannounced").and_then(Value::as_bool) == Some(true),
            sealed: bytes.get(end + 1..)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sign_in::methods::{Allow, ClaimNames};

    const LIFETIME: Lifetime = Lifetime {
        idle: Seconds(1),
        absolute: Seconds(2),
        remember: Seconds(3),
    };

    fn command(order: Order) -> Command {
        Command {
            lifetime: LIFETIME,
            max_per_user: Some(3),
            adopt: Some(vec![1, 2]),
            named: None,
            order,
        }
    }

    fn refresh(renewal: Option<Box<Renewal>>) -> Order {
        Order::Refresh {
            provider: "main".to_owned(),
            call: Outbound {
                url: "https://id.example/token".to_owned(),
                authorization: None,
                form: Some("a=b".to_owned()),
                limit: 9,
            },
            renewal,
        }
    }

    #[test]
    fn a_command_comes_through_as_it_was_said() {
        let id = SessionId::from_bytes([3; 16]);
        let changing = Changing {
            id: Some(id),
            begin: Some(Begin {
                id,
                created: UnixSeconds(5),
                device: Some("phone".to_owned()),
                country: None,
            }),
            if_version: Some(Version(9)),
            lease: Some(4),
            ..Changing::new(
                Change {
                    patch: Some("{\"a\":\"\n\"}".to_owned()),
                    ..Change::default()
                },
                u64::MAX,
                Epoch(8),
            )
        };
        for order in [
            Order::Read,
            Order::Repair,
            Order::Change(Box::new(changing)),
            Order::Lease {
                seconds: Seconds(5),
                token: None,
                once: 9,
            },
            Order::Release { token: 7 },
            refresh(None),
            refresh(Some(Box::new(Renewal {
                client_id: "c".to_owned(),
                claims: ClaimNames {
                    user: "u".to_owned(),
                    email: "e".to_owned(),
                    name: "n".to_owned(),
                    groups: "g".to_owned(),
                },
                allow: Allow {
                    email_domains: vec!["d.example".to_owned()],
                    groups: vec!["staff".to_owned()],
                    unverified_email: true,
                },
                jwks_uri: "https://id.example/keys".to_owned(),
                keys: Some("{\"keys\":[]}".to_owned()),
                userinfo: Some("https://id.example/me".to_owned()),
            }))),
        ] {
            for named in [None, Some(None), Some(Some(id.sign_in()))] {
                let command = Command {
                    named,
                    ..command(order.clone())
                };
                let text = command.to_text();
                assert!(!text.contains(['\n', '\t']));
                assert_eq!(Command::parse(&text), Some(command));
            }
        }
        assert_eq!(Command::parse("{}"), None);
    }

    #[test]
    fn an_answer_comes_through_with_its_record() {
        for (is, _) in NAMES {
            let reply = Reply {
                refused: vec!["ttl".to_owned()],
                lease: Some((3, UnixMillis(9))),
                unannounced: true,
                sealed: vec![0, 10, 255],
                ..Reply::is(is)
            };
            assert_eq!(Reply::parse(&reply.to_bytes()), Some(reply));
        }
        assert_eq!(Reply::parse(b"{}"), None);
    }

    #[test]
    fn an_object_is_named_by_tenant_and_handle() {
        let tenant = TenantId::parse("acme").unwrap();
        let handle = Handle([4; 16]);
        let name = object_name(&tenant, handle);
        assert_eq!(parse_object_name(&name), Some((tenant, handle)));
        assert_eq!(parse_object_name("x"), None);
    }
}
