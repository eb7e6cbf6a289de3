//! A setting's value between the place where it was written and the typed `Config`.

use std::fmt;

/// A value as Python knows it, as far as settings need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Python's `None`: not set.
    None,
    /// `True` or `False`.
    Bool(bool),
    /// A number. Larger ones than this arrive as [`Value::Opaque`] and are refused.
    Int(i64),
    /// Text.
    Str(String),
    /// A list or tuple.
    List(Vec<Value>),
    /// A dictionary, in its order.
    Dict(Vec<(Value, Value)>),
    /// Any other Python object (a function, a class, ...), known here only by what it prints as.
    Opaque(String),
}

impl Value {
    /// The text, if this is text.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// Whether Python would take it for false in a condition.
    pub fn is_falsy(&self) -> bool {
        match self {
            Value::None => true,
            Value::Bool(value) => !value,
            Value::Int(number) => *number == 0,
            Value::Str(text) => text.is_empty(),
            Value::List(items) => items.is_empty(),
            Value::Dict(items) => items.is_empty(),
            Value::Opaque(_) => false,
        }
    }

    /// A list of texts.
    pub fn strings<T: Into<String>>(items: impl IntoIterator<Item = T>) -> Value {
        Value::List(
            items
                .into_iter()
                .map(|item| Value::Str(item.into()))
                .collect(),
        )
    }

    /// The value as `print()` shows it: text bare, everything else as its `repr`.
    pub fn plain(&self) -> String {
        match self {
            Value::Str(text) => text.clone(),
            other => other.to_string(),
        }
    }
}

/// Writes what Python's `repr` writes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::None => f.write_str("None"),
            Value::Bool(true) => f.write_str("True"),
            Value::Bool(false) => f.write_str("False"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Str(text) => quoted(f, text),
            Value::List(items) => {
                f.write_str("[")?;
                for (position, item) in items.iter().enumerate() {
                    write!(f, "{}{item}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str("]")
            }
            Value::Dict(items) => {
                f.write_str("{")?;
                for (position, (key, item)) in items.iter().enumerate() {
                    write!(f, "{}{key}: {item}", if position == 0 { "" } else { ", " })?;
                }
                f.write_str("}")
            }
            Value::Opaque(repr) => f.write_str(repr),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    let quote = if text.contains('\'') && !text.contains('"') {
        '"'
    } else {
        '\''
    };
    write!(f, "{quote}")?;
    for character in text.chars() {
        match character {
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            c if c == quote => write!(f, "\\{c}")?,
            c if c.is_control() => write!(f, "\\x{:02x}", u32::from(c))?,
            c => write!(f, "{c}")?,
        }
    }
    write!(f, "{quote}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_in_python() {
        let dict = Value::Dict(vec![(Value::Str("a".into()), Value::Bool(true))]);
        assert_eq!(dict.to_string(), "{'a': True}");
        assert_eq!(Value::strings(["it's", "b"]).to_string(), "[\"it's\", 'b']");
        assert_eq!(Value::Str("\0x\n'\"".into()).to_string(), r#"'\x00x\n\'"'"#);
        assert_eq!(Value::Str("bare".into()).plain(), "bare");
    }
}
