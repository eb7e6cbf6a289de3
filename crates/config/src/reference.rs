//! What people read about the settings: `--help` and the reference page.

use std::fmt::Write;

use crate::{Action, Conversion, Environment, Fallback, Section, Setting, Status, Value, settings};

/// Width of the column of flags in `--help`: all of them fit.
const FLAGS: usize = 46;

/// The same where lines are short; the longest flags get a line of their own.
const FLAGS_NARROW: usize = 38;

/// From this width on, lines are not short.
const WIDE: usize = 120;

/// Under this width nothing is wrapped: the columns would be more trouble than the long lines.
const NARROWEST: usize = 64;

const HELP_HEAD: &str = "\
Usage: oxicorn [OPTIONS] [APP_MODULE]

Serve a Python web application. APP_MODULE is MODULE, MODULE:NAME,
MODULE:OBJECT.ATTRIBUTE or MODULE:FACTORY(ARGUMENTS).

Options override OXICORN_CMD_ARGS (or GUNICORN_CMD_ARGS), which overrides the
configuration file (oxicorn.conf.py, else gunicorn.conf.py, or -c FILE).
Defaults are in brackets. Settings marked * are not supported yet: only their
default is accepted.
";

const GENERAL: [(&str, &str); 3] = [
    ("-h, --help", "Show this text and exit."),
    ("-v, --version", "Show the version and exit."),
    (
        "    --completions SHELL",
        "Print completions for bash, zsh or fish and exit.",
    ),
];

/// The text of `--help`: a line for each flag, or more if lines may only be so wide.
pub fn help(width: Option<usize>) -> String {
    let layout = Layout::new(width);
    let mut text = format!("{HELP_HEAD}\nGeneral:\n");
    for (flags, meaning) in GENERAL {
        layout.write(&mut text, flags, meaning);
    }
    for_each_section(|section, entries| {
        let entries: Vec<_> = entries
            .iter()
            .filter(|setting| !setting.flags.is_empty())
            .collect();
        if !entries.is_empty() {
            let _ = write!(text, "\n{}:\n", section.title());
        }
        for setting in entries {
            layout.write(&mut text, &indented(setting), &meaning(setting));
        }
    });
    text
}

/// Two columns: flags, and what they mean.
struct Layout {
    flags: usize,
    meaning: usize,
}

impl Layout {
    fn new(width: Option<usize>) -> Layout {
        match width.filter(|width| *width >= NARROWEST) {
            None => Layout {
                flags: FLAGS,
                meaning: usize::MAX,
            },
            Some(width) => {
                let flags = if width < WIDE { FLAGS_NARROW } else { FLAGS };
                Layout {
                    flags,
                    meaning: width.saturating_sub(flags),
                }
            }
        }
    }

    fn write(&self, text: &mut String, flags: &str, meaning: &str) {
        let column = self.flags;
        let mut first = format!("  {flags}");
        if first.len() + 2 > column {
            let _ = writeln!(text, "{first}");
            first.clear();
        }
        for line in wrapped(meaning, self.meaning) {
            let _ = writeln!(text, "{first:column$}{line}");
            first.clear();
        }
    }
}

/// The text in lines of at most this width; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len() + 1 + word.len() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

/// The flags. Where there is no short one, its room stays empty so that the long ones stand in one
/// column.
fn indented(setting: &Setting) -> String {
    let has_short = setting.flags.iter().any(|flag| flag.len() == 2);
    let room = if has_short { "" } else { "    " };
    format!("{room}{}", usage(setting))
}

/// What the flag means, and its default.
fn meaning(setting: &Setting) -> String {
    let mark = if setting.status.is_unfinished() {
        "* "
    } else {
        ""
    };
    let default = shown_default(setting).filter(|_| setting.takes_value());
    let default = default.map(|text| format!(" [{text}]")).unwrap_or_default();
    format!("{mark}{}{default}", setting.help)
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
            // Nobody reads file modes in decimal.
            Value::Int(mode) if setting.conversion == Conversion::AnyBase => {
                Some(format!("{mode:#05o}").replacen("0o", "0", 1))
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
        Status::UnfinishedUnless(off) => {
            facts.push(format!("*not supported yet, taken with `{off}`*"));
        }
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
