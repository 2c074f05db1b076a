//! Measures finding and verifying the cookie, which every client can cause.

use core::hint::black_box;

use crate::cookie::jar;
use crate::cookie::token::Token;

use super::Act;
use super::world::{NOW, keys, token};

pub(super) fn genuine() -> Act {
    verifying(token().mint(&keys()), true)
}

pub(super) fn wrong_mac() -> Act {
    let mut value = token().mint(&keys());
    value.truncate(value.len() - 4);
    verifying(value + "AAAA", false)
}

pub(super) fn garbage() -> Act {
    verifying("not a cookie of ours".repeat(6), false)
}

fn verifying(value: String, is_genuine: bool) -> Act {
    let keys = keys();
    Box::new(move || {
        let verified = Token::verify(black_box(&value), &keys, NOW.seconds());
        assert_eq!(verified.is_ok(), is_genuine);
    })
}

pub(super) fn among_three() -> Act {
    let value = token().mint(&keys());
    finding(format!(
        "_ga=GA1.1.1234567890.1700000000; __Host-session={value}; theme=dark"
    ))
}

/// Finds the cookie among the maximum number of cookies, in a header of maximum length.
pub(super) fn among_many() -> Act {
    let value = token().mint(&keys());
    let others: String = (0..179)
        .map(|number| format!("other-{number:03}={}; ", "x".repeat(78)))
        .collect();
    finding(format!("{others}__Host-session={value}"))
}

fn finding(header: String) -> Act {
    Box::new(move || {
        let found = jar::candidates(black_box(&header), "__Host-session").count();
        assert_eq!(found, 1);
    })
}
