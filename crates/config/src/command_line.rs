//! The command line: a parser made from the table.

use clap::builder::{PossibleValuesParser, ValueParser};
use clap::error::ErrorKind;
use clap::{Arg, ArgAction, ArgMatches, Command};

use crate::completions::Shell;
use crate::{Action, Conversion, Setting, Value, completions, number, reference, settings};

/// What the command line says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// The settings it names, in the order of the table, not yet validated.
    pub options: Vec<(&'static str, Value)>,
    /// Everything that is no flag: the application, and what follows it.
    pub arguments: Vec<String>,
}

/// The command line asks for a text instead of a server, or cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `--help`.
    Help,
    /// `--version`.
    Version,
    /// `--completions`.
    Completions(Shell),
    /// A usage error, and what to say about it.
    Mistake(String),
}

impl Stop {
    /// What to print, for lines of this width if there is a limit. To standard output if the
    /// status is 0, else to standard error.
    pub fn text(&self, width: Option<usize>) -> String {
        match self {
            Stop::Help => reference::help(width),
            Stop::Version => format!("oxicorn (version {VERSION})\n"),
            Stop::Completions(shell) => completions::script(*shell),
            Stop::Mistake(text) => text.clone(),
        }
    }

    /// Exit status.
    pub fn status(&self) -> i32 {
        match self {
            Stop::Mistake(_) => 2,
            Stop::Help | Stop::Version | Stop::Completions(_) => 0,
        }
    }
}

const ARGUMENTS: &str = "APP_MODULE";
const COMPLETIONS: &str = "completions";
const USAGE: &str = "oxicorn [OPTIONS] [APP_MODULE]";
const VERSION: &str = env!("CARGO_PKG_VERSION");

impl CommandLine {
    /// Reads the words after the program's name.
    pub fn parse(words: &[String]) -> Result<CommandLine, Stop> {
        let named = std::iter::once("oxicorn").chain(words.iter().map(String::as_str));
        let matches = command()
            .try_get_matches_from(named)
            .map_err(|error| stop(&error))?;
        let shell = matches.get_one::<String>(COMPLETIONS);
        if let Some(shell) = shell.and_then(|name| Shell::named(name)) {
            return Err(Stop::Completions(shell));
        }
        Ok(CommandLine {
            options: settings::all()
                .filter_map(|setting| option(setting, &matches))
                .collect(),
            arguments: matches
                .get_many(ARGUMENTS)
                .into_iter()
                .flatten()
                .cloned()
                .collect(),
        })
    }
}

fn stop(error: &clap::Error) -> Stop {
    match error.kind() {
        ErrorKind::DisplayHelp => Stop::Help,
        ErrorKind::DisplayVersion => Stop::Version,
        _ => Stop::Mistake(mistake(error)),
    }
}

/// Clap leaves the usage out where a value is wrong; operators expect it under every mistake.
fn mistake(error: &clap::Error) -> String {
    let text = error.render().to_string();
    if text.contains("Usage:") {
        text
    } else {
        format!("Usage: {USAGE}\n\n{text}")
    }
}

/// The parser.
pub(crate) fn command() -> Command {
    Command::new("oxicorn")
        .version(VERSION)
        .override_usage(USAGE)
        .disable_version_flag(true)
        .infer_long_args(true)
        // The last one wins; those that make a list still add up.
        .args_override_self(true)
        .arg(
            Arg::new("version")
                .short('v')
                .long("version")
                .help("Show the version and exit.")
                .action(ArgAction::Version),
        )
        .arg(
            Arg::new(COMPLETIONS)
                .long(COMPLETIONS)
                .value_name("SHELL")
                .help("Print completions for a shell and exit.")
                .value_parser(PossibleValuesParser::new(Shell::NAMES)),
        )
        .args(
            settings::all()
                .filter(|setting| !setting.flags.is_empty())
                .map(flag),
        )
        .arg(Arg::new(ARGUMENTS).num_args(0..))
}

fn flag(setting: &'static Setting) -> Arg {
    let mut arg = Arg::new(setting.name)
        .value_name(setting.metavar)
        .action(match setting.action {
            Action::Store | Action::StoreOr(_) => ArgAction::Set,
            Action::Append => ArgAction::Append,
            Action::Set(true) => ArgAction::SetTrue,
            Action::Set(false) => ArgAction::SetFalse,
        });
    let mut long_names = long_names_of(setting);
    if let Some(name) = long_names.next() {
        arg = arg.long(name).visible_aliases(long_names);
    }
    if !setting.own {
        let names = long_names_of(setting);
        arg = arg.aliases(names.flat_map(kept_abbreviations));
    }
    if let Some(letter) = setting
        .flags
        .iter()
        .filter(|flag| flag.len() == 2)
        .find_map(|flag| flag.chars().nth(1))
    {
        arg = arg.short(letter);
    }
    if matches!(setting.action, Action::Set(_)) {
        return arg;
    }
    if let Action::StoreOr(word) = setting.action {
        arg = arg.num_args(0..=1).default_missing_value(word);
    }
    // "-1" is a number that validation refuses, not an unknown flag.
    arg.allow_negative_numbers(setting.conversion != Conversion::Text)
        .value_parser(parser(setting.conversion))
}

