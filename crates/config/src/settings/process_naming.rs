use crate::{Const, Fallback, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::ProcessNaming,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "proc_name",
        flags: &["-n", "--name"],
        metavar: "NAME",
        help: "Name in process titles instead of the application's.",
        ..ENTRY
    },
    Setting {
        name: "default_proc_name",
        default: Fallback::Value(Const::Str("gunicorn")),
        help: "Name in process titles when proc_name is not set.",
        details: "Set by the server to the application that the command line names.",
        ..ENTRY
    },
];
