//! A JSON tree that borrows its strings from the document and keeps every key of an
//! object, in order, duplicates included: the tree shows what was written, not what
//! one decoder makes of it.

use std::borrow::Cow;

use crate::text::same;

/// A JSON value. Numbers are apart by how Go's decoder would take them: only those
/// written as integers fit integer fields.
#[derive(Debug, PartialEq)]
pub enum Value<'a> {
    Null,
    Bool(bool),
    Unsigned(u64),
    /// Below zero.
    Signed(i64),
    /// A number with a fraction or an exponent, or too large for 64 bits.
    Other,
    /// Owned only if it was written with escapes.
    Text(Cow<'a, str>),
    List(Vec<Value<'a>>),
    Object(Vec<Member<'a>>),
}

/// A key of an object with its value.
pub type Member<'a> = (Cow<'a, str>, Value<'a>);

impl<'a> Value<'a> {
    /// What the value is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Unsigned(_) | Value::Signed(_) => "an integer",
            Value::Other => "a number that is no 64-bit integer",
            Value::Text(_) => "a string",
            Value::List(_) => "an array",
            Value::Object(_) => "an object",
        }
    }

    /// The member of an object; null counts as absent, as it does for Go.
    #[inline]
    pub fn get(&self, key: &str) -> Option<&Value<'a>> {
        match self.members().iter().find(|(k, _)| same(k, key)) {
            None | Some((_, Value::Null)) => None,
            Some((_, value)) => Some(value),
        }
    }

    pub fn text(&self) -> Option<&str> {
        match self {
            Value::Text(s) => Some(s),
            _ => None,
        }
    }

    pub fn integer(&self) -> Option<i128> {
        match self {
            Value::Unsigned(n) => Some(i128::from(*n)),
            Value::Signed(n) => Some(i128::from(*n)),
            _ => None,
        }
    }

    pub fn list(&self) -> &[Value<'a>] {
        match self {
            Value::List(items) => items,
            _ => &[],
        }
    }

    pub fn members(&self) -> &[Member<'a>] {
        match self {
            Value::Object(members) => members,
            _ => &[],
        }
    }

    pub fn text_at(&self, key: &str) -> Option<&str> {
        self.get(key)?.text()
    }

    pub fn integer_at(&self, key: &str) -> Option<i128> {
        self.get(key)?.integer()
    }

    /// False when absent, as for Go.
    pub fn true_at(&self, key: &str) -> bool {
        matches!(self.get(key), Some(Value::Bool(true)))
    }

    pub fn list_at(&self, key: &str) -> &[Value<'a>] {
        self.get(key).map_or(&[], Value::list)
    }

    pub fn members_at(&self, key: &str) -> &[Member<'a>] {
        self.get(key).map_or(&[], Value::members)
    }
}
