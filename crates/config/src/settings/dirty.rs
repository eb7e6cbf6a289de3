use crate::{Action, Const, Conversion, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::DirtyArbiters,
    status: Status::Unfinished,
    ..Setting::BLANK
};
const NUMBER: Setting = Setting {
    metavar: "INT",
    conversion: Conversion::Decimal,
    kind: Kind::COUNT,
    ..ENTRY
};
const SECONDS: Setting = Setting {
    metavar: "SECONDS",
    ..NUMBER
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "dirty_apps",
        flags: &["--dirty-app"],
        action: Action::Append,
        metavar: "MODULE:CLASS[:N]",
        kind: Kind::List,
        default: Fallback::Value(Const::List(&[])),
        help: "Class that background workers load; may be repeated.",
        ..ENTRY
    },
    Setting {
        name: "dirty_workers",
        flags: &["--dirty-workers"],
        default: Fallback::Value(Const::Int(0)),
        help: "Number of background workers.",
        ..NUMBER
    },
    Setting {
        name: "dirty_timeout",
        flags: &["--dirty-timeout"],
        default: Fallback::Value(Const::Int(300)),
        help: "How long a call to a background worker may take; 0: forever.",
        ..SECONDS
    },
    Setting {
        name: "dirty_threads",
        flags: &["--dirty-threads"],
        default: Fallback::Value(Const::Int(1)),
        help: "Threads of a background worker.",
        ..NUMBER
    },
    Setting {
        name: "dirty_graceful_timeout",
        flags: &["--dirty-graceful-timeout"],
        default: Fallback::Value(Const::Int(30)),
        help: "How long background workers may go on after a stop began.",
        ..SECONDS
    },
];
