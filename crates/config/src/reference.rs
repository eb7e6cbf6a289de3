//! What people read about the settings: `--help` and the reference page.

use std::fmt::Write;

use crate::{Action, Environment, Fallback, Section, Setting, Status, Value, settings};

/// Width of the column of flags in `--help`.
const FLAGS: usize = 42;

const HELP_HEAD: &str = "\
Usage: oxicorn [OPTIONS] [APP_MODULE]

Serve a Python web application. APP_MODULE is MODULE, MODULE:NAME,
MODULE:OBJECT.ATTRIBUTE or MODULE:FACTORY(ARGUMENTS).

Options override OXICORN_CMD_ARGS (or GUNICORN_CMD_ARGS), which overrides the
configuration file (oxicorn.conf.py, else gunicorn.conf.py, or -c FILE).
Settings marked * are not supported yet: only their default is accepted.

General:
  -h, --help                              Show this text and exit.
  -v, --version                           Show the version and exit.
";

/// The text of `--help`.
pub fn help() -> String {
    let mut text = HELP_HEAD.to_owned();
    for_each_section(|section, entries| {
        let entries: Vec<_> = entries
            .iter()
            .filter(|setting| !setting.flags.is_empty())
            .collect();
        if !entries.is_empty() {
            let _ = write!(text, "\n{}:\n", section.title());
        }
        for setting in entries {
            text.push_str(&help_line(setting));
        }
    });
    text
}

fn help_line(setting: &Setting) -> String {
    // Where there is no short flag, its room stays empty so that the long ones stand in one column.
    let room = if setting.flags.iter().any(|flag| flag.len() == 2) {
        ""
    } else {
        "    "
    };
    let flags = format!("  {room}{}", usage(setting));
    let mark = if setting.status == Status::Unfinished {
        "* "
    } else {
        ""
    };
    let default = shown_default(setting).filter(|_| setting.takes_value());
    let default = default.map(|text| format!(" [{text}]")).unwrap_or_default();
    let text = format!("{mark}{}{default}", setting.help);
    if flags.len() + 2 > FLAGS {
        format!("{flags}\n{:FLAGS$}{text}\n", "")
    } else {
        format!("{flags:FLAGS$}{text}\n")
    }
}

/// The flags with the name of their value: `-w, --workers INT`.
fn usage(setting: &Setting) -> String {
    let flags = setting.flags.join(", ");
    match setting.action {
        Action::Set(_) => flags,
        Action::StoreOr(_) => format!("{flags} [{}]", setting.metavar),
        Action::Store | Action::Append => format!("{flags} {}", setting.metavar),
    }
}

impl Setting {
    fn takes_value(&self) -> bool {
        !matches!(self.action, Action::Set(_))
    }
}

/// The default as a reader wants to see it, the same on every machine.
fn shown_default(setting: &Setting) -> Option<String> {
    match setting.default {
        Fallback::Value(_) => match setting.default_value(&Environment::default()) {
            Value::List(items) => {
                Some(items.iter().map(Value::plain).collect::<Vec<_>>().join(","))
            }
            value => Some(value.plain()),
        }
        .filter(|text| !text.is_empty() && text != "None"),
        Fallback::Hook => None,
        Fallback::WorkingDirectory => Some("the current directory".into()),
        Fallback::EffectiveUser => Some("the current user".into()),
        Fallback::EffectiveGroup => Some("the current group".into()),
        Fallback::ControlSocket => Some("$XDG_RUNTIME_DIR/gunicorn.ctl".into()),
    }
}

const PAGE_HEAD: &str = "\
# Settings

<!-- Generated: cargo run -p oxicorn-config --example settings_reference > docs/settings.md -->

A setting is written on the command line, in `OXICORN_CMD_ARGS` (or `GUNICORN_CMD_ARGS`, which is
read when the former does not exist), or by its name in a configuration file. The command line
overrides the variable, the variable the file, the file the defaults. Lists are replaced, not joined.
Names and meanings are Gunicorn's.

A setting marked *not supported yet* is accepted at its default; any other value is refused at
start.
";

/// The reference page, Markdown.
pub fn page() -> String {
    let mut text = PAGE_HEAD.to_owned();
    for_each_section(|section, entries| {
        let _ = write!(text, "\n## {}\n", section.title());
        for setting in entries {
            text.push_str(&page_entry(setting));
        }
    });
    text
}

fn page_entry(setting: &Setting) -> String {
    let mut facts = Vec::new();
    if !setting.flags.is_empty() {
        facts.push(format!("`{}`", usage(setting)));
    }
    let literal = setting.default_value(&Environment::default());
    facts.push(match setting.default {
        Fallback::Value(_) => format!("default `{literal}`"),
        Fallback::Hook => "default: does nothing".into(),
        _ => format!("default: {}", shown_default(setting).unwrap_or_default()),
    });
    facts.extend(setting.variable.map(|name| format!("environment `{name}`")));
    facts.extend(setting.own.then(|| "not in Gunicorn".to_owned()));
    match setting.status {
        Status::Finished => {}
        Status::Only(values) => {
            let values: Vec<_> = values
                .iter()
                .map(|value| format!("`{}`", Value::from(*value)))
                .collect();
            facts.push(format!("*only {} so far*", values.join(" and ")));
        }
        Status::Unfinished => facts.push("*not supported yet*".into()),
    }
    let details = if setting.details.is_empty() {
        String::new()
    } else {
        format!("\n\n{}", setting.details)
    };
    format!(
        "\n### {}\n\n{}\n\n{}{details}\n",
        setting.name,
        facts.join(" · "),
        setting.help
    )
}

fn for_each_section(mut show: impl FnMut(Section, &[&'static Setting])) {
    let entries: Vec<_> = settings::all().collect();
    for group in entries.chunk_by(|one, next| one.section == next.section) {
        if let Some(first) = group.first() {
            show(first.section, group);
        }
    }
}
