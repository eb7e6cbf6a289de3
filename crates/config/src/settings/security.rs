use crate::{Const, Conversion, Fallback, Kind, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::Security,
    metavar: "BYTES",
    conversion: Conversion::Decimal,
    kind: Kind::COUNT,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "limit_request_line",
        flags: &["--limit-request-line"],
        default: Fallback::Value(Const::Int(4094)),
        help: "Longest request line; a longer one is answered with 414.",
        details: "0 and anything above 8190 mean 8190.",
        ..ENTRY
    },
    Setting {
        name: "limit_request_fields",
        flags: &["--limit-request-fields"],
        metavar: "INT",
        default: Fallback::Value(Const::Int(100)),
        help: "Most header fields of a request; more are answered with 431.",
        details: "0 and anything above 32768 mean 32768.",
        ..ENTRY
    },
    Setting {
        name: "limit_request_field_size",
        // With an underscore, as Gunicorn spells it.
        flags: &["--limit-request-field_size"],
        default: Fallback::Value(Const::Int(8190)),
        help: "Longest header field; a longer one is answered with 431.",
        details: "0 means 8190.",
        ..ENTRY
    },
];
