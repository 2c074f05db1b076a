//! Reading a packed request and deciding which of its headers pass.

use core::hint::black_box;

use vestibule::forward::fold;
use vestibule::inbound::limits;
use vestibule::inbound::request::Request;

use super::Act;
use super::world::packed;

pub(super) fn sorted(headers: usize) -> Act {
    let packed = packed("a=1", headers);
    Box::new(move || {
        let request = Request::parse(black_box(&packed)).unwrap();
        limits::check(&request).unwrap();
        let passing = request.headers.iter().filter(|(name, _)| {
            fold::is_ordinary(name) || fold::reason(name, &fold::fold(name)).is_none()
        });
        black_box(passing.count());
    })
}