fn long_names_of(setting: &'static Setting) -> impl Iterator<Item = &'static str> {
    setting
        .flags
        .iter()
        .filter_map(|flag| flag.strip_prefix("--"))
}

/// Abbreviations of one of Gunicorn's flags that only flags of our own make ambiguous: scripts that
/// use them go on working.
fn kept_abbreviations(name: &'static str) -> impl Iterator<Item = &'static str> {
    let begin_so = move |own: bool, short: &str| {
        settings::all()
            .filter(|setting| setting.own == own)
            .flat_map(long_names_of)
            .any(|other| other != name && other.starts_with(short))
    };
    (1..name.len())
        .filter_map(|end| name.get(..end))
        .filter(move |short| begin_so(true, short) && !begin_so(false, short))
}

/// How the text after a flag becomes a [`Value`].
fn parser(conversion: Conversion) -> ValueParser {
    ValueParser::new(move |text: &str| {
        let word = Value::Str(text.to_owned());
        let number = match conversion {
            Conversion::Text => return Ok(word),
            Conversion::DecimalOr(other) if text == other => return Ok(word),
            Conversion::Decimal | Conversion::DecimalOr(_) => number::decimal(text),
            Conversion::AnyBase => number::any_base(text),
        };
        number.map(Value::Int).ok_or("it is not a whole number")
    })
}

/// What the command line says about one setting.
fn option(setting: &'static Setting, matches: &ArgMatches) -> Option<(&'static str, Value)> {
    let written = matches.try_contains_id(setting.name).ok()?
        && matches.value_source(setting.name) == Some(clap::parser::ValueSource::CommandLine);
    if !written {
        return None;
    }
    let value = match setting.action {
        Action::Set(value) => Value::Bool(value),
        Action::Append => Value::List(matches.get_many(setting.name)?.cloned().collect()),
        Action::Store | Action::StoreOr(_) => matches.get_one::<Value>(setting.name)?.clone(),
    };
    Some((setting.name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<CommandLine, Stop> {
        let words: Vec<_> = line.split_whitespace().map(str::to_owned).collect();
        CommandLine::parse(&words)
    }

    fn options(line: &str) -> Vec<(&'static str, Value)> {
        parse(line).expect("a good command line").options
    }

    #[test]
    fn the_parser_is_sound() {
        command().debug_assert();
    }

    #[test]
    fn flags_give_values_and_the_rest_is_arguments() {
        let line = parse("-w 4 app:app --bind=:80 -b :81 -D ignored").expect("good");
        let expected = [
            ("bind", Value::strings([":80", ":81"])),
            ("workers", Value::Int(4)),
            ("daemon", Value::Bool(true)),
        ];
        assert_eq!(line.options, expected);
        assert_eq!(line.arguments, ["app:app", "ignored"]);
    }

    #[test]
    fn the_last_of_a_repeated_flag_wins() {
        assert_eq!(options("-w 2 --workers 3"), [("workers", Value::Int(3))]);
        assert_eq!(
            options("-D -D --no-sendfile"),
            [
                ("sendfile", Value::Bool(false)),
                ("daemon", Value::Bool(true))
            ]
        );
    }

    #[test]
    fn long_flags_may_be_abbreviated() {
        assert_eq!(options("--log-f x"), [("errorlog", Value::Str("x".into()))]);
        assert_eq!(
            options("--max-requests 3"),
            [("max_requests", Value::Int(3))]
        );
    }

    #[test]
    fn modes_are_octal_and_numbers_decimal() {
        assert_eq!(options("--umask 022"), [("umask", Value::Int(18))]);
        assert_eq!(options("--workers -1"), [("workers", Value::Int(-1))]);
        assert_eq!(parse("--workers 0x2").expect_err("not decimal").status(), 2);
    }

    #[test]
    fn the_proxy_protocol_takes_an_optional_value() {
        let mode = |word: &str| vec![("proxy_protocol", Value::Str(word.into()))];
        assert_eq!(options("app:app --proxy-protocol"), mode("auto"));
        assert_eq!(options("--proxy-protocol v2 app:app"), mode("v2"));
        assert_eq!(options("--proxy-protocol=v1"), mode("v1"));
        assert_eq!(options("--proxy-protocol app:app"), mode("app:app"));
    }

    #[test]
    fn the_number_of_workers_may_be_a_word() {
        assert_eq!(options("-w auto"), [("workers", Value::Str("auto".into()))]);
        assert_eq!(parse("-w many").expect_err("no number").status(), 2);
        assert_eq!(parse("--threads auto").expect_err("no number").status(), 2);
    }

    #[test]
    fn help_version_and_completions_succeed_and_mistakes_do_not() {
        assert_eq!(
            parse("-v").expect_err("version").text(None),
            format!("oxicorn (version {VERSION})\n")
        );
        assert_eq!(parse("--help").expect_err("help").status(), 0);
        let script = parse("--completions fish").expect_err("a script");
        assert_eq!(script, Stop::Completions(Shell::Fish));
        assert_eq!(
            parse("--completions tcsh").expect_err("unknown").status(),
            2
        );
        let mistake = parse("--worker 3").expect_err("ambiguous or unknown");
        assert_eq!(mistake.status(), 2);
    }

    #[test]
    fn an_unknown_flag_gets_the_nearest_one() {
        for (written, meant) in [
            ("--workerz 3", "--workers"),
            ("--bnd :80", "--bind"),
            ("--acess-logfile -", "--access-logfile"),
            ("--keepalive 5", "--keep-alive"),
            ("--graceful_timeout 5", "--graceful-timeout"),
        ] {
            let text = parse(written).expect_err("unknown").text(None);
            assert!(text.contains(&format!("'{meant}'")), "{text}");
        }
    }
}
