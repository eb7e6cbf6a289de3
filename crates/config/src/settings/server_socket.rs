use crate::{Action, Const, Conversion, Fallback, Kind, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::ServerSocket,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "bind",
        flags: &["-b", "--bind"],
        action: Action::Append,
        metavar: "ADDRESS",
        kind: Kind::List,
        default: Fallback::Value(Const::List(&["127.0.0.1:8000"])),
        variable: Some("PORT"),
        help: "Address to listen on; may be repeated.",
        details: "`HOST`, `HOST:PORT`, `:PORT`, `[V6]:PORT`, `unix:PATH` or `fd://N`. A missing \
            port is 8000, a missing host 0.0.0.0. Addresses on the command line replace those of \
            the file. When a socket is inherited, through `fd://N` or from systemd, ordinary \
            addresses are not opened. With `PORT` in the environment the default is \
            `0.0.0.0:$PORT`.",
        ..ENTRY
    },
    Setting {
        name: "backlog",
        flags: &["--backlog"],
        metavar: "INT",
        conversion: Conversion::Decimal,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(2048)),
        help: "How many connections may wait to be accepted.",
        details: "The kernel lowers it to `net.core.somaxconn`. Sockets that are inherited keep \
            theirs.",
        ..ENTRY
    },
];
