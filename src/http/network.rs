//! Decides which addresses count as one client for limits.
//!
//! A client with one IPv6 address has the 2^64 addresses of its subnet, so a subnet counts as one client (RFC 6177
//! section 2). A site may have 65,536 subnets, so it is limited to a multiple of that.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Client or site, as limits count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Network {
    /// No trusted address.
    Unknown,
    /// IPv4 address.
    V4(u32),
    /// First 64 bits of an IPv6 address.
    Subnet(u64),
    /// First 48 bits of an IPv6 address, with the low 16 bits zero.
    Site(u64),
}

/// IPv6 prefix of translated IPv4 addresses (RFC 6052 section 2.1).
const NAT64: u128 = 0x0064_ff9b << 96;

impl Network {
    /// Returns the network of a client's address; [`Network::Unknown`] if it is missing or invalid.
    #[must_use]
    pub(crate) fn of(address: Option<&str>) -> Self {
        match address.and_then(|address| address.parse().ok()) {
            None => Self::Unknown,
            Some(IpAddr::V4(address)) => Self::V4(address.to_bits()),
            Some(IpAddr::V6(address)) => Self::of_v6(address),
        }
    }

    fn of_v6(address: Ipv6Addr) -> Self {
        if let Some(mapped) = address.to_ipv4_mapped() {
            return Self::V4(mapped.to_bits());
        }
        let bits = address.to_bits();
        match u32::try_from(bits ^ NAT64) {
            Ok(translated) => Self::V4(translated),
            Err(_) => Self::Subnet((bits >> 64) as u64),
        }
    }

    /// Returns the site that contains a subnet; `None` for all others.
    #[must_use]
    pub(crate) fn site(self) -> Option<Self> {
        match self {
            Self::Subnet(bits) => Some(Self::Site(bits & !0xffff)),
            Self::Unknown | Self::V4(_) | Self::Site(_) => None,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let prefix = |bits: u64| Ipv6Addr::from_bits(u128::from(bits) << 64);
        match *self {
            Self::Unknown => f.write_str("unknown"),
            Self::V4(bits) => write!(f, "{}", Ipv4Addr::from_bits(bits)),
            Self::Subnet(bits) => write!(f, "{}/64", prefix(bits)),
            Self::Site(bits) => write!(f, "{}/48", prefix(bits)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use proptest::prelude::*;

    #[test]
    fn ipv6_subnet_and_ipv4_spellings_are_one_client() {
        for (address, expected) in [
            ("192.0.2.1", "192.0.2.1"),
            ("::ffff:192.0.2.1", "192.0.2.1"),
            ("::FFFF:c000:201", "192.0.2.1"),
            ("0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"),
            ("64:ff9b::192.0.2.1", "192.0.2.1"),
            ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
            (
                "2001:0DB8:0001:0002:ffff:ffff:ffff:ffff",
                "2001:db8:1:2::/64",
            ),
            ("::1", "::/64"),
            ("::ffff:0:192.0.2.1", "::/64"),
            ("192.0.2.1.5", "unknown"),
            ("1:2", "unknown"),
            ("", "unknown"),
        ] {
            assert_eq!(
                Network::of(Some(address)).to_string(),
                expected,
                "{address}"
            );
        }
        assert_eq!(Network::of(None), Network::Unknown);
        let site = Network::of(Some("2001:db8:1:2::1")).site().unwrap();
        assert_eq!(site.to_string(), "2001:db8:1::/48");
        assert_eq!(Network::of(Some("192.0.2.1")).site(), None);
    }

    proptest! {
        #[test]
        fn ipv6_clients_are_equal_by_their_first_64_bits(
            prefix in 1_u64 << 61.., other in 1_u64 << 61.., low: u64, lower: u64,
        ) {
            let of = |high: u64, low: u64| {
                let address = Ipv6Addr::from_bits((u128::from(high) << 64) | u128::from(low));
                Network::of(Some(&address.to_string()))
            };
            prop_assert_eq!(of(prefix, low), of(prefix, lower));
            prop_assert_eq!(of(prefix, low) == of(other, low), prefix == other);
            prop_assert_eq!(
                of(prefix, low).site() == of(other, low).site(),
                prefix >> 16 == other >> 16
            );
        }
    }
}
