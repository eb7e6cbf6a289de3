//! The table itself: sound, documented, and the same as Gunicorn's.

use std::collections::BTreeMap;

use oxicorn_config::{
    Action, Conversion, Environment, Fallback, Kind, Setting, Status, Values, settings,
};

/// Deliberate differences, each explained in docs/compatibility.md.
const OTHER_DEFAULTS: &[(&str, &str)] = &[("keepalive", "75")];

#[test]
fn names_sections_flags_and_defaults_are_gunicorns() {
    let facts: Vec<_> = include_str!("gunicorn_settings.txt")
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    let ours: BTreeMap<_, _> = settings::all()
        .filter(|setting| !setting.own)
        .map(|s| (s.name, s))
        .collect();
    assert_eq!((facts.len(), ours.len()), (120, 120));
    for line in facts {
        let name = line.split(" ¦ ").next().unwrap_or_default();
        let setting = ours
            .get(name)
            .unwrap_or_else(|| panic!("{name} is missing"));
        let line = OTHER_DEFAULTS
            .iter()
            .filter(|(other, _)| *other == name)
            .fold(line.to_owned(), |line, (_, default)| {
                let mut columns: Vec<_> = line.split(" ¦ ").collect();
                columns[4] = default;
                columns.join(" ¦ ")
            });
        assert_eq!(fact(setting), line);
    }
}

#[test]
fn every_other_default_is_explained_to_users() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/compatibility.md");
    let page = std::fs::read_to_string(path).expect("the page about differences");
    for (name, _) in OTHER_DEFAULTS {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
}

fn fact(setting: &Setting) -> String {
    let flags = if setting.flags.is_empty() {
        "-".into()
    } else {
        setting.flags.join(" ")
    };
    let action = match setting.action {
        _ if setting.flags.is_empty() => "-".into(),
        Action::Store => "store".into(),
        Action::Append => "append".into(),
        Action::Set(value) => format!("store_{value}"),
        Action::StoreOr(word) => format!("store_or {word}"),
    };
    let conversion = match setting.conversion {
        Conversion::Text => "",
        Conversion::Decimal | Conversion::DecimalOr(_) => " int",
        Conversion::AnyBase => " auto_int",
    };
    let default = match setting.default {
        Fallback::Value(_) => setting.default_value(&Environment::default()).to_string(),
        Fallback::Hook => "HOOK".into(),
        _ => "DYNAMIC".into(),
    };
    let variable = setting.variable.unwrap_or("-");
    format!(
        "{} ¦ {} ¦ {flags} ¦ {action}{conversion} ¦ {default} ¦ {variable}",
        setting.name,
        setting.section.title()
    )
}

#[test]
fn no_name_and_no_flag_is_used_twice() {
    let mut seen = BTreeMap::new();
    for setting in settings::all() {
        for word in setting.flags.iter().chain([&setting.name]) {
            assert_eq!(seen.insert(*word, setting.name), None, "{word}");
        }
    }
}

#[test]
fn every_entry_is_documented_by_one_clear_line() {
    for setting in settings::all() {
        assert!(
            setting.help.ends_with('.'),
            "{}: the help is a sentence",
            setting.name
        );
        assert!(
            setting.help.len() <= 100,
            "{}: the help fits a line",
            setting.name
        );
        assert!(
            !setting.details.contains("  "),
            "{}: the details are one paragraph",
            setting.name
        );
    }
}

#[test]
fn flags_are_well_formed() {
    for setting in settings::all() {
        for flag in setting.flags {
            let short = flag.len() == 2 && flag.starts_with('-');
            assert!(
                short || (flag.len() > 3 && flag.starts_with("--")),
                "{flag}"
            );
        }
        if !setting.flags.is_empty() {
            let list = matches!(setting.kind, Kind::List | Kind::Files);
            assert_eq!(
                list,
                setting.action == Action::Append,
                "{}: a list is appended to",
                setting.name
            );
            assert_eq!(
                setting.kind == Kind::Bool,
                matches!(setting.action, Action::Set(_)),
                "{}",
                setting.name
            );
        }
    }
}

#[test]
fn every_default_is_accepted() {
    let environment = Environment {
        directory: "/".into(),
        ..Environment::default()
    };
    let values = Values::defaults(&environment).expect("good defaults");
    values
        .refuse_unfinished(&environment)
        .expect("defaults are supported");
}

#[test]
fn variables_feed_defaults() {
    let mut environment = Environment {
        directory: "/".into(),
        ..Environment::default()
    };
    for (name, value) in [
        ("PORT", "81"),
        ("WEB_CONCURRENCY", "3"),
        ("FORWARDED_ALLOW_IPS", "10.1.2.3"),
        ("SENDFILE", "no"),
    ] {
        environment.variables.insert(name.into(), value.into());
    }
    let values = Values::defaults(&environment).expect("good values");
    assert_eq!(values.get("bind").to_string(), "['0.0.0.0:81']");
    assert_eq!(values.get("workers").to_string(), "3");
    assert_eq!(
        values.get("forwarded_allow_ips").to_string(),
        "['10.1.2.3']"
    );
    assert_eq!(values.get("sendfile").to_string(), "False");

    environment
        .variables
        .insert("WEB_CONCURRENCY".into(), "many".into());
    let error = Values::defaults(&environment).expect_err("not a number");
    assert_eq!(
        error.to_string(),
        "workers cannot be 'many' (environment variable WEB_CONCURRENCY): expected a whole number, not negative, or auto"
    );
}

#[test]
fn as_many_workers_as_usable_processors() {
    let mut environment = Environment {
        directory: "/".into(),
        processors: || 5,
        ..Environment::default()
    };
    let variable = ("WEB_CONCURRENCY".to_owned(), "auto".to_owned());
    environment.variables.extend([variable]);
    let values = Values::defaults(&environment).expect("good values");
    assert_eq!(values.get("workers").to_string(), "5");
}

#[test]
fn help_has_one_line_for_each_flag_and_fits_terminals() {
    let help = oxicorn_config::reference::help(None);
    let is_flag = |line: &&str| line.trim_start().starts_with('-');
    let flags = settings::all().filter(|setting| !setting.flags.is_empty());
    assert_eq!(help.lines().filter(is_flag).count(), flags.count() + 3);
    // Nothing is indented deeper than the flags: no second lines.
    assert!(!help.lines().any(|line| line.starts_with("       ")));

    for line in oxicorn_config::reference::help(Some(80)).lines() {
        let one_long_word = line.trim_start().split(' ').count() == 1;
        assert!(line.len() <= 80 || one_long_word, "{line}");
    }
}

#[test]
fn what_is_unfinished_is_marked_in_help_and_reference() {
    let (help, page) = (
        oxicorn_config::reference::help(None),
        oxicorn_config::reference::page(),
    );
    for setting in settings::all() {
        assert!(page.contains(&format!("### {}\n", setting.name)));
        assert!(setting.flags.iter().all(|flag| help.contains(flag)));
    }
    let unfinished = settings::all().filter(|setting| setting.status == Status::Unfinished);
    assert_eq!(
        page.matches("*not supported yet*").count(),
        unfinished.count() + 1
    );
}

#[test]
fn the_reference_page_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/settings.md");
    let page = std::fs::read_to_string(path).unwrap_or_default();
    let command = "cargo run -p oxicorn-config --example settings_reference > docs/settings.md";
    assert!(
        page == oxicorn_config::reference::page(),
        "docs/settings.md is stale: {command}"
    );
}
