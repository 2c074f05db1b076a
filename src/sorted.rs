//! Sorts lists in little code.
//!
//! The standard library's sort compiles to some 3 kB for each type. This one is compiled once, for indices; each type
//! adds only its comparison.

use core::cmp::Ordering;

/// Sorts `list`. Elements that compare as equal keep their order.
pub(crate) fn by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let places = places(list.len(), &|one, other| {
        let both = list.get(one).zip(list.get(other));
        both.map_or(Ordering::Equal, |(one, other)| compare(one, other))
    });
    arrange(&places, &mut |one, other| list.swap(one, other));
}

/// Swaps elements until each is at its place. Each swap places one, so there are fewer swaps than elements.
fn arrange(places: &[usize], swap: &mut dyn FnMut(usize, usize)) {
    let mut belongs = belonging(places);
    for at in 0..places.len() {
        while let Some(place) = belongs.get(at).copied().filter(|place| *place != at) {
            swap(at, place);
            belongs.swap(at, place);
        }
    }
}

/// Returns the elements' indices in sorted order.
fn places(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    places
}

/// Returns the sorted position of each element.
fn belonging(places: &[usize]) -> Vec<usize> {
    let mut belongs = vec![0; places.len()];
    for (at, place) in places.iter().enumerate() {
        if let Some(element) = belongs.get_mut(*place) {
            *element = at;
        }
    }
    belongs
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

    #[test]
    fn rotated_list_takes_fewer_swaps_than_it_has_elements() {
        const COUNT: usize = 1_000;
        for first in [1, COUNT / 2, COUNT - 1] {
            let rotated: Vec<usize> = (first..COUNT).chain(0..first).collect();
            let mut list = rotated.clone();
            by(&mut list, Ord::cmp);
            assert!(list.iter().copied().eq(0..COUNT), "{first}");
            let mut swaps = 0;
            let places = places(COUNT, &|one, other| rotated[one].cmp(&rotated[other]));
            arrange(&places, &mut |_, _| swaps += 1);
            assert!(swaps < COUNT, "{swaps}");
        }
    }
}
