//! Records as releases have written them, which every later release reads; and what this one writes, which the
//! release before it has to read.
//!
//! A record that fails here means that sessions would be lost, or refused, while two releases serve side by side.
//! Do not change a golden one: add one when a release writes something new, after a release that reads it.

use super::tests::{keys, name, random, record};
use super::*;
use crate::encoding;

/// What the last release wrote: format, way of packing, and the bytes, of [`tests::record`] and of a tombstone.
const GOLDEN: &[(u8, &str)] = &[];

fn live() -> Entry {
    Entry::Live(record())
}

#[test]
fn print() {
    for entry in [
        live(),
        long(),
        Entry::Ended {
            at: crate::clock::UnixSeconds(1_700_000_900),
        },
    ] {
        let bytes = seal(&entry, &name("t1", 1), &keys(&[1], "t1"), &mut random()).unwrap();
        println!("GOLD {}", encoding::base64url(&bytes));
    }
    let _ = GOLDEN;
}

fn long() -> Entry {
    let data = format!(r#"{{"text":"{}"}}"#, "one of many words ".repeat(12));
    let mut record = record();
    record.data = crate::session::data::Data::default()
        .patched(&data)
        .unwrap();
    Entry::Live(record)
}
