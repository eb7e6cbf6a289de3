//! Which values a setting takes, and what becomes of them.

use std::fs;
use std::net::IpAddr;
use std::path::{Component, Path, PathBuf};

use crate::{ConfigError, Environment, Kind, Origin, Setting, Value, number};

/// The accepted value, or what would have been accepted.
type Verdict = Result<Value, String>;

impl Setting {
    /// Validates `value` and gives it the form that the server uses, for example a list instead of
    /// one text.
    ///
    /// Callables and account names are checked on the Python side, which is why they pass here
    /// unseen.
    pub fn accept(
        &self,
        value: Value,
        origin: &Origin,
        environment: &Environment,
    ) -> Result<Value, ConfigError> {
        let written = value.to_string();
        self.judge(value, environment)
            .map_err(|expected| ConfigError {
                setting: self.name,
                value: written,
                origin: origin.clone(),
                expected,
            })
    }

    fn judge(&self, value: Value, environment: &Environment) -> Verdict {
        match self.kind {
            Kind::Text => text(value),
            Kind::Int { min, max } => whole_number(value, min, max),
            Kind::Workers => workers(value, environment),
            Kind::Size => size(value),
            Kind::Bool => boolean(value),
            Kind::List => list(value),
            Kind::Files => files(value),
            Kind::Dict => dictionary(value),
            Kind::Choice { words, exact } => choice(value, words, exact),
            Kind::ProxyProtocol => proxy_protocol(value),
            Kind::Networks => networks(value),
            Kind::Words => words(value),
            Kind::Protocols => protocols(value),
            Kind::StatsdAddress => statsd_address(value),
            Kind::Directory => directory(value, environment),
            Kind::Class => class(value),
            Kind::Any | Kind::Hook { .. } | Kind::User | Kind::Group => Ok(value),
        }
    }
}

fn text(value: Value) -> Verdict {
    match value {
        Value::None => Ok(Value::None),
        Value::Str(text) => Ok(Value::Str(text.trim().to_owned())),
        _ => Err("text".into()),
    }
}

fn whole_number(value: Value, min: i64, max: i64) -> Verdict {
    let number = match &value {
        Value::Int(number) => Some(*number),
        Value::Bool(value) => Some((*value).into()),
        Value::Str(text) => number::literal(text),
        _ => None,
    };
    number
        .filter(|number| (min..=max).contains(number))
        .map(Value::Int)
        .ok_or_else(|| match (min, max) {
            (0, i64::MAX) => "a whole number, not negative".into(),
            (min, i64::MAX) => format!("a whole number, at least {min}"),
            (min, max) => format!("a whole number from {min} to {max}"),
        })
}

fn workers(value: Value, environment: &Environment) -> Verdict {
    let automatic = value.as_str().map(str::trim) == Some("auto");
    if automatic {
        let processors = (environment.processors)();
        return Ok(Value::Int(i64::try_from(processors).unwrap_or(i64::MAX)));
    }
    whole_number(value, 0, i64::MAX).map_err(|expected| format!("{expected}, or auto"))
}

fn size(value: Value) -> Verdict {
    let expected = "a number of bytes, or one with K, M or G such as 512M";
    let text = match &value {
        Value::Str(text) => text.trim(),
        _ => return whole_number(value, 0, i64::MAX).map_err(|_| expected.into()),
    };
    let (digits, unit) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 1 << 10),
        Some((at, 'M' | 'm')) => (&text[..at], 1 << 20),
        Some((at, 'G' | 'g')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    number::decimal(digits)
        .filter(|number| *number >= 0)
        .and_then(|number| number.checked_mul(unit))
        .map(Value::Int)
        .ok_or_else(|| expected.into())
}

fn boolean(value: Value) -> Verdict {
    match &value {
        Value::None | Value::Bool(_) => return Ok(value),
        Value::Str(text) => match text.trim().to_lowercase().as_str() {
            "true" => return Ok(Value::Bool(true)),
            "false" => return Ok(Value::Bool(false)),
            _ => {}
        },
        _ => {}
    }
    Err("True or False".into())
}

fn list(value: Value) -> Verdict {
    if value.is_falsy() {
        return Ok(Value::List(Vec::new()));
    }
    let items = match value {
        Value::List(items) => items,
        single => vec![single],
    };
    let texts = items
        .iter()
        .map(|item| item.as_str().map(str::trim))
        .collect::<Option<Vec<_>>>();
    texts
        .map(Value::strings)
        .ok_or_else(|| "a list of texts, or one text".into())
}

fn files(value: Value) -> Verdict {
    let value = list(value)?;
    if let Value::List(items) = &value {
        for name in items.iter().filter_map(Value::as_str) {
            if !name.contains(['*', '?', '[']) && !Path::new(name).exists() {
                return Err(format!("files that exist, and there is no {name}"));
            }
        }
    }
    Ok(value)
}

fn dictionary(value: Value) -> Verdict {
    match value {
        Value::Dict(_) => Ok(value),
        _ => Err("a dictionary".into()),
    }
}

