//! Defines a map for few entries: a sorted list.
//!
//! Reads are as fast as in a tree or a hash table, and each type compiles to a tenth of their code. Inserting a key
//! moves the later entries, so maps that clients can fill are hash maps instead.
//!
//! The `litemap` crate has the same list behind a storage trait. This crate needs only the methods below, too few to
//! justify a dependency.

use core::borrow::Borrow;

/// Map whose entries are sorted by key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FlatMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for FlatMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> FlatMap<K, V> {
    /// Returns the key's index, or the index at which to insert it.
    fn find<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.0.binary_search_by(|(own, _)| own.borrow().cmp(key))
    }

    /// Returns the key's value.
    #[must_use]
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value)
    }

    /// Returns the key's value for mutation.
    pub(crate) fn get_mut<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<&mut V>
    where
        K: Borrow<Q>,
    {
        let at = self.find(key).ok()?;
        self.0.get_mut(at).map(|(_, value)| value)
    }

    /// Returns whether the map has this key.
    #[must_use]
    pub(crate) fn contains_key<Q: Ord + ?Sized>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
    {
        self.find(key).is_ok()
    }

    /// Returns the key's value; inserts the default first if the key is missing.
    #[expect(clippy::indexing_slicing, reason = "found, or put there just now")]
    pub(crate) fn or_default(&mut self, key: K) -> &mut V
    where
        V: Default,
    {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.0.insert(at, (key, V::default()));
            at
        });
        &mut self.0[at].1
    }

    /// Sets the key's value.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        match self.find(&key) {
            Ok(at) => self.0.splice(at..=at, [(key, value)]).for_each(drop),
            Err(at) => self.0.insert(at, (key, value)),
        }
    }

    /// Keeps only the entries that `may_stay` accepts.
    pub(crate) fn retain(&mut self, mut may_stay: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| may_stay(key, value));
    }

    /// Returns the number of entries.
    #[must_use]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether the map has no entries.
    #[must_use]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Iterates over keys and values, in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// Iterates over the keys, in order.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    /// Iterates over the values, in the order of their keys.
    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    /// Iterates over the values for mutation.
    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    /// Returns keys and values as a list, in order.
    #[must_use]
    pub(crate) fn into_entries(self) -> Vec<(K, V)> {
        self.0
    }
}

impl<K: Ord, V> FromIterator<(K, V)> for FlatMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let mut map = Self::default();
        for (key, value) in entries {
            map.insert(key, value);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn map_is_sorted_and_keeps_the_last_value_of_each_key() {
        let mut map: FlatMap<String, u32> = ["c", "a", "b", "a"]
            .into_iter()
            .map(str::to_owned)
            .zip(1..)
            .collect();
        *map.or_default("c".to_owned()) += 10;
        *map.or_default("d".to_owned()) += 10;
        let entries = || [("a", 4), ("b", 3), ("c", 11), ("d", 10)];
        assert!(map.iter().map(|(key, n)| (key.as_str(), *n)).eq(entries()));
        assert_eq!(map.get("b"), Some(&3));
        assert_eq!(map.get("e"), None);
        map.retain(|key, n| key != "c" && *n < 10);
        assert_eq!(map.values().copied().collect::<Vec<_>>(), [4, 3]);
        assert!(map.contains_key("a") && !map.contains_key("c"));
    }
}
