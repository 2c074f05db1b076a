//! Parses a JSON value into a type, and reports every fault.

use core::fmt;

use serde_json::{Map, Value};

use super::renamed::former_field;
use crate::clock::Seconds;
use crate::encoding::json;
use crate::flat_map::FlatMap;

/// Fault in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Path of the value, such as `origins[1].weight`; empty for the document itself.
    pub path: String,
    /// Problem and fix.
    pub problem: String,
}

impl Fault {
    /// Returns all faults as sentences.
    #[must_use]
    pub(crate) fn join(faults: &[Self]) -> String {
        let sentences: Vec<String> = faults.iter().map(ToString::to_string).collect();
        sentences.join(" ")
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            write!(f, "The document {}.", self.problem)
        } else {
            write!(f, "{}: {}.", self.path, self.problem)
        }
    }
}

/// Type that can be read from a JSON value.
#[cfg_attr(
    not(feature = "internals"),
    allow(dead_code, reason = "for tools that read documents")
)]
pub(crate) trait FromDocument: Sized {
    /// Reads a value. Returns `None` after it recorded at least one fault.
    fn read(value: &Value, reader: &mut Reader) -> Option<Self>;

    /// Returns the value for a missing member. Returns `None` after it recorded a fault.
    fn absent(reader: &mut Reader) -> Option<Self> {
        reader.fault("is missing");
        None
    }

    /// Returns the type's JSON Schema (2020-12).
    fn schema() -> Value;

    /// Returns the default, if there is one.
    fn default_value() -> Option<Value> {
        None
    }
}

/// Position of the parser, and the faults so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: String,
    faults: Vec<Fault>,
}

impl Reader {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Returns every fault, in the order of the types' fields.
    pub(crate) fn read<T: FromDocument>(value: &Value) -> Result<T, Vec<Fault>> {
        let mut reader = Self::default();
        match T::read(value, &mut reader) {
            Some(read) if reader.faults.is_empty() => Ok(read),
            _ => Err(reader.faults),
        }
    }

    /// Records a fault at the current path.
    pub(crate) fn fault(&mut self, problem: impl fmt::Display) {
        self.note_fault(problem.to_string());
    }

    #[cold]
    fn note_fault(&mut self, problem: String) {
        self.faults.push(Fault {
            path: self.path.clone(),
            problem,
        });
    }

    /// Records that the value must be one of these words.
    pub(crate) fn fault_of_words(&mut self, words: &[&str]) {
        if let Some((last, others)) = words.split_last() {
            self.fault(format_args!("use {} or {last}", others.join(", ")));
        }
    }

    /// Records the error of a result, if any.
    pub(crate) fn note<T, E: fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.fault(problem)).ok()
    }

    /// Enters a member or element. Returns the argument of the matching [`Reader::leave`].
    pub(crate) fn enter(&mut self, step: &str) -> usize {
        let outside = self.path.len();
        if !self.path.is_empty() && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        outside
    }

    fn members<'v>(&mut self, value: &'v Value) -> Option<&'v Map<String, Value>> {
        self.note(value.as_object().ok_or("is not an object"))
    }

    /// Reads a list. Not generic, like [`Reader::enter_element`], for the reason at [`Reader::member`].
    fn list<'v>(&mut self, value: &'v Value) -> Option<&'v [Value]> {
        let list = value.as_array().map(Vec::as_slice);
        self.note(list.ok_or("use a list"))
    }

    /// Enters an element of a list. Returns the argument of the matching [`Reader::leave`].
    fn enter_element(&mut self, at: usize) -> usize {
        self.enter(&format!("[{at}]"))
    }

    /// Returns to the enclosing value.
    pub(crate) fn leave(&mut self, outside: usize) {
        self.path.truncate(outside);
    }

    /// Reads a text that passes a check; `right` is the fix of a fault. Not generic, for the reason at
    /// [`Reader::member`].
    pub(crate) fn text(
        &mut self,
        value: &Value,
        is: fn(&str) -> bool,
        right: &'static str,
    ) -> Option<String> {
        let text = String::read(value, self)?;
        if !is(&text) {
            self.note_fault(right.to_owned());
            return None;
        }
        Some(text)
    }

    /// Reads an object, and records a fault for every member that is not `known`.
    pub(crate) fn object<'v>(
        &mut self,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let members = self.members(value)?;
        for name in members
            .keys()
            .filter(|name| !known.contains(&name.as_str()))
        {
            let nearest = nearest(name, known);
            let all = known.join(", ");
            let outside = self.enter(name);
            match (former_field(&self.path), nearest) {
                (Some(renamed), _) => self.fault(renamed),
                (None, Some(near)) => {
                    self.fault(format_args!("is not known; perhaps {near} is meant"));
                }
                (None, None) => self.fault(format_args!("is not known; there are {all}")),
            }
            self.leave(outside);
        }
        Some(members)
    }

    /// Enters a member, and returns its value or default, and the argument of [`Reader::leave`]. Not generic: each of
    /// a hundred fields would compile a copy.
    pub(crate) fn member(
        &mut self,
        members: &Map<String, Value>,
        name: &str,
        default: Option<&'static str>,
    ) -> (Option<Value>, usize) {
        let outside = self.enter(name);
        let given = members.get(name).filter(|value| !value.is_null());
        let default = || default.and_then(|text| serde_json::from_str(text).ok());
        (given.cloned().or_else(default), outside)
    }
}

