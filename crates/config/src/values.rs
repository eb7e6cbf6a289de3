//! One value for each setting.

use std::collections::BTreeMap;

use crate::{ConfigError, Environment, Origin, Setting, Status, Value, settings};

/// The validated value of every setting of the table, and where it was written.
#[derive(Clone, Debug, Default)]
pub struct Values(BTreeMap<&'static str, (Value, Origin)>);

impl Values {
    /// What holds when nothing was written.
    pub fn defaults(environment: &Environment) -> Result<Values, ConfigError> {
        let mut values = Values(BTreeMap::new());
        for setting in settings::all() {
            let origin = match setting.variable {
                Some(name) if environment.variable(name).is_some() => Origin::Variable(name),
                _ => Origin::Default,
            };
            let value = setting.accept(setting.default_value(environment), &origin, environment)?;
            values.restore(setting, value, origin);
        }
        Ok(values)
    }

    /// Validates and stores a value that was written at `origin`.
    pub fn set(
        &mut self,
        setting: &'static Setting,
        value: Value,
        origin: &Origin,
        environment: &Environment,
    ) -> Result<(), ConfigError> {
        let value = setting.accept(value, origin, environment)?;
        self.restore(setting, value, origin.clone());
        Ok(())
    }

    /// Stores a value that was accepted before.
    pub fn restore(&mut self, setting: &'static Setting, accepted: Value, origin: Origin) {
        self.0.insert(setting.name, (accepted, origin));
    }

    /// The value of a setting of the table.
    pub fn get(&self, name: &str) -> &Value {
        self.0.get(name).map_or(&Value::None, |(value, _)| value)
    }

    /// Refuses the value of a setting, which may be fine alone but not with the others.
    pub fn refused(&self, setting: &'static str, expected: impl Into<String>) -> ConfigError {
        ConfigError {
            setting,
            value: self.get(setting).to_string(),
            origin: (self.0.get(setting))
                .map(|(_, origin)| origin.clone())
                .unwrap_or_default(),
            expected: expected.into(),
        }
    }

    /// Refuses what this version would have to ignore.
    pub fn refuse_unfinished(&self, environment: &Environment) -> Result<(), ConfigError> {
        for setting in settings::all() {
            let value = self.get(setting.name);
            let expected = match setting.status {
                Status::Finished => continue,
                Status::Only(values)
                    if values.iter().any(|known| Value::from(*known) == *value) =>
                {
                    continue;
                }
                Status::Only(values) => {
                    let known: Vec<_> = values
                        .iter()
                        .map(|known| Value::from(*known).to_string())
                        .collect();
                    format!(
                        "{}, as other values are not supported yet",
                        known.join(" or ")
                    )
                }
                Status::UnfinishedUnless(off) if *self.get(off) == Value::Bool(true) => continue,
                Status::Unfinished | Status::UnfinishedUnless(_) => {
                    let default = setting.default_value(environment);
                    let default = setting.accept(default, &Origin::Default, environment)?;
                    if default == *value {
                        continue;
                    }
                    format!("{default}, its default, as the setting is not supported yet")
                }
            };
            return Err(self.refused(setting.name, expected));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment() -> Environment {
        Environment {
            directory: "/".into(),
            ..Environment::default()
        }
    }

    fn with(name: &str, value: Value) -> Result<(), ConfigError> {
        let environment = environment();
        let mut values = Values::defaults(&environment)?;
        let setting = settings::find(name).expect("a setting of the table");
        values.set(setting, value, &Origin::CommandLine, &environment)?;
        values.refuse_unfinished(&environment)
    }

    #[test]
    fn an_unfinished_setting_is_accepted_only_at_its_default() {
        let frame = |bytes| with("http2_max_frame_size", Value::Int(bytes));
        assert_eq!(frame(16_384), Ok(()));
        let refused = frame(20_000).expect_err("not supported");
        assert_eq!(refused.setting, "http2_max_frame_size");
        assert!(refused.to_string().contains("not supported yet"));
    }

    #[test]
    fn the_path_of_a_socket_that_is_turned_off_is_taken() {
        let environment = environment();
        let mut values = Values::defaults(&environment).expect("defaults are valid");
        let mut set = |name, value| {
            let setting = settings::find(name).expect("a setting of the table");
            values
                .set(setting, value, &Origin::CommandLine, &environment)
                .expect("valid");
            values.refuse_unfinished(&environment)
        };
        let path = Value::Str("/run/app/control".into());
        assert!(set("control_socket", path).is_err());
        assert_eq!(set("control_socket_disable", Value::Bool(true)), Ok(()));
    }

    #[test]
    fn a_partly_finished_setting_takes_what_it_says() {
        for setting in settings::all() {
            if let Status::Only(values) = setting.status {
                for value in values {
                    assert_eq!(with(setting.name, (*value).into()), Ok(()));
                }
            }
        }
    }
}
