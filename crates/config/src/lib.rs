//! The settings of oxicorn: one table, and all that is derived from it.
//!
//! | from the table | by |
//! | --- | --- |
//! | the command line parser and `--help` | [`command_line`] |
//! | the validation of a value, wherever it was written | [`Setting::accept`] |
//! | the defaults, with the environment variables that feed them | [`Setting::default_value`] |
//! | the typed [`Config`] that the rest of the server is built from | [`Config::from_values`] |
//! | the reference page `docs/settings.md` | [`reference`] |
//! | completions for shells | [`completions`] |
//!
//! This crate knows names, kinds and defaults. It does not know Python: configuration files are
//! executed, and callables and user names are checked, on the Python side. It opens no socket and
//! reads no clock.

#![forbid(unsafe_code)]

mod accept;
mod address;
pub mod command_line;
pub mod completions;
mod config;
mod environment;
mod error;
mod number;
pub mod reference;
mod setting;
pub mod settings;
mod value;
mod values;

pub use address::Address;
pub use config::{Config, HeaderMap, ProxyProtocol};
pub use environment::Environment;
pub use error::{ConfigError, Origin};
pub use setting::{Action, Const, Conversion, Fallback, Kind, Section, Setting, Status};
pub use value::Value;
pub use values::Values;
