//! The one error of this crate: the operator wrote a value that a setting does not take.

use std::error::Error;
use std::fmt;

/// A value that was refused: which setting, what was written, where, and what would have been
/// accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// Name of the setting.
    pub setting: &'static str,
    /// The value as Python's `repr` shows it.
    pub value: String,
    /// Where it was written.
    pub origin: Origin,
    /// What the setting takes instead, a phrase that can follow "expected".
    pub expected: String,
}

/// Where a value was written. Each overrides those before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Origin {
    /// The default of the table.
    #[default]
    Default,
    /// An environment variable that feeds the default, such as `PORT`.
    Variable(&'static str),
    /// A configuration file, or anything else that the Python side names.
    Named(String),
    /// The command line.
    CommandLine,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ConfigError {
            setting,
            value,
            origin,
            expected,
        } = self;
        write!(
            f,
            "{setting} cannot be {value} ({origin}): expected {expected}"
        )
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => f.write_str("the default"),
            Origin::Variable(name) => write!(f, "environment variable {name}"),
            Origin::Named(name) => f.write_str(name),
            Origin::CommandLine => f.write_str("command line"),
        }
    }
}

impl Error for ConfigError {}
