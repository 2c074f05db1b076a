//! Joins the parts of compression method 1: texts, and bytes of long base64url runs, alternating, each after its
//! length.

use super::{LARGEST, take_part};
use crate::encoding;

pub(super) fn join(parts: &[u8]) -> Option<Vec<u8>> {
    let mut plain = Vec::with_capacity(parts.len() * 3 / 2);
    let mut rest = parts;
    let mut is_text = true;
    while !rest.is_empty() {
        let part = take_part(&mut rest)?;
        if is_text {
            plain.extend_from_slice(part);
        } else {
            plain.extend_from_slice(encoding::base64url(part).as_bytes());
        }
        is_text = !is_text;
    }
    (plain.len() <= LARGEST).then_some(plain)
}
