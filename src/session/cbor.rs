//! Encodes a record as CBOR (RFC 8949): a map with numbered fields.
//!
//! Older and newer releases can share a record. A decoder keeps the bytes of unknown fields, and the encoder writes
//! them back behind the others. A missing field has its neutral value. Only another `kind` must be left alone by an
//! older release.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};
use thiserror::Error;

use crate::clock::{Seconds, UnixSeconds};
use crate::session::data::Data;
use crate::session::id::{Handle, SessionId, SignIn};
use crate::session::identity::Identity;
use crate::session::record::{Entry, Epoch, Previous, Record, Version};
use crate::session::token_set::TokenSet;
use crate::session::vault::Vault;

/// Field numbers. Never reused.
mod field {
    pub(super) const KIND: u32 = 0;
    pub(super) const AT: u32 = 1;
    pub(super) const HANDLE: u32 = 2;
    pub(super) const SEEN: u32 = 3;
    pub(super) const VERSION: u32 = 4;
    pub(super) const IDLE: u32 = 5;
    pub(super) const PIN: u32 = 6;
    pub(super) const DATA: u32 = 7;
    pub(super) const ID: u32 = 8;
    pub(super) const PREVIOUS: u32 = 9;
    pub(super) const ROTATED: u32 = 10;
    pub(super) const EPOCH: u32 = 11;
    pub(super) const REMEMBERED: u32 = 12;
    pub(super) const AUTHENTICATED: u32 = 13;
    pub(super) const USER: u32 = 14;
    pub(super) const EMAIL: u32 = 15;
    pub(super) const NAME: u32 = 16;
    pub(super) const GROUPS: u32 = 17;
    pub(super) const DEVICE: u32 = 18;
    pub(super) const COUNTRY: u32 = 19;
    pub(super) const BY_SIGN_IN: u32 = 20;
    pub(super) const USER_EPOCH: u32 = 21;
    pub(super) const SIGN_IN: u32 = 22;
    pub(super) const GRANT: u32 = 23;
    pub(super) const VAULT: u32 = 24;
    pub(super) const GROUPS_OMITTED: u32 = 25;
    pub(super) const OPENED: u32 = 26;
    pub(super) const BROWSER: u32 = 27;
    pub(super) const PATH: u32 = 28;

    /// Last field that is a number. All fields up to it are known.
    pub(super) const LAST_NUMBER: u32 = OPENED;
}

const LIVE: u8 = 0;
const ENDED: u8 = 1;

/// Reasons why bytes are not an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum BadFields {
    /// The bytes do not have the form of an entry.
    #[error("the fields are malformed")]
    Malformed,
    /// A later release wrote this kind.
    #[error("the entry is of a kind of a later release")]
    NewerKind,
}

impl From<minicbor::decode::Error> for BadFields {
    fn from(_: minicbor::decode::Error) -> Self {
        Self::Malformed
    }
}

/// Encodes an entry in two pieces: numbers and random bytes, and compressible texts.
#[must_use]
pub(crate) fn encode(entry: &Entry) -> [Vec<u8>; 2] {
    // An indefinite length, so that unknown fields may follow uncounted.
    let mut writer = Writer {
        numbers: Vec::with_capacity(160),
        texts: Vec::with_capacity(256),
    };
    writer.numbers.push(0xbf);
    match entry {
        Entry::Live(record) => writer.live(record),
        Entry::Ended { at } => {
            writer.number(field::KIND, u64::from(ENDED));
            writer.number(field::AT, at.0);
        }
    }
    writer.texts.push(0xff);
    [writer.numbers, writer.texts]
}

struct Writer {
    numbers: Vec<u8>,
    texts: Vec<u8>,
}

