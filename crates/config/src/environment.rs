//! The surroundings that decide some defaults.

use std::collections::BTreeMap;
use std::path::Path;

use crate::{Fallback, Setting, Value, number};

/// What defaults are computed from, gathered by the caller so that the computation is pure.
#[derive(Clone, Debug)]
pub struct Environment {
    /// Environment variables.
    pub variables: BTreeMap<String, String>,
    /// Directory the server was started in.
    pub directory: String,
    /// Effective user id.
    pub user: u32,
    /// Effective group id.
    pub group: u32,
    /// How many processors this process may use. A function, because finding it out takes a while
    /// and hardly any configuration asks.
    pub processors: fn() -> usize,
}

impl Default for Environment {
    fn default() -> Environment {
        Environment {
            variables: BTreeMap::new(),
            directory: String::new(),
            user: 0,
            group: 0,
            processors: || 1,
        }
    }
}

impl Environment {
    /// Names of the variables with arguments, the first that exists counts.
    pub const ARGUMENTS: [&'static str; 2] = ["OXICORN_CMD_ARGS", "GUNICORN_CMD_ARGS"];

    /// The variable with further arguments that holds here, and its text.
    pub fn arguments(&self) -> Option<(&'static str, &str)> {
        Self::ARGUMENTS
            .into_iter()
            .find_map(|name| Some((name, self.variable(name)?)))
    }

    /// The value of a variable.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    pub(crate) fn default_of(&self, setting: &Setting) -> Value {
        let fed = setting
            .variable
            .and_then(|name| self.variable_default(name));
        fed.unwrap_or_else(|| match setting.default {
            Fallback::Value(constant) => constant.into(),
            Fallback::Hook => Value::None,
            Fallback::WorkingDirectory => Value::Str(self.directory.clone()),
            Fallback::EffectiveUser => Value::Int(self.user.into()),
            Fallback::EffectiveGroup => Value::Int(self.group.into()),
            Fallback::ControlSocket => Value::Str(self.control_socket()),
        })
    }

    fn variable_default(&self, name: &str) -> Option<Value> {
        let text = self.variable(name)?;
        match name {
            // Platforms that set PORT expect the server on every interface.
            "PORT" => Some(Value::strings([format!("0.0.0.0:{text}")])),
            "WEB_CONCURRENCY" => {
                Some(number::decimal(text).map_or_else(|| Value::Str(text.to_owned()), Value::Int))
            }
            "SENDFILE" => {
                let yes = ["y", "1", "yes", "true"].contains(&text.to_lowercase().as_str());
                Some(Value::Bool(yes))
            }
            _ => Some(Value::Str(text.to_owned())),
        }
    }

    fn control_socket(&self) -> String {
        let runtime = self
            .variable("XDG_RUNTIME_DIR")
            .filter(|directory| Path::new(directory).is_dir());
        match runtime {
            Some(directory) => format!("{directory}/gunicorn.ctl"),
            None => format!(
                "{}/.gunicorn/gunicorn.ctl",
                self.variable("HOME").unwrap_or("/")
            ),
        }
    }
}
