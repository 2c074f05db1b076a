//! Builds the dependency graph of the rooms and finds forbidden edges.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::source::{self, Module};

/// Reads a source by its path from the root of the repository.
pub(crate) type Read<'r> = &'r dyn Fn(&str) -> Option<String>;

/// Dependency graph of a crate's rooms: the modules at its root.
#[derive(Default)]
pub(crate) struct Graph {
    /// Dependencies of each room, with the first file that names each.
    rooms: BTreeMap<String, BTreeMap<String, String>>,
}

impl Graph {
    /// Follows the modules from `src/lib.rs`, except those for tests only.
    ///
    /// # Errors
    /// Returns the module that has no file.
    pub(crate) fn read(read: Read<'_>) -> Result<Self, String> {
        let mut graph = Self::default();
        let text = read("src/lib.rs").unwrap_or_default();
        for room in source::modules(&source::tokens(&text)) {
            let mut known = BTreeMap::new();
            follow(read, "src", room, 1, &mut known)?;
            known.remove(room.name);
            graph.rooms.insert(room.name.to_owned(), known);
        }
        Ok(graph)
    }

    /// Returns whether one room depends on another.
    pub(crate) fn depends_on(&self, room: &str, other: &str) -> bool {
        self.dependencies(room).any(|(known, _)| known == other)
    }

    /// Returns the rooms that depend on this one.
    pub(crate) fn dependents(&self, other: &str) -> Vec<&str> {
        let rooms = self.rooms.keys().map(String::as_str);
        rooms.filter(|room| self.depends_on(room, other)).collect()
    }

    fn dependencies(&self, room: &str) -> impl Iterator<Item = (&str, &str)> {
        let known = self.rooms.get(room).into_iter().flatten();
        known.map(|(name, file)| (name.as_str(), file.as_str()))
    }

    /// Formats a shortest cycle; `None` if there is none.
    pub(crate) fn cycle(&self) -> Option<String> {
        let cycles = self
            .rooms
            .keys()
            .filter_map(|room| self.shortest_cycle_from(room));
        let shortest = cycles.min_by_key(Vec::len)?;
        let mut text = String::new();
        for (room, file) in &shortest {
            text.push_str(&format!("{room} → ({file}) "));
        }
        text.push_str(shortest.first().map_or("", |(room, _)| room));
        Some(text)
    }

    /// Returns the shortest path from a room back to itself: each room on it, with the file that names the next.
    fn shortest_cycle_from<'g>(&'g self, start: &'g str) -> Option<Vec<(&'g str, &'g str)>> {
        let mut came_from: BTreeMap<&str, (&str, &str)> = BTreeMap::new();
        let mut next = VecDeque::from([start]);
        while let Some(room) = next.pop_front() {
            for (known, file) in self.dependencies(room) {
                if !came_from.contains_key(known) {
                    came_from.insert(known, (room, file));
                    next.push_back(known);
                }
            }
        }
        let mut way = vec![*came_from.get(start)?];
        while let Some((room, _)) = way.first().copied().filter(|(room, _)| *room != start) {
            way.insert(0, *came_from.get(room)?);
        }
        Some(way)
    }

    /// Lists a room's dependencies that are not allowed.
    pub(crate) fn forbidden(&self, room: &str, allowed: &[&str]) -> Vec<String> {
        if !self.rooms.contains_key(room) {
            return vec![format!("there is no room {room}: has it a new name?")];
        }
        self.dependencies(room)
            .filter(|(known, _)| !allowed.contains(known))
            .map(|(known, file)| format!("{room} must not know {known} ({file})"))
            .collect()
    }

    /// Lists root names in paths that are not rooms: such a name could hide any room.
    pub(crate) fn unknown_roots(&self) -> Vec<String> {
        let mut found = BTreeSet::new();
        for room in self.rooms.keys() {
            for (known, file) in self.dependencies(room) {
                if !self.rooms.contains_key(known) {
                    found.insert(format!("{file}: crate::{known} is no room"));
                }
            }
        }
        found.into_iter().collect()
    }
}

