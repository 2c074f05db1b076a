//! Records as releases have written them, which every later release reads; and what this one writes, which the
//! release before it has to read.
//!
//! What fails here would refuse or lose sessions while two releases serve side by side, or after one was rolled back.
//! Do not change a golden record: add one when a release writes something new, which is one release after the first
//! that reads it. One in the oldest format is in `sizes.rs`.

use super::tests::{keys, name, random, record};
use super::*;
use crate::clock::UnixSeconds;
use crate::encoding;
use crate::session::data::Data;
use crate::session::record::Record;

/// How many of the ways of packing the last release reads: 0 to 2.
const LAST_PACKING: u8 = 2;

/// As the last release has written them: a short session, a longer one, and a tombstone.
const GOLDEN: [&str; 3] = [
    "A1q-7sWaN0RQRWBjnsZwt6F9SSsnPgd7Cpa-9Yt1Xu7rnxSqqZrjzy2rrOpOSshDn1EdocM5fcbrBUYBW0TwR7n0TCTsUTzu-5tGd0OehP5mKNIhakOGV9PvNkeGK5x72yMg9CAWzp92iUMfsTi3JIs3crtJGjgVudDR_llARQU",
    "A1q-7sWaN0RQRWBjnsZwt6F9SSsnPgd7Cpa-9Yt32lHrng_VnzgSzX_4rOpOSshDn1EdocM5fcbrBV9-beX2t7r7FHDsUTzu-5tGd0OehP5mKNIuYUaaTImxMW6jlNAx0Pd63ES6fn18ZDD6ZKNqOWDA0WNeOPvuIpyKOZYey95xx6WIu6mzdft0Bbg",
    "A1q-7sWaN0RQRWBjnsZwt6F9SSsnPgd7Cpa-9Yt1Xu7qnxSqqZ9nMqoHlZ-39OuoVA3cHXN99Qo",
];

fn entries() -> [Entry; 3] {
    let data = format!(r#"{{"text":"{}"}}"#, "one of many words ".repeat(12));
    let longer = Record {
        data: Data::default().patched(&data).unwrap(),
        ..record()
    };
    let at = UnixSeconds(1_700_000_900);
    [
        Entry::Live(record()),
        Entry::Live(longer),
        Entry::Ended { at },
    ]
}

#[test]
fn what_the_last_release_has_written_is_read() {
    for (golden, entry) in GOLDEN.iter().zip(entries()) {
        let bytes = encoding::from_base64url(golden).unwrap();
        assert_eq!(open(&bytes, &name("t1", 1), &keys(&[1], "t1")), Ok(entry));
    }
}

#[test]
fn what_is_written_the_last_release_reads() {
    for (golden, entry) in GOLDEN.iter().zip(entries()) {
        let golden = encoding::from_base64url(golden).unwrap();
        let bytes = seal(&entry, &name("t1", 1), &keys(&[1], "t1"), &mut random()).unwrap();
        assert_eq!(bytes[0], golden[0], "the format");
        let [numbers, texts] = fields::encode(&entry);
        assert!(packing::pack(&numbers, &texts)[0] <= LAST_PACKING);
    }
}

/// A field of a later release is kept, so that the older of two that serve side by side takes nothing away.
#[test]
fn fields_of_a_later_release_come_back_as_they_were() {
    let Entry::Live(mut later) = entries()[1].clone() else {
        panic!("it lives");
    };
    // Field 900: a text.
    later.unknown = b"\x19\x03\x84\x65later".to_vec();
    let entry = Entry::Live(later);
    let bytes = seal(&entry, &name("t1", 1), &keys(&[1], "t1"), &mut random()).unwrap();
    let read = open(&bytes, &name("t1", 1), &keys(&[1], "t1")).unwrap();
    assert_eq!(read, entry);
}
