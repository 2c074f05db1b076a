//! Defines types whose parser, defaults and schema follow from their definition.

/// Defines an object. Every field has a type and, if it is optional, its default:
///
/// ```text
/// object! {
///     /// Lifetimes of sessions.
///     pub(crate) struct Session {
///         /// Ends a session after this time without use.
///         idle: Seconds = "8h",
///     }
/// }
/// ```
macro_rules! object {
    (
        $(#[doc = $doc:literal])*
        pub(crate) struct $name:ident {
            $( $(#[doc = $about:literal])* $field:ident: $type:ty $(= $default:tt)?, )*
        }
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) struct $name {
            $( $(#[doc = $about])* pub(crate) $field: $type, )*
        }

        impl FromDocument for $name {
            #[inline(never)]
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                let members = reader.object(value, &[$($crate::config::object_macro::field_name(stringify!($field))),*])?;
                $(
                    let $field = object!(@member members, reader, $field $(, $default)?);
                )*
                Some(Self { $($field: $field?,)* })
            }

            fn absent(reader: &mut Reader) -> Option<Self> {
                Self::read(&Value::Object(Map::new()), reader)
            }

            fn schema() -> Value {
                let mut properties = Map::new();
                let mut required: Vec<&str> = Vec::new();
                $(
                    let about = [$($about),*].concat();
                    let default: Option<Value> = object!(@own $($default)?);
                    if default.is_none() && <$type>::absent(&mut Reader::default()).is_none() {
                        required.push($crate::config::object_macro::field_name(stringify!($field)));
                    }
                    let schema = described(<$type>::schema(), &about, default);
                    properties.insert($crate::config::object_macro::field_name(stringify!($field)).to_owned(), schema);
                )*
                json!({
                    "type": "object",
                    "properties": properties,
                    "required": required,
                    "additionalProperties": false,
                })
            }

            fn default_value() -> Option<Value> {
                let mut members = Map::new();
                $(
                    if let Some(value) = object!(@default $type $(, $default)?) {
                        members.insert($crate::config::object_macro::field_name(stringify!($field)).to_owned(), value);
                    }
                )*
                (!members.is_empty()).then_some(Value::Object(members))
            }
        }
    };
    (@member $members:ident, $reader:ident, $field:ident $(, $default:tt)?) => {{
        let (given, outside) = $reader.member($members, $crate::config::object_macro::field_name(stringify!($field)), object!(@text $($default)?));
        let read = match given {
            Some(value) => FromDocument::read(&value, $reader),
            None => FromDocument::absent($reader),
        };
        $reader.leave(outside);
        read
    }};
    (@text) => {
        None
    };
    (@text $default:tt) => {
        // The source text of a literal is its JSON.
        Some(stringify!($default))
    };
    (@own) => {
        None
    };
    (@own $default:tt) => {
        Some(json!($default))
    };
    (@default $type:ty) => {
        <$type>::default_value()
    };
    (@default $type:ty, $default:tt) => {
        Some(json!($default))
    };
}

/// Defines a choice among words:
///
/// ```text
/// choice! { LoginMode { "off" => Off, "required" => Required } }
/// ```
macro_rules! choice {
    ($name:ident { $($word:literal => $variant:ident),* $(,)? }) => {
        impl FromDocument for $name {
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                match value.as_str() {
                    $(Some($word) => Some(Self::$variant),)*
                    _ => {
                        reader.fault_of_words(&[$($word),*]);
                        None
                    }
                }
            }

            fn schema() -> Value {
                json!({ "enum": [$($word),*] })
            }
        }
    };
}

/// Defines a text type by a parse function, whose error says the fix.
macro_rules! text {
    ($name:ty, $pattern:literal, $parse:expr) => {
        impl FromDocument for $name {
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                let text = String::read(value, reader)?;
                reader.note($parse(&text))
            }

            fn schema() -> Value {
                json!({ "type": "string", "pattern": $pattern })
            }
        }
    };
}

/// Defines a text type by a check; the text stays as it is.
macro_rules! checked {
    ($(#[doc = $doc:literal])* $name:ident, $pattern:literal, $is:expr, $right:literal) => {
        $(#[doc = $doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub(crate) struct $name(pub String);

        impl FromDocument for $name {
            fn read(value: &Value, reader: &mut Reader) -> Option<Self> {
                reader.text(value, $is, $right).map(Self)
            }

            fn schema() -> Value {
                json!({ "type": "string", "pattern": $pattern })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// Returns a field's name in a document: some are words of Rust.
pub(super) fn field_name(field: &'static str) -> &'static str {
    field.strip_prefix("r#").unwrap_or(field)
}

pub(super) use {checked, choice, object, text};
