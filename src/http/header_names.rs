//! Keeps what the names of a request's headers decide, for requests with the same names.
//!
//! A browser sends the same names in the same order with nearly every request; only values differ. Which headers pass
//! to the origin, and where a header is, depends on names alone. So [`KnownNames`] decides it once, and a later request
//! costs a comparison of its names.

use std::rc::Rc;

use super::header_name;
use super::reserved_headers::Kind;
use crate::shared_text::SharedText;

/// Maximum number of headers of a request whose names are kept.
const MAX_NAMES: usize = 120;
/// Maximum number of headers that are indexed, by a byte each. A request with two more is refused.
const MAX_INDEXED: usize = 255;
/// Maximum length of all names that are kept, in bytes.
const MAX_BYTES: usize = 2_048;
/// Number of lists that are kept: enough for the kinds of requests of the usual browsers, in at most 200 kB.
const LISTS: usize = 64;

/// Headers that nearly every request is asked for. Their places are found once for all requests with the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CommonHeader {
    /// `authorization`
    Authorization,
    /// `cf-connecting-ip`
    ClientAddress,
    /// `connection`
    Connection,
    /// `content-length`
    ContentLength,
    /// `cookie`
    Cookie,
    /// `host`
    Host,
    /// `traceparent`
    TraceParent,
    /// `tracestate`
    TraceState,
    /// `transfer-encoding`
    TransferEncoding,
    /// `upgrade`
    Upgrade,
}

/// Name of each [`CommonHeader`], in their order.
const COMMON: [&str; 10] = [
    "authorization",
    "cf-connecting-ip",
    "connection",
    "content-length",
    "cookie",
    "host",
    "traceparent",
    "tracestate",
    "transfer-encoding",
    "upgrade",
];

/// Name and value of a header.
type Header<'a> = (&'a str, &'a str);

/// Names of a request's headers, in order, and what they decide.
#[derive(Debug, Default)]
pub(crate) struct HeaderNames {
    /// All names, one after the other.
    text: String,
    /// End of each name in `text`, in bytes.
    ends: Vec<u32>,
    /// Positions of names, plus one, at the [`place`] of each name or the next free one; empty for too many names.
    index: Vec<u8>,
    /// Position of each [`CommonHeader`].
    common: [Option<u16>; COMMON.len()],
    /// Length of the longest name, in bytes.
    pub longest: usize,
    /// One character per name: `-` if it is reserved, so that no client's header of this name reaches an origin, else `+`.
    pub passing: SharedText,
    /// Counts of the reserved names.
    pub disbelieved: Disbelieved,
    /// Whether a header replaces the request's method.
    pub overrides_method: bool,
}

/// Number of headers that the client must not send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Disbelieved {
    /// Headers that claim an identity.
    pub identity: u32,
    /// Headers that claim a route or client address.
    pub routing: u32,
}

impl Disbelieved {
    /// Counts a header.
    pub(crate) fn note(&mut self, kind: Kind) {
        match kind {
            Kind::Connection => {}
            Kind::Identity => self.identity += 1,
            Kind::Routing => self.routing += 1,
        }
    }

