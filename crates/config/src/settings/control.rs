use crate::{Action, Const, Conversion, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::Control,
    ..Setting::BLANK
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "control_socket",
        flags: &["--control-socket"],
        metavar: "PATH",
        default: Fallback::ControlSocket,
        status: Status::UnfinishedUnless("control_socket_disable"),
        help: "Unix socket of the control interface.",
        details: "There is no control interface in this version: the socket is not opened.",
        ..ENTRY
    },
    Setting {
        name: "control_socket_mode",
        flags: &["--control-socket-mode"],
        metavar: "MODE",
        conversion: Conversion::AnyBase,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0o600)),
        status: Status::UnfinishedUnless("control_socket_disable"),
        help: "File mode of the control socket.",
        ..ENTRY
    },
    Setting {
        name: "control_socket_disable",
        flags: &["--no-control-socket"],
        action: Action::Set(true),
        kind: Kind::Bool,
        default: Fallback::Value(Const::Bool(false)),
        help: "Do not open the control socket.",
        ..ENTRY
    },
];