/// Records the dependencies of a module and its submodules.
fn follow(
    read: Read<'_>,
    folder: &str,
    module: Module<'_>,
    depth: usize,
    known: &mut BTreeMap<String, String>,
) -> Result<(), String> {
    let inner = format!("{folder}/{}", module.name);
    let candidates = match module.file {
        // Its submodules are in the same folder as that file.
        Some(file) => {
            let file = format!("{folder}/{file}");
            let beside = file.rsplit_once('/').map_or(folder, |(beside, _)| beside);
            vec![(beside.to_owned(), file)]
        }
        None => vec![
            (inner.clone(), format!("{inner}.rs")),
            (inner.clone(), format!("{inner}/mod.rs")),
        ],
    };
    let mut found = candidates
        .into_iter()
        .filter_map(|(below, file)| Some((read(&file)?, below, file)));
    let Some((text, below, file)) = found.next() else {
        return Err(format!("there is no file for the module {inner}"));
    };
    let tokens = source::tokens(&text);
    for name in source::named(&tokens, depth) {
        known.entry(name.to_owned()).or_insert_with(|| file.clone());
    }
    for module in source::modules(&tokens) {
        follow(read, &below, module, depth + 1, known)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(files: &[(&str, &str)]) -> Graph {
        Graph::read(&|path| {
            let file = files.iter().find(|(name, _)| *name == path);
            file.map(|(_, text)| (*text).to_owned())
        })
        .unwrap()
    }

    const FILES: [(&str, &str); 6] = [
        (
            "src/lib.rs",
            "pub mod a; pub mod b; pub mod c; #[cfg(test)] mod t;",
        ),
        ("src/a.rs", "use crate::b::B;"),
        (
            "src/b/mod.rs",
            "mod inner; #[cfg(test)] mod tests { use crate::a::A; }",
        ),
        ("src/b/inner.rs", "pub(super) fn f() { crate::c::go(); }"),
        ("src/c.rs", "//! Nothing like crate::a."),
        ("src/t.rs", "use crate::a::A;"),
    ];

    fn with(path: &'static str, text: &'static str) -> Graph {
        let mut files = FILES;
        for file in &mut files {
            if file.0 == path {
                file.1 = text;
            }
        }
        graph(&files)
    }

    #[test]
    fn graph_without_cycles_has_none() {
        let graph = graph(&FILES);
        assert_eq!(graph.cycle(), None);
        assert_eq!(graph.dependents("c"), ["b"]);
        assert!(!graph.depends_on("a", "c"));
        assert_eq!(graph.unknown_roots(), [""; 0]);
    }

    #[test]
    fn room_may_be_declared_in_another_folder() {
        let mut files = FILES.to_vec();
        files[0].1 = "mod a; mod b; mod c; #[path = \"b/d.rs\"] mod d;";
        files.push(("src/b/d.rs", "mod e; use crate::a;"));
        files.push(("src/b/e.rs", "use crate::c;"));
        let graph = graph(&files);
        assert!(graph.depends_on("d", "a") && graph.depends_on("d", "c"));
        assert_eq!(graph.dependents("c"), ["b", "d"]);
    }

    #[test]
    fn cycle_is_reported_in_full() {
        let cycle = with("src/c.rs", "fn f() { crate::a::go() }").cycle();
        let spelled = "a → (src/a.rs) b → (src/b/inner.rs) c → (src/c.rs) a";
        assert_eq!(cycle.as_deref(), Some(spelled));
    }

    #[test]
    fn shortest_cycle_is_reported() {
        let cycle = with("src/c.rs", "use crate::{a, b};").cycle();
        assert_eq!(
            cycle.as_deref(),
            Some("b → (src/b/inner.rs) c → (src/c.rs) b")
        );
    }

    #[test]
    fn forbidden_dependency_is_reported() {
        let graph = graph(&FILES);
        assert_eq!(graph.forbidden("a", &["b", "c"]), [""; 0]);
        let expected = ["a must not know b (src/a.rs)"];
        assert_eq!(graph.forbidden("a", &["c"]), expected);
        let expected = ["there is no room gone: has it a new name?"];
        assert_eq!(graph.forbidden("gone", &[]), expected);
    }

    #[test]
    fn unknown_root_name_is_reported() {
        let graph = with("src/c.rs", "use crate::Hidden;");
        assert_eq!(
            graph.unknown_roots(),
            ["src/c.rs: crate::Hidden is no room"]
        );
    }
}
