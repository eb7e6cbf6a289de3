use crate::{Action, Const, Conversion, Fallback, Kind, Section, Setting, Status};

const ENTRY: Setting = Setting {
    section: Section::ServerMechanics,
    ..Setting::BLANK
};
const SWITCH: Setting = Setting {
    action: Action::Set(true),
    kind: Kind::Bool,
    default: Fallback::Value(Const::Bool(false)),
    ..ENTRY
};
const NETWORKS: Setting = Setting {
    metavar: "NETWORKS",
    kind: Kind::Networks,
    default: Fallback::Value(Const::Str("127.0.0.1,::1")),
    ..ENTRY
};

pub const SETTINGS: &[Setting] = &[
    Setting {
        name: "preload_app",
        flags: &["--preload"],
        help: "Load the application once, before workers are forked.",
        details: "Saves memory and time. Threads that the application starts while it is imported do not \
            survive the fork, and connections that it opens are shared by all workers. A reload \
            loads it anew: see [lifecycle](lifecycle.md#preload_app).",
        ..SWITCH
    },
    Setting {
        name: "sendfile",
        flags: &["--no-sendfile"],
        action: Action::Set(false),
        kind: Kind::Bool,
        variable: Some("SENDFILE"),
        help: "Let the kernel send files from wsgi.file_wrapper; the flag forbids it.",
        details: "On unless it is set to False or `SENDFILE` in the environment is something else \
            than `y`, `1`, `yes` or `true`.",
        ..ENTRY
    },
    Setting {
        name: "reuse_port",
        flags: &["--reuse-port"],
        help: "Give every worker sockets of its own with SO_REUSEPORT.",
        ..SWITCH
    },
    Setting {
        name: "chdir",
        flags: &["--chdir"],
        metavar: "DIRECTORY",
        kind: Kind::Directory,
        default: Fallback::WorkingDirectory,
        help: "Directory to change to before the application is loaded.",
        details: "Also put at the front of `sys.path`.",
        ..ENTRY
    },
    Setting {
        name: "daemon",
        flags: &["-D", "--daemon"],
        help: "Run in the background, detached from the terminal.",
        ..SWITCH
    },
    Setting {
        name: "raw_env",
        flags: &["-e", "--env"],
        action: Action::Append,
        metavar: "NAME=VALUE",
        kind: Kind::List,
        default: Fallback::Value(Const::List(&[])),
        help: "Environment variable to set; may be repeated.",
        ..ENTRY
    },
    Setting {
        name: "pidfile",
        flags: &["-p", "--pid"],
        metavar: "FILE",
        help: "File that names the process id of the master.",
        ..ENTRY
    },
    Setting {
        name: "worker_tmp_dir",
        flags: &["--worker-tmp-dir"],
        metavar: "DIRECTORY",
        help: "Accepted for compatibility; heartbeats are kept in memory.",
        ..ENTRY
    },
    Setting {
        name: "user",
        flags: &["-u", "--user"],
        metavar: "USER",
        kind: Kind::User,
        default: Fallback::EffectiveUser,
        help: "User that workers run as, a name or a uid.",
        ..ENTRY
    },
    Setting {
        name: "group",
        flags: &["-g", "--group"],
        metavar: "GROUP",
        kind: Kind::Group,
        default: Fallback::EffectiveGroup,
        help: "Group that workers run as, a name or a gid.",
        ..ENTRY
    },
    Setting {
        name: "umask",
        flags: &["-m", "--umask"],
        metavar: "MODE",
        conversion: Conversion::AnyBase,
        kind: Kind::COUNT,
        default: Fallback::Value(Const::Int(0)),
        help: "File mode bits that unix sockets do not get.",
        details: "It is not the umask of the workers. On the command line a leading 0 means octal.",
        ..ENTRY
    },
    Setting {
        name: "initgroups",
        flags: &["--initgroups"],
        help: "Give workers all groups of their user.",
        ..SWITCH
    },
    Setting {
        name: "tmp_upload_dir",
        metavar: "DIRECTORY",
        help: "Directory for request bodies that are too large for memory.",
        ..ENTRY
    },
    Setting {
        name: "secure_scheme_headers",
        kind: Kind::Dict,
        default: Fallback::Value(Const::Dict(&[
            ("X-FORWARDED-PROTOCOL", "ssl"),
            ("X-FORWARDED-PROTO", "https"),
            ("X-FORWARDED-SSL", "on"),
        ])),
        help: "Header fields, with their values, by which a trusted proxy says https.",
        details: "Names are written in upper case. Any other value means http; fields that \
            disagree are answered with 400.",
        ..ENTRY
    },
    Setting {
        name: "forwarded_allow_ips",
        flags: &["--forwarded-allow-ips"],
        variable: Some("FORWARDED_ALLOW_IPS"),
        help: "Proxies whose word on scheme and path counts; '*': everyone.",
        details: "Peers on unix sockets are always trusted.",
        ..NETWORKS
    },
    Setting {
        name: "pythonpath",
        flags: &["--pythonpath"],
        metavar: "DIRECTORIES",
        help: "Directories to put in front of sys.path, separated by commas.",
        ..ENTRY
    },
    Setting {
        name: "paste",
        flags: &["--paste", "--paster"],
        metavar: "FILE",
        help: "PasteDeploy file to load the application from.",
        details: "`FILE` or `FILE#SECTION`. Needs the package PasteDeploy. A `[loggers]` section there \
            is taken as `logconfig`.",
        ..ENTRY
    },
    Setting {
        name: "proxy_protocol",
        flags: &["--proxy-protocol"],
        action: Action::StoreOr("auto"),
        metavar: "MODE",
        kind: Kind::ProxyProtocol,
        default: Fallback::Value(Const::Str("off")),
        help: "PROXY protocol at the start of connections: off, auto, v1, v2.",
        details: "The flag alone means auto. Directly before the application it takes the \
            application for its value: write `--proxy-protocol=auto` there.",
        ..ENTRY
    },
    Setting {
        name: "proxy_allow_ips",
        flags: &["--proxy-allow-from"],
        help: "Proxies that may use the PROXY protocol; '*': everyone.",
        ..NETWORKS
    },
    Setting {
        name: "protocol",
        flags: &["--protocol"],
        metavar: "NAME",
        default: Fallback::Value(Const::Str("http")),
        status: Status::Unfinished,
        help: "Protocol of the listeners: http or uwsgi.",
        ..ENTRY
    },
    Setting {
        name: "uwsgi_allow_ips",
        flags: &["--uwsgi-allow-from"],
        status: Status::Unfinished,
        help: "Peers that may speak the uwsgi protocol; '*': everyone.",
        ..NETWORKS
    },
    Setting {
        name: "raw_paste_global_conf",
        flags: &["--paste-global"],
        action: Action::Append,
        metavar: "NAME=VALUE",
        kind: Kind::List,
        default: Fallback::Value(Const::List(&[])),
        help: "Global value for PasteDeploy; may be repeated.",
        ..ENTRY
    },
    Setting {
        name: "permit_obsolete_folding",
        flags: &["--permit-obsolete-folding"],
        help: "Join header fields that go on in the next line. Unsafe.",
        ..SWITCH
    },
    Setting {
        name: "strip_header_spaces",
        flags: &["--strip-header-spaces"],
        help: "Ignore blanks between a header field's name and its colon. Unsafe.",
        ..SWITCH
    },
    Setting {
        name: "permit_unconventional_http_method",
        flags: &["--permit-unconventional-http-method"],
        help: "Accept methods of any length and case. Unsafe.",
        ..SWITCH
    },
    Setting {
        name: "permit_unconventional_http_version",
        flags: &["--permit-unconventional-http-version"],
        help: "Accept other versions than HTTP/1.x. Unsafe.",
        ..SWITCH
    },
    Setting {
        name: "casefold_http_method",
        flags: &["--casefold-http-method"],
        help: "Turn methods to upper case. Unsafe.",
        ..SWITCH
    },
    Setting {
        name: "forwarder_headers",
        flags: &["--forwarder-headers"],
        metavar: "NAMES",
        kind: Kind::Words,
        default: Fallback::Value(Const::Str("SCRIPT_NAME,PATH_INFO")),
        help: "Header fields with an underscore that a trusted proxy may send.",
        details: "Upper case, separated by commas; `*` means all.",
        ..ENTRY
    },
    Setting {
        name: "header_map",
        flags: &["--header-map"],
        metavar: "MODE",
        kind: Kind::Choice {
            words: &["drop", "refuse", "dangerous"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("drop")),
        help: "Header fields with an underscore: drop, refuse or dangerous.",
        details: "`dangerous` passes them on, where they cannot be told from the fields with a \
            hyphen.",
        ..ENTRY
    },
    Setting {
        name: "root_path",
        flags: &["--root-path"],
        metavar: "PATH",
        default: Fallback::Value(Const::Str("")),
        help: "The root_path of asgi scopes.",
        details: "Without it, what the process environment says as `SCRIPT_NAME`.",
        ..ENTRY
    },
];
