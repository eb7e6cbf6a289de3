use crate::{Const, Conversion, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::Http2,
    status: Status::Unfinished,
    ..Setting::BLANK
};
const NUMBER: Setting = Setting {
    metavar: "INT",
    conversion: Conversion::Decimal,
    kind: Kind::COUNT,
    ..ENTRY
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "http_protocols",
        flags: &["--http-protocols"],
        metavar: "LIST",
        kind: Kind::Protocols,
        default: Fallback::Value(Const::Str("h1")),
        help: "HTTP versions to offer over TLS, best first: h1, h2.",
        ..ENTRY
    },
    Setting {
        name: "http2_cleartext",
        flags: &["--http2-cleartext"],
        metavar: "MODE",
        kind: Kind::Choice {
            words: &["off", "prior-knowledge", "upgrade", "both"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("off")),
        help: "HTTP/2 without TLS: off, prior-knowledge, upgrade or both.",
        ..ENTRY
    },
    Setting {
        name: "http2_max_concurrent_streams",
        flags: &["--http2-max-concurrent-streams"],
        kind: Kind::Int {
            min: 1,
            max: i64::MAX,
        },
        default: Fallback::Value(Const::Int(100)),
        help: "Streams that a client may open at once.",
        ..NUMBER
    },
    Setting {
        name: "http2_initial_window_size",
        flags: &["--http2-initial-window-size"],
        metavar: "BYTES",
        kind: Kind::Int {
            min: 0,
            max: 2_147_483_647,
        },
        default: Fallback::Value(Const::Int(65_535)),
        help: "What a client may send on a stream before it must wait.",
        ..NUMBER
    },
    Setting {
        name: "http2_max_frame_size",
        flags: &["--http2-max-frame-size"],
        metavar: "BYTES",
        kind: Kind::Int {
            min: 16_384,
            max: 16_777_215,
        },
        default: Fallback::Value(Const::Int(16_384)),
        help: "Largest frame that a client may send.",
        ..NUMBER
    },
    Setting {
        name: "http2_max_header_list_size",
        flags: &["--http2-max-header-list-size"],
        metavar: "BYTES",
        default: Fallback::Value(Const::Int(65_536)),
        help: "Largest header section of a request; 0: no limit announced.",
        ..NUMBER
    },
];
