//! Measures parsing a packed request and deciding which of its headers pass.

use core::hint::black_box;

use crate::http::header_name;
use crate::http::limits;
use crate::http::request::Request;

use super::Act;
use super::world::packed;

pub(super) fn sorted(headers: usize) -> Act {
    let packed = packed("a=1", headers);
    Box::new(move || {
        let request = Request::parse(black_box(&packed)).unwrap();
        limits::check(&request).unwrap();
        let passing = request.headers.iter().filter(|(name, _)| {
            header_name::is_ordinary(name)
                || header_name::reason(name, &header_name::fold(name)).is_none()
        });
        black_box(passing.count());
    })
}
