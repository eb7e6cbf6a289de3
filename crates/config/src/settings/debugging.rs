use crate::{Action, Const, Fallback, Kind, Section, Setting};

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
        help: "Replace workers when code changes, for development.",
        details: "A worker watches the files of the modules it has imported, and leaves when one \
            changes; the new one imports them anew. While a file has a syntax error, every request \
            is answered with the traceback. The configuration file is not watched. With \
            `preload_app` a change reloads all workers: see [development](development.md).",
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
        help: "How reload notices changes: auto, poll or inotify.",
        details: "`poll` looks at every file once a second. `inotify` is told by the kernel, and \
            looks for itself every few seconds, as network file systems tell nothing. `auto` \
            is inotify where the kernel grants it, else poll.",
        ..ENTRY
    },
    Setting {
        name: "reload_extra_files",
        flags: &["--reload-extra-file"],
        action: Action::Append,
        metavar: "FILE",
        kind: Kind::Files,
        default: Fallback::Value(Const::List(&[])),
        help: "Further file or pattern for reload to watch; may be repeated.",
        details: "Patterns know `*`, `?`, `[...]` and `**`, and are looked up at every check, so \
            that files which appear later are watched too.",
        ..ENTRY
    },
    Setting {
        name: "spew",
        flags: &["--spew"],
        help: "Print every line of Python that is executed.",
        details: "To standard output, as `MODULE:LINE: SOURCE`. Everything becomes very slow.",
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
