use crate::{Action, Const, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::Debugging,
    ..Setting::BLANK
};
const SWITCH: Setting = Setting {
    action: Action::Set(true),
    kind: Kind::Bool,
    default: Fallback::Value(Const::Bool(false)),
    ..ENTRY
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "reload",
        flags: &["--reload"],
        status: Status::Unfinished,
        help: "Replace workers when code changes, for development.",
        ..SWITCH
    },
    Setting {
        name: "reload_engine",
        flags: &["--reload-engine"],
        metavar: "NAME",
        kind: Kind::Choice {
            words: &["auto", "poll", "inotify"],
            exact: true,
        },
        default: Fallback::Value(Const::Str("auto")),
        status: Status::Unfinished,
        help: "How reload notices changes: auto, poll or inotify.",
        ..ENTRY
    },
    Setting {
        name: "reload_extra_files",
        flags: &["--reload-extra-file"],
        action: Action::Append,
        metavar: "FILE",
        kind: Kind::Files,
        default: Fallback::Value(Const::List(&[])),
        status: Status::Unfinished,
        help: "Further file or pattern for reload to watch; may be repeated.",
        ..ENTRY
    },
    Setting {
        name: "spew",
        flags: &["--spew"],
        status: Status::Unfinished,
        help: "Print every line of Python that is executed.",
        ..SWITCH
    },
    Setting {
        name: "check_config",
        flags: &["--check-config"],
        help: "Load configuration and application, then exit: 0 if both are good.",
        details: "Opens no socket and writes no file. Addresses, worker class and log level are \
            judged only at start.",
        ..SWITCH
    },
    Setting {
        name: "print_config",
        flags: &["--print-config"],
        help: "Print the value of every setting, then do as check_config.",
        ..SWITCH
    },
];