    /// Returns whether no header was counted.
    #[must_use]
    pub(crate) fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl HeaderNames {
    /// Decides on the names of these headers.
    #[must_use]
    pub(crate) fn new(headers: &[Header<'_>]) -> Self {
        let mut this = Self {
            text: String::with_capacity(headers.iter().map(|(name, _)| name.len()).sum()),
            ends: Vec::with_capacity(headers.len()),
            ..Self::default()
        };
        if headers.len() <= MAX_INDEXED {
            // A power of two, with room between the names.
            this.index = vec![0; (2 * headers.len()).next_power_of_two()];
        }
        let marks = headers.iter();
        this.passing = marks
            .map(|(name, _)| if this.add(name) { '+' } else { '-' })
            .collect();
        for (place, name) in COMMON.iter().enumerate() {
            let position = this.position(name).and_then(|at| u16::try_from(at).ok());
            if let Some(common) = this.common.get_mut(place) {
                *common = position;
            }
        }
        this
    }

    /// Adds a name, and returns whether a header of this name may reach an origin.
    fn add(&mut self, name: &str) -> bool {
        let passes = header_name::is_ordinary(name) || self.classify(name);
        self.longest = self.longest.max(name.len());
        let mask = self.index.len().wrapping_sub(1);
        let mut at = place(name) & mask;
        while let Some(entry) = self.index.get_mut(at) {
            if *entry == 0 {
                *entry = u8::try_from(self.ends.len() + 1).unwrap_or_default();
                break;
            }
            at = (at + 1) & mask;
        }
        self.text.push_str(name);
        self.ends
            .push(u32::try_from(self.text.len()).unwrap_or(u32::MAX));
        passes
    }

    /// Notes what a name means, and returns whether its header passes.
    fn classify(&mut self, name: &str) -> bool {
        let folded = header_name::fold(name);
        self.overrides_method |= header_name::overrides_method(&folded);
        match header_name::reason(name, &folded) {
            Some(kind) => {
                self.disbelieved.note(kind);
                false
            }
            None => true,
        }
    }

    /// Returns the position of the first header of a common name. A request with so many headers that their number does
    /// not fit is refused.
    #[must_use]
    pub(crate) fn position_of(&self, common: CommonHeader) -> Option<usize> {
        self.common.get(common as usize)?.map(usize::from)
    }

    /// Returns the position of the first header of this lower-case name.
    #[must_use]
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        if self.index.is_empty() {
            return (0..self.ends.len()).find(|at| self.is_at(*at, name));
        }
        let mask = self.index.len() - 1;
        let mut at = place(name) & mask;
        loop {
            let position = usize::from(*self.index.get(at)?).checked_sub(1)?;
            if self.is_at(position, name) {
                return Some(position);
            }
            at = (at + 1) & mask;
        }
    }

    /// Returns whether the name at a position is this.
    fn is_at(&self, position: usize, name: &str) -> bool {
        let end_of = |at: usize| self.ends.get(at).map_or(0, |end| *end as usize);
        let begin = position.checked_sub(1).map_or(0, end_of);
        self.text.get(begin..end_of(position)) == Some(name)
    }

    fn are_of(&self, headers: &[Header<'_>]) -> bool {
        let mut begin = 0;
        self.ends.len() == headers.len()
            && self.ends.iter().zip(headers).all(|(end, (name, _))| {
                let own = self.text.get(begin..*end as usize);
                begin = *end as usize;
                own == Some(name)
            })
    }
}

/// Returns a hash of a name, for its place in [`HeaderNames::index`].
fn place(name: &str) -> usize {
    match *name.as_bytes() {
        [first, .., last] => usize::from(first) * 3 + usize::from(last) * 5 + name.len() * 9,
        _ => name.len(),
    }
}

/// Names of recent requests.
#[derive(Default)]
pub(crate) struct KnownNames {
    /// At the hash of its names, the last list with that hash; empty before the first.
    lists: Vec<Option<Rc<HeaderNames>>>,
}

impl KnownNames {
    /// Returns what the names of these headers decide.
    pub(crate) fn of(&mut self, headers: &[Header<'_>]) -> Rc<HeaderNames> {
        let mut bytes = 0;
        let mut hash = 0_usize;
        for (name, _) in headers {
            bytes += name.len();
            hash = hash.wrapping_mul(31).wrapping_add(place(name));
        }
        if bytes > MAX_BYTES || headers.len() > MAX_NAMES {
            return Rc::new(HeaderNames::new(headers));
        }
        if self.lists.is_empty() {
            self.lists.resize(LISTS, None);
        }
        let Some(kept) = self.lists.get_mut(hash % LISTS) else {
            return Rc::new(HeaderNames::new(headers));
        };
        match kept {
            Some(names) if names.are_of(headers) => Rc::clone(names),
            _ => Rc::clone(kept.insert(Rc::new(HeaderNames::new(headers)))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Names that share places in the index, that are reserved, and that override the method.
    const NAMES: &str = "(a|ab|ba|x-session-user|x_session_user|x-forwarded-for|cookie|host|accept|\
        x-http-method-override|__proto__|é){0,3}";

    fn headers(names: &[String]) -> Vec<Header<'_>> {
        names.iter().map(|name| (name.as_str(), "")).collect()
    }

    proptest! {
        #[test]
        fn position_is_that_of_the_first_header_of_the_name(
            names in proptest::collection::vec(NAMES, 0..200),
            other in NAMES,
        ) {
            let of = HeaderNames::new(&headers(&names));
            for name in names.iter().chain([&other]) {
                prop_assert_eq!(of.position(name), names.iter().position(|one| one == name));
            }
        }

        #[test]
        fn names_decide_as_each_does_alone(names in proptest::collection::vec(NAMES, 0..50)) {
            let of = HeaderNames::new(&headers(&names));
            let mut disbelieved = Disbelieved::default();
            let mut passing = String::new();
            for name in &names {
                let reason = header_name::reason(name, &header_name::fold(name));
                reason.into_iter().for_each(|kind| disbelieved.note(kind));
                passing.push(if reason.is_none() { '+' } else { '-' });
            }
            prop_assert_eq!((of.passing.as_str(), of.disbelieved), (passing.as_str(), disbelieved));
            let overrides = |name: &String| header_name::overrides_method(&header_name::fold(name));
            prop_assert_eq!(of.overrides_method, names.iter().any(overrides));
            prop_assert_eq!(of.longest, names.iter().map(String::len).max().unwrap_or(0));
        }

        #[test]
        fn kept_names_are_never_mistaken_for_others(
            requests in proptest::collection::vec(proptest::collection::vec(NAMES, 0..4), 0..100),
        ) {
            let mut known = KnownNames::default();
            for names in requests {
                let headers = headers(&names);
                let fresh = HeaderNames::new(&headers);
                let kept = known.of(&headers);
                prop_assert!(kept.are_of(&headers));
                prop_assert_eq!(&kept.passing, &fresh.passing);
                let again = known.of(&headers);
                prop_assert!(Rc::ptr_eq(&kept, &again));
            }
        }
    }

    #[test]
    fn what_is_kept_is_limited() {
        let mut known = KnownNames::default();
        let long = "n".repeat(MAX_BYTES + 1);
        let many = vec!["a".to_owned(); MAX_NAMES + 1];
        for names in [vec![long], many] {
            known.of(&headers(&names));
            assert!(known.lists.is_empty());
        }
        for number in 0..10 * LISTS {
            let name = format!("x-{number}");
            known.of(&[(&name, "")]);
        }
        assert_eq!(known.lists.len(), LISTS);
    }
}
