use crate::{Action, Const, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::Ssl,
    status: Status::Unfinished,
    ..Setting::BLANK
};
const FILE: Setting = Setting {
    metavar: "FILE",
    ..ENTRY
};
const SWITCH: Setting = Setting {
    action: Action::Set(true),
    kind: Kind::Bool,
    default: Fallback::Value(Const::Bool(false)),
    ..ENTRY
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "keyfile",
        flags: &["--keyfile"],
        help: "Private key, PEM.",
        ..FILE
    },
    Setting {
        name: "certfile",
        flags: &["--certfile"],
        help: "Certificate chain, PEM; turns TLS on.",
        ..FILE
    },
    Setting {
        name: "ssl_version",
        flags: &["--ssl-version"],
        metavar: "VERSION",
        kind: Kind::Any,
        default: Fallback::Value(Const::Int(2)),
        help: "Deprecated; the hook ssl_context chooses protocol versions.",
        ..ENTRY
    },
    Setting {
        name: "cert_reqs",
        flags: &["--cert-reqs"],
        metavar: "INT",
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0)),
        help: "Client certificates: 0 not asked for, 1 optional, 2 required.",
        ..ENTRY
    },
    Setting {
        name: "ca_certs",
        flags: &["--ca-certs"],
        help: "Authorities that client certificates are checked against, PEM.",
        ..FILE
    },
    Setting {
        name: "suppress_ragged_eofs",
        flags: &["--suppress-ragged-eofs"],
        default: Fallback::Value(Const::Bool(true)),
        help: "Take a connection cut without TLS goodbye for a normal end.",
        ..SWITCH
    },
    Setting {
        name: "do_handshake_on_connect",
        flags: &["--do-handshake-on-connect"],
        help: "Do the TLS handshake as part of accepting.",
        ..SWITCH
    },
    Setting {
        name: "ciphers",
        flags: &["--ciphers"],
        metavar: "LIST",
        help: "Cipher suites of TLS 1.2 and below, in OpenSSL's notation.",
        ..ENTRY
    },
];