/// Adds description and default to a schema.
#[cfg_attr(
    not(feature = "internals"),
    allow(dead_code, reason = "for tools that read documents")
)]
pub(super) fn described(mut schema: Value, about: &str, default: Option<Value>) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.insert("description".to_owned(), json!(about.trim()));
        members.extend(default.map(|value| ("default".to_owned(), value)));
    }
    schema
}

/// Returns the known name that is most likely meant, whatever its case.
pub(super) fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let name = name.to_ascii_lowercase();
    let close = |known: &&str| strsim::osa_distance(&name, &known.to_ascii_lowercase());
    let nearest = known.iter().copied().min_by_key(close)?;
    (close(&nearest) <= 1 + name.len() / 4).then_some(nearest)
}

impl FromDocument for bool {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        reader.note(value.as_bool().ok_or("use true or false"))
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }
}

impl FromDocument for String {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let text = value.as_str().map(str::to_owned);
        reader.note(text.ok_or("use a text"))
    }

    fn schema() -> Value {
        json!({ "type": "string" })
    }
}

impl FromDocument for u64 {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        reader.note(value.as_u64().ok_or("use a number, 0 or more"))
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0 })
    }
}

impl FromDocument for u32 {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let number = value
            .as_u64()
            .and_then(|number| Self::try_from(number).ok());
        reader.note(number.ok_or("use a number, 0 to 4294967295"))
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl FromDocument for Seconds {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let text = String::read(value, reader)?;
        reader.note(Self::parse(&text))
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9]+[smhd]$" })
    }
}

impl<T: FromDocument> FromDocument for Option<T> {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        T::read(value, reader).map(Some)
    }

    fn absent(_: &mut Reader) -> Option<Self> {
        Some(None)
    }

    fn schema() -> Value {
        T::schema()
    }
}

impl<T: FromDocument> FromDocument for Vec<T> {
    // Most lists are absent, and a cold start compiles only what it calls.
    #[inline(never)]
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let mut all = Some(Self::new());
        for (at, entry) in reader.list(value)?.iter().enumerate() {
            let outside = reader.enter_element(at);
            let read = T::read(entry, reader);
            reader.leave(outside);
            match (&mut all, read) {
                (Some(all), Some(read)) => all.push(read),
                _ => all = None,
            }
        }
        all
    }

    fn absent(_: &mut Reader) -> Option<Self> {
        Some(Self::new())
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: FromDocument> FromDocument for FlatMap<String, T> {
    #[inline(never)]
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let members = reader.members(value)?;
        // `collect` would compile a sort for every type, although the members are sorted already.
        let mut all = Some(Self::default());
        for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
            let outside = reader.enter(name);
            let read = T::read(member, reader);
            reader.leave(outside);
            match (&mut all, read) {
                (Some(all), Some(read)) => {
                    all.insert(name.clone(), read);
                }
                _ => all = None,
            }
        }
        all
    }

    fn absent(_: &mut Reader) -> Option<Self> {
        Some(Self::default())
    }

    fn schema() -> Value {
        json!({ "type": "object", "additionalProperties": T::schema() })
    }
}