impl Writer {
    fn live(&mut self, record: &Record) {
        self.number(field::KIND, u64::from(LIVE));
        self.number(field::AT, record.created.0);
        self.bytes(field::HANDLE, &record.handle.0);
        self.number(field::SEEN, record.seen.0);
        self.number(field::VERSION, record.version.0);
        self.bytes(field::ID, record.id.as_bytes());
        if let Some(previous) = &record.previous {
            self.bytes(field::PREVIOUS, previous.id.as_bytes());
            self.number(field::ROTATED, previous.at.0);
            if previous.by_sign_in {
                self.number(field::BY_SIGN_IN, 1);
            }
        }
        self.number(field::EPOCH, record.epoch.0);
        if let Some(idle) = record.idle {
            self.number(field::IDLE, idle.0);
        }
        if let Some(at) = record.opened {
            self.number(field::OPENED, at.0);
        }
        if record.remembered {
            self.number(field::REMEMBERED, 1);
        }
        if let Some(SignIn(tag)) = &record.sign_in {
            self.bytes(field::SIGN_IN, tag);
        }
        if let Some(at) = record.authenticated {
            self.number(field::AUTHENTICATED, at.0);
        }
        if let Some(identity) = &record.identity {
            self.text(field::USER, Some(&identity.user));
            self.number(field::USER_EPOCH, record.user_epoch.0);
            if identity.groups_omitted > 0 {
                self.number(field::GROUPS_OMITTED, u64::from(identity.groups_omitted));
            }
            self.text(field::EMAIL, identity.email.as_deref());
            self.text(field::NAME, identity.name.as_deref());
            if !identity.groups.is_empty() {
                self.text(field::GROUPS, Some(&identity.groups.join(",")));
            }
        }
        self.text(field::PIN, record.pin.as_deref());
        self.text(field::DEVICE, record.device.as_deref());
        self.text(field::COUNTRY, record.country.as_deref());
        self.text(field::BROWSER, record.browser.as_deref());
        self.text(field::PATH, record.path.as_deref());
        self.text(field::DATA, record.data.stored());
        if let Some(grant) = &record.grant {
            self.text(field::GRANT, Some(&grant.to_json().to_string()));
        }
        if !record.vault.0.is_empty() {
            self.text(field::VAULT, Some(&record.vault.to_json().to_string()));
        }
        self.texts.extend_from_slice(&record.unknown);
    }

    // Writing to memory cannot fail, so the results are ignored.

    fn number(&mut self, field: u32, number: u64) {
        let mut encoder = Encoder::new(&mut self.numbers);
        let _ = encoder.u32(field).and_then(|encoder| encoder.u64(number));
    }

    fn bytes(&mut self, field: u32, bytes: &[u8]) {
        let mut encoder = Encoder::new(&mut self.numbers);
        let _ = encoder.u32(field).and_then(|encoder| encoder.bytes(bytes));
    }

    fn text(&mut self, field: u32, text: Option<&str>) {
        if let Some(text) = text {
            let mut encoder = Encoder::new(&mut self.texts);
            let _ = encoder.u32(field).and_then(|encoder| encoder.str(text));
        }
    }
}

/// Fields decoded so far.
#[derive(Default)]
struct Fields<'b> {
    kind: Option<u64>,
    at: u64,
    handle: Option<[u8; 16]>,
    seen: u64,
    opened: Option<u64>,
    version: u64,
    id: Option<[u8; 16]>,
    previous: Option<[u8; 16]>,
    rotated: u64,
    by_sign_in: bool,
    epoch: u64,
    user_epoch: u64,
    idle: Option<u64>,
    remembered: bool,
    authenticated: Option<u64>,
    sign_in: Option<[u8; 6]>,
    user: Option<&'b str>,
    email: Option<&'b str>,
    name: Option<&'b str>,
    groups: Option<&'b str>,
    groups_omitted: u32,
    pin: Option<&'b str>,
    device: Option<&'b str>,
    country: Option<&'b str>,
    browser: Option<&'b str>,
    path: Option<&'b str>,
    data: Option<&'b str>,
    grant: Option<&'b str>,
    vault: Option<&'b str>,
    unknown: Vec<u8>,
}

/// Decodes an entry.
///
/// # Errors
/// Returns [`BadFields`].
pub(crate) fn decode(bytes: &[u8]) -> Result<Entry, BadFields> {
    let mut decoder = Decoder::new(bytes);
    let counted = decoder.map()?;
    let mut fields = Fields::default();
    let mut left = counted.unwrap_or(u64::MAX);
    while left > 0 {
        if counted.is_none() && decoder.datatype()? == Type::Break {
            break;
        }
        let start = decoder.position();
        let field = decoder.u32()?;
        if !fields.read(field, &mut decoder)? {
            decoder.skip()?;
            let raw = bytes.get(start..decoder.position());
            fields
                .unknown
                .extend_from_slice(raw.ok_or(BadFields::Malformed)?);
        }
        left -= 1;
    }
    fields.into_entry()
}

