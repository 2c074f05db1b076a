//! Parses a JSON value into a type, and reports every fault.

use core::fmt;

use serde_json::{Map, Value};

use super::renamed::former_field;
use crate::clock::Seconds;
use crate::encoding::json;
use crate::flat_map::FlatMap;

/// Something that is wrong with a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Where: `origins[1].weight`; empty for the document itself.
    pub path: String,
    /// What is wrong, and what would be right.
    pub problem: String,
}

impl Fault {
    /// All of these, as sentences.
    #[must_use]
    pub(crate) fn told(faults: &[Self]) -> String {
        let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
        told.join(" ")
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

/// A type that a JSON value can be read into.
#[cfg_attr(
    not(feature = "internals"),
    allow(dead_code, reason = "for tools that read documents")
)]
pub(crate) trait FromDocument: Sized {
    /// Reads a value. None after at least one fault was noted.
    fn read(value: &Value, reader: &mut Reader) -> Option<Self>;

    /// What takes the place of a value that is not there. None after a fault was noted.
    fn absent(reader: &mut Reader) -> Option<Self> {
        reader.fault("is missing");
        None
    }

    /// Its JSON Schema (2020-12).
    fn schema() -> Value;

    /// The default, if there is one.
    fn default_value() -> Option<Value> {
        None
    }
}

/// Where reading has got to, and what was found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Reader {
    path: String,
    faults: Vec<Fault>,
}

impl Reader {
    /// Reads a whole document.
    ///
    /// # Errors
    /// Every fault there is, in the order of the types' fields.
    pub(crate) fn read<T: FromDocument>(value: &Value) -> Result<T, Vec<Fault>> {
        let mut reader = Self::default();
        match T::read(value, &mut reader) {
            Some(read) if reader.faults.is_empty() => Ok(read),
            _ => Err(reader.faults),
        }
    }

    /// Notes that something is wrong here.
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

    /// Notes that one of these words should stand here.
    pub(crate) fn fault_of_words(&mut self, words: &[&str]) {
        if let Some((last, others)) = words.split_last() {
            self.fault(format_args!("use {} or {last}", others.join(", ")));
        }
    }

    /// Notes what is wrong, if anything is.
    pub(crate) fn note<T, E: fmt::Display>(&mut self, result: Result<T, E>) -> Option<T> {
        result.map_err(|problem| self.fault(problem)).ok()
    }

    /// Goes a step further in. Returns what [`Reader::leave`] is given to come back.
    pub(crate) fn enter(&mut self, step: &str) -> usize {
        let outside = self.path.len();
        if !self.path.is_empty() && !step.starts_with('[') {
            self.path.push('.');
        }
        self.path.push_str(step);
        outside
    }

    /// Comes back out.
    pub(crate) fn leave(&mut self, outside: usize) {
        self.path.truncate(outside);
    }

    /// A text that is as it should be, or what would be right. Not generic, like [`Reader::member`].
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

    /// An object that has no other members than these.
    pub(crate) fn object<'v>(
        &mut self,
        value: &'v Value,
        known: &[&str],
    ) -> Option<&'v Map<String, Value>> {
        let Some(members) = value.as_object() else {
            self.fault("is not an object");
            return None;
        };
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

    /// A member of an object or its default, and where reading was before. Not generic: there
    /// are a hundred fields, and each would be a copy of it in the Worker.
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

/// A schema with its description and default.
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

/// The known name that is meant most likely.
fn nearest<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let close = |known: &&str| strsim::osa_distance(&name.to_ascii_lowercase(), known);
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
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let entries = reader.note(value.as_array().ok_or("use a list"))?;
        let read: Vec<Option<T>> = entries
            .iter()
            .enumerate()
            .map(|(at, entry)| {
                let outside = reader.enter(&format!("[{at}]"));
                let read = T::read(entry, reader);
                reader.leave(outside);
                read
            })
            .collect();
        read.into_iter().collect()
    }

    fn absent(_: &mut Reader) -> Option<Self> {
        Some(Self::new())
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }
}

impl<T: FromDocument> FromDocument for FlatMap<String, T> {
    fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
        let members = reader.note(value.as_object().ok_or("is not an object"))?;
        // Not collected: that would bring a sort for every type, of what is in order already.
        let mut all = Some(Self::default());
        for (name, member) in members.iter().filter(|(_, member)| !member.is_null()) {
            let outside = reader.enter(name);
            let read = T::read(member, reader);
            reader.leave(outside);
            all = all.zip(read).map(|(mut all, read)| {
                all.insert(name.clone(), read);
                all
            });
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
