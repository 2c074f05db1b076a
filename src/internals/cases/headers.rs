//! Measures parsing a packed request, finding what its headers' names decide, and checking its limits.

use core::hint::black_box;

use crate::http::header_names::KnownNames;
use crate::http::limits;
use crate::http::request::Request;

use super::Act;
use super::world::packed;

pub(super) fn sorted(headers: usize) -> Act {
    let packed = packed("a=1", headers);
    let mut known = KnownNames::default();
    Box::new(move || {
        let request = Request::parse_with(black_box(&packed), &mut known).unwrap();
        limits::check(&request).unwrap();
        black_box(request.names.passing.len());
    })
}
