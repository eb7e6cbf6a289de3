use crate::{Const, Fallback, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::ConfigFile,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "config",
        flags: &["-c", "--config"],
        metavar: "FILE",
        default: Fallback::Value(Const::Str("./gunicorn.conf.py")),
        help: "Configuration file: a path, file:PATH or python:MODULE.",
        details: "Only the command line and the variable with arguments can name it. When neither \
            does, `oxicorn.conf.py` in the directory of the start is read, or else \
            `gunicorn.conf.py`, if there is one. A file that was named must exist.",
        ..ENTRY
    },
    Setting {
        name: "wsgi_app",
        help: "Application to serve when the command line names none.",
        details: "Written like the argument of the command: `MODULE`, `MODULE:NAME`, \
            `MODULE:OBJECT.ATTRIBUTE` or `MODULE:FACTORY(ARGUMENTS)`.",
        ..ENTRY
    },
];