fn choice(value: Value, words: &[&str], exact: bool) -> Verdict {
    let meant = match &value {
        Value::None if !exact => words.first().map(|word| (*word).to_owned()),
        // A switch that grew further positions still understands True and False.
        Value::Bool(on) if words.first() == Some(&"off") => {
            words.get(usize::from(*on)).map(|word| (*word).to_owned())
        }
        Value::Str(text) if exact => Some(text.clone()),
        Value::Str(text) => Some(text.trim().to_lowercase()),
        _ => None,
    };
    let known = meant.filter(|meant| words.contains(&meant.as_str()));
    known
        .map(Value::Str)
        .ok_or_else(|| format!("one of {}", words.join(", ")))
}

fn proxy_protocol(value: Value) -> Verdict {
    let mode = match &value {
        Value::None | Value::Bool(false) => Some("off"),
        Value::Bool(true) => Some("auto"),
        Value::Str(text) => match text.trim().to_lowercase().as_str() {
            "off" | "false" | "0" | "none" => Some("off"),
            "auto" | "true" | "1" => Some("auto"),
            "v1" => Some("v1"),
            "v2" => Some("v2"),
            _ => None,
        },
        _ => None,
    };
    mode.map(|mode| Value::Str(mode.into()))
        .ok_or_else(|| "off, auto, v1 or v2".into())
}

fn comma_separated(value: &Value) -> Option<Vec<String>> {
    let text = match value {
        Value::None => "",
        other => other.as_str()?,
    };
    Some(
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect(),
    )
}

fn words(value: Value) -> Verdict {
    comma_separated(&value)
        .map(Value::strings)
        .ok_or_else(|| "one text with commas between the items".into())
}

fn networks(value: Value) -> Verdict {
    let items = comma_separated(&value).ok_or("one text with commas between the addresses")?;
    match items.iter().find(|item| !is_network(item)) {
        Some(item) => Err(format!(
            "addresses, networks without host bits, or '*', and {item:?} is none of these"
        )),
        None => Ok(Value::strings(items)),
    }
}

/// An address, `*`, or a network in CIDR notation whose bits behind the prefix are all zero.
fn is_network(item: &str) -> bool {
    let Some((address, prefix)) = item.split_once('/') else {
        return item == "*" || item.parse::<IpAddr>().is_ok();
    };
    let Ok(address) = address.parse::<IpAddr>() else {
        return false;
    };
    let (bits, width) = match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()) << 96, 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    };
    let length = match address {
        IpAddr::V4(_) => prefix.parse().ok().or_else(|| mask_length(prefix)),
        IpAddr::V6(_) => prefix.parse().ok(),
    };
    length.is_some_and(|length: u32| length <= width && bits.checked_shl(length).unwrap_or(0) == 0)
}

/// The prefix length that a mask such as `255.255.0.0` stands for.
fn mask_length(mask: &str) -> Option<u32> {
    let bits = mask.parse::<std::net::Ipv4Addr>().ok()?.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones())
}

fn protocols(value: Value) -> Verdict {
    let expected = "h1, h2 or both with a comma between them, none twice";
    let mut items = comma_separated(&value).ok_or(expected)?;
    for item in &mut items {
        *item = item.to_lowercase();
    }
    if items.is_empty() {
        items.push("h1".into());
    }
    let known = items.iter().all(|item| item == "h1" || item == "h2");
    let twice = items
        .iter()
        .enumerate()
        .any(|(position, item)| items.iter().take(position).any(|other| other == item));
    if known && !twice {
        Ok(Value::strings(items))
    } else {
        Err(expected.into())
    }
}

/// A host may do without a port: StatsD has one of its own.
fn statsd_address(value: Value) -> Verdict {
    let value = text(value)?;
    let Value::Str(address) = &value else {
        return Ok(value);
    };
    let port = match address.rsplit_once(':') {
        _ if address.starts_with("unix://") => None,
        // The colons of an address of IP version 6 in its brackets.
        Some((_, behind)) if behind.ends_with(']') => None,
        Some((_, port)) => Some(port),
        None => None,
    };
    match port {
        Some(port) if port.parse::<u16>().is_err() => Err(format!(
            "HOST:PORT, HOST or unix://PATH, and {port:?} is no port number"
        )),
        _ => Ok(value),
    }
}

fn directory(value: Value, environment: &Environment) -> Verdict {
    let expected = "a directory that exists";
    let value = text(value).map_err(|_| expected)?;
    let path = normal(&Path::new(&environment.directory).join(value.as_str().unwrap_or_default()));
    match fs::metadata(&path) {
        Ok(_) => Ok(Value::Str(path.to_string_lossy().into_owned())),
        Err(_) => Err(expected.into()),
    }
}

/// The path without `.` and `..`. Links are not resolved: operators expect to see the name they
/// wrote.
fn normal(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir => {
                clean.pop();
            }
            other => clean.push(other),
        }
    }
    clean
}

fn class(value: Value) -> Verdict {
    match value {
        Value::Opaque(_) => Ok(value),
        Value::Str(text) => Ok(Value::Str(text.trim().to_owned())),
        _ => Err("the name of a class, or a class".into()),
    }
}

#[cfg(test)]
#[path = "accept_tests.rs"]
mod tests;
