//! Sorts lists.
//!
//! The standard library's sort is compiled to some 3 kB for each type. Here it is compiled once, for places, and each
//! type adds only how two of its elements compare.

use core::cmp::Ordering;

/// Sorts `list`. Elements that compare as equal keep their order.
pub(crate) fn by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(list.len(), &|one, other| {
        let both = list.get(one).zip(list.get(other));
        both.map_or(Ordering::Equal, |(one, other)| compare(one, other))
    });
    for at in 0..list.len() {
        list.swap(at, place_now(&places, at));
    }
}

/// The elements' places in the order in which they belong.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    places
}

/// Where the element is by now that belongs to `at`, after all places before it have been filled: whatever was there was
/// swapped with what belonged there.
fn place_now(places: &[usize], at: usize) -> usize {
    let mut now = at;
    loop {
        now = places.get(now).copied().unwrap_or(at);
        if now >= at {
            return now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_sorts_as_the_standard_library_does(
            mut list in proptest::collection::vec((0_u8..20, any::<u8>()), 0..100),
        ) {
            let mut expected = list.clone();
            expected.sort_by_key(|(key, _)| *key);
            by(&mut list, |(one, _), (other, _)| one.cmp(other));
            prop_assert_eq!(list, expected);
        }
    }
}