impl<'b> Fields<'b> {
    /// Reads the value of a known field; returns `false` for an unknown one.
    fn read(&mut self, field: u32, decoder: &mut Decoder<'b>) -> Result<bool, BadFields> {
        match field {
            field::HANDLE => self.handle = Some(exactly(decoder)?),
            field::ID => self.id = Some(exactly(decoder)?),
            field::SIGN_IN => self.sign_in = Some(exactly(decoder)?),
            field::PREVIOUS => self.previous = Some(exactly(decoder)?),
            _ => {
                if let Some(text) = self.text(field) {
                    *text = Some(decoder.str()?);
                } else if field <= field::LAST_NUMBER {
                    self.set_number(field, decoder.u64()?);
                } else {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    fn set_number(&mut self, field: u32, number: u64) {
        match field {
            field::KIND => self.kind = Some(number),
            field::AT => self.at = number,
            field::SEEN => self.seen = number,
            field::OPENED => self.opened = Some(number),
            field::VERSION => self.version = number,
            field::ROTATED => self.rotated = number,
            field::BY_SIGN_IN => self.by_sign_in = number != 0,
            field::EPOCH => self.epoch = number,
            field::USER_EPOCH => self.user_epoch = number,
            field::IDLE => self.idle = Some(number),
            field::REMEMBERED => self.remembered = number != 0,
            field::AUTHENTICATED => self.authenticated = Some(number),
            field::GROUPS_OMITTED => {
                self.groups_omitted = u32::try_from(number).unwrap_or(u32::MAX);
            }
            _ => {}
        }
    }

    /// Returns the place of a text; `None` if no text has this number.
    fn text(&mut self, field: u32) -> Option<&mut Option<&'b str>> {
        Some(match field {
            field::USER => &mut self.user,
            field::EMAIL => &mut self.email,
            field::NAME => &mut self.name,
            field::GROUPS => &mut self.groups,
            field::PIN => &mut self.pin,
            field::DEVICE => &mut self.device,
            field::COUNTRY => &mut self.country,
            field::BROWSER => &mut self.browser,
            field::PATH => &mut self.path,
            field::DATA => &mut self.data,
            field::GRANT => &mut self.grant,
            field::VAULT => &mut self.vault,
            _ => return None,
        })
    }

    fn into_entry(self) -> Result<Entry, BadFields> {
        let at = UnixSeconds(self.at);
        match self.kind.map(u8::try_from) {
            Some(Ok(LIVE)) => self.into_record(at).map(Entry::Live),
            Some(Ok(ENDED)) => Ok(Entry::Ended { at }),
            Some(_) => Err(BadFields::NewerKind),
            None => Err(BadFields::Malformed),
        }
    }

    fn into_record(self, created: UnixSeconds) -> Result<Record, BadFields> {
        let handle = Handle(self.handle.ok_or(BadFields::Malformed)?);
        let id = SessionId::from_bytes(self.id.ok_or(BadFields::Malformed)?);
        let owned = |text: Option<&str>| text.map(str::to_owned);
        let identity = self.user.map(|user| Identity {
            user: user.to_owned(),
            email: owned(self.email),
            name: owned(self.name),
            groups: self
                .groups
                .map(|groups| groups.split(',').map(str::to_owned).collect())
                .unwrap_or_default(),
            groups_omitted: self.groups_omitted,
        });
        Ok(Record {
            previous: self.previous.map(|id| Previous {
                id: SessionId::from_bytes(id),
                at: UnixSeconds(self.rotated),
                by_sign_in: self.by_sign_in,
            }),
            opened: self.opened.map(UnixSeconds),
            version: Version(self.version),
            epoch: Epoch(self.epoch),
            user_epoch: Epoch(self.user_epoch),
            idle: self.idle.map(Seconds),
            remembered: self.remembered,
            identity,
            authenticated: self.authenticated.map(UnixSeconds),
            sign_in: self.sign_in.map(SignIn),
            pin: owned(self.pin),
            device: owned(self.device),
            country: owned(self.country),
            browser: owned(self.browser),
            path: owned(self.path),
            data: Data::from_stored(self.data.unwrap_or_default().to_owned()),
            grant: json(self.grant).as_ref().and_then(TokenSet::from_json),
            vault: json(self.vault)
                .as_ref()
                .map(Vault::from_json)
                .unwrap_or_default(),
            unknown: self.unknown,
            ..Record::unstored(handle, id, created, UnixSeconds(self.seen))
        })
    }
}

fn json(text: Option<&str>) -> Option<serde_json::Value> {
    serde_json::from_str(text?).ok()
}

fn exactly<const N: usize>(decoder: &mut Decoder<'_>) -> Result<[u8; N], BadFields> {
    decoder
        .bytes()?
        .try_into()
        .map_err(|_| BadFields::Malformed)
}

#[cfg(test)]
mod tests;
