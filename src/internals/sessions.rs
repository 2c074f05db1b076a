//! Creates sessions as the Worker stores them: sealed by the same code, each with its cookie.

use std::ops::Range;
use std::thread;
use std::time::SystemTime;

use chacha20::ChaCha20Rng;
use chacha20::rand_core::SeedableRng as _;
use serde_json::{Value, json};

use crate::clock::UnixSeconds;
use crate::cookie::token::Token;
use crate::keys::{DeploymentKeys, KeyRing};
use crate::session::codec;
use crate::session::data::Data;
use crate::session::id::{Handle, RecordName, SessionId};
use crate::session::record::{Entry, Record, Version};
use crate::tenant_id::TenantId;

/// Cookie and stored session.
pub struct Made {
    /// Value of the cookie.
    pub cookie: String,
    /// Storage key and sealed record; `None` for a guest.
    pub stored: Option<(String, Vec<u8>)>,
}

/// Creates sessions, for each tenant in turn.
pub struct Maker {
    tenants: Vec<(TenantId, KeyRing)>,
    /// Data of each session; `None` for guests, with nothing stored.
    data: Option<Data>,
    now: UnixSeconds,
}

impl Maker {
    /// Creates a maker. With 0 tenants, all sessions belong to the default tenant. Returns `None` for invalid keys or
    /// data.
    #[must_use]
    pub fn new(keys: &str, tenants: u64, data: &Value) -> Option<Self> {
        let keys = DeploymentKeys::parse(keys).ok()?;
        let ids = match tenants {
            0 => vec!["default".to_owned()],
            many => (0..many).map(|number| format!("t{number}")).collect(),
        };
        let with_ring = |id: String| {
            let id = TenantId::parse(&id)?;
            let ring = KeyRing::derive(&keys, &id)?;
            Some((id, ring))
        };
        let data = match data {
            Value::Null => None,
            data => Some(Data::default().patched(&data.to_string()).ok()?),
        };
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Some(Self {
            tenants: ids.into_iter().map(with_ring).collect::<Option<_>>()?,
            data,
            now: UnixSeconds(since.ok()?.as_secs()),
        })
    }

    /// Creates `count` sessions in order, on all processors.
    #[must_use]
    pub fn all(&self, count: u64) -> Vec<Made> {
        let threads = thread::available_parallelism().map_or(1, |number| number.get() as u64);
        let share = count.div_ceil(threads);
        thread::scope(|scope| {
            let parts: Vec<_> = (0..threads)
                .map(|at| share * at..count.min(share * (at + 1)))
                .map(|part| scope.spawn(move || self.part(part)))
                .collect();
            let joined = parts.into_iter().flat_map(thread::ScopedJoinHandle::join);
            joined.flatten().collect()
        })
    }

    fn part(&self, numbers: Range<u64>) -> Vec<Made> {
        // Sessions are the same in every run, except for the time.
        let mut random = ChaCha20Rng::seed_from_u64(numbers.start);
        numbers
            .filter_map(|number| self.one(number, &mut random))
            .collect()
    }

    fn one(&self, number: u64, random: &mut ChaCha20Rng) -> Option<Made> {
        let at = usize::try_from(number).ok()? % self.tenants.len();
        let (tenant, keys) = self.tenants.get(at)?;
        let id = SessionId::generate(random);
        let handle = Handle::derive(tenant, &id);
        let token = |least_version| Token {
            handle,
            id,
            created: self.now,
            issued: self.now,
            least_version,
        };
        let Some(data) = &self.data else {
            let cookie = token(Version::UNSTORED).mint(keys);
            return Some(Made {
                cookie,
                stored: None,
            });
        };
        let version = Version::UNSTORED.next();
        let own = json!({ "seat": number }).to_string();
        let record = Record {
            version,
            data: data.patched(&own).ok()?,
            ..Record::unstored(handle, id, self.now, self.now)
        };
        let name = RecordName::derive(tenant, handle);
        let sealed = codec::seal(&Entry::Live(record), &name, keys, random)?;
        Some(Made {
            cookie: token(version).mint(keys),
            stored: Some((name.as_str().to_owned(), sealed)),
        })
    }
}
