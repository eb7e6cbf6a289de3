//! Completion scripts for shells, from the same parser that reads the command line.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ValueHint};

use crate::{Action, Kind, Setting, command_line, settings};

/// A shell that completions are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of the shells")]
pub enum Shell {
    Bash,
    Zsh,
    Fish,
}

impl Shell {
    /// What the flag takes.
    pub(crate) const NAMES: [&'static str; 3] = ["bash", "zsh", "fish"];

    /// The shell of this name.
    pub(crate) fn named(name: &str) -> Option<Shell> {
        match name {
            "bash" => Some(Shell::Bash),
            "zsh" => Some(Shell::Zsh),
            "fish" => Some(Shell::Fish),
            _ => None,
        }
    }
}

/// The script that teaches a shell the flags, with what each takes.
pub fn script(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut command = command_line::command().mut_args(described);
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut command, "oxicorn", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

/// The parser's argument with what only completion needs: help, words to choose from, and whether
/// files are meant.
fn described(arg: Arg) -> Arg {
    let Some(setting) = settings::find(arg.get_id().as_str()) else {
        return arg;
    };
    let arg = arg.help(setting.help);
    if matches!(setting.action, Action::Set(_)) {
        return arg;
    }
    match choices(setting) {
        [] => arg.value_hint(hint(setting)),
        words => arg.value_parser(PossibleValuesParser::new(words)),
    }
}

fn choices(setting: &Setting) -> &'static [&'static str] {
    match setting.kind {
        Kind::Choice { words, .. } => words,
        Kind::ProxyProtocol => &["off", "auto", "v1", "v2"],
        _ => &[],
    }
}

fn hint(setting: &Setting) -> ValueHint {
    match setting.metavar {
        "FILE" | "PATH" => ValueHint::FilePath,
        "DIRECTORY" | "DIRECTORIES" => ValueHint::DirPath,
        "USER" => ValueHint::Username,
        _ => ValueHint::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flag_is_completed_in_every_shell() {
        for name in Shell::NAMES {
            let shell = Shell::named(name).expect("a shell we know");
            let script = script(shell);
            for flag in settings::all().flat_map(|setting| setting.flags) {
                // Fish has no dashes: `-l workers`.
                let word = if shell == Shell::Fish {
                    flag.trim_start_matches('-')
                } else {
                    flag
                };
                assert!(script.contains(word), "{name}: {flag}");
            }
        }
    }

    #[test]
    fn words_to_choose_from_are_offered() {
        for name in Shell::NAMES {
            let script = script(Shell::named(name).expect("a shell we know"));
            assert!(script.contains("inotify"), "{name}");
        }
    }
}
