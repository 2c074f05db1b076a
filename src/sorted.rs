//! Sorts lists in little code.
//!
//! The standard library's sort compiles to some 3 kB for each type. This one is compiled once, for indices; each type
//! adds only its comparison.

use core::cmp::Ordering;

/// Sorts `list`. Elements that compare as equal keep their order.
pub(crate) fn by<T>(list: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let indices = indices(list.len(), &|one, other| {
        let both = list.get(one).zip(list.get(other));
        both.map_or(Ordering::Equal, |(one, other)| compare(one, other))
    });
    arrange(&indices, &mut |one, other| list.swap(one, other));
}

/// Swaps elements until each is at its place. Each swap places one, so there are fewer swaps than elements.
fn arrange(indices: &[usize], swap: &mut dyn FnMut(usize, usize)) {
    let mut positions = positions(indices);
    for at in 0..indices.len() {
        while let Some(target) = positions.get(at).copied().filter(|target| *target != at) {
            swap(at, target);
            positions.swap(at, target);
        }
    }
}

/// Returns the elements' indices in sorted order.
fn indices(count: usize, compare: &dyn Fn(usize, usize) -> Ordering) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..count).collect();
    indices.sort_unstable_by(|one, other| compare(*one, *other).then(one.cmp(other)));
    indices
}

/// Returns the sorted position of each element.
fn positions(indices: &[usize]) -> Vec<usize> {
    let mut positions = vec![0; indices.len()];
    for (at, target) in indices.iter().enumerate() {
        if let Some(element) = positions.get_mut(*target) {
            *element = at;
        }
    }
    positions
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn result_equals_the_standard_librarys(
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
            let indices = indices(COUNT, &|one, other| rotated[one].cmp(&rotated[other]));
            arrange(&indices, &mut |_, _| swaps += 1);
            assert!(swaps < COUNT, "{swaps}");
        }
    }
}
