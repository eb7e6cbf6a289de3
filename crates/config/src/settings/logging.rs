use crate::{Action, Const, Fallback, Kind, Section, Setting};

const ENTRY: Setting = Setting {
    section: Section::Logging,
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
        name: "accesslog",
        flags: &["--access-logfile"],
        metavar: "FILE",
        help: "Where to write a line for each request; '-': standard output.",
        ..ENTRY
    },
    Setting {
        name: "disable_redirect_access_to_syslog",
        flags: &["--disable-redirect-access-to-syslog"],
        help: "Keep the lines about requests out of syslog.",
        ..SWITCH
    },
    Setting {
        name: "access_log_format",
        flags: &["--access-logformat"],
        metavar: "FORMAT",
        default: Fallback::Value(Const::Str(
            r#"%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s""#,
        )),
        help: "What the line about a request says.",
        details: "`json` stands for one JSON object a line. See [logging](logging.md).",
        ..ENTRY
    },
    Setting {
        name: "errorlog",
        flags: &["--error-logfile", "--log-file"],
        metavar: "FILE",
        default: Fallback::Value(Const::Str("-")),
        help: "Where the server writes its log; '-': standard error.",
        details: "`wsgi.errors` writes to the same place. A file is opened again on USR1.",
        ..ENTRY
    },
    Setting {
        name: "log_format",
        flags: &["--log-format"],
        metavar: "WORD",
        kind: Kind::Choice {
            words: &["text", "json"],
            exact: false,
        },
        default: Fallback::Value(Const::Str("text")),
        own: true,
        help: "What the lines of the error log are: text or json.",
        ..ENTRY
    },
    Setting {
        name: "loglevel",
        flags: &["--log-level"],
        metavar: "LEVEL",
        default: Fallback::Value(Const::Str("info")),
        help: "Least level to log: debug, info, warning, error or critical.",
        details: "An unknown word means info.",
        ..ENTRY
    },
    Setting {
        name: "capture_output",
        flags: &["--capture-output"],
        help: "Send what is printed to the error log file as well.",
        details: "Has no effect while `errorlog` is `-`.",
        ..SWITCH
    },
    Setting {
        name: "logger_class",
        flags: &["--logger-class"],
        metavar: "CLASS",
        kind: Kind::Class,
        default: Fallback::Value(Const::Str("gunicorn.glogging.Logger")),
        help: "Class that writes the logs.",
        ..ENTRY
    },
    Setting {
        name: "logconfig",
        flags: &["--log-config"],
        metavar: "FILE",
        help: "INI file that configures Python's logging.",
        ..ENTRY
    },
    Setting {
        name: "logconfig_dict",
        kind: Kind::Dict,
        default: Fallback::Value(Const::Dict(&[])),
        help: "Dictionary that configures Python's logging.",
        ..ENTRY
    },
    Setting {
        name: "logconfig_json",
        flags: &["--log-config-json"],
        metavar: "FILE",
        help: "JSON file that configures Python's logging.",
        ..ENTRY
    },
    Setting {
        name: "syslog_addr",
        flags: &["--log-syslog-to"],
        metavar: "ADDRESS",
        default: Fallback::Value(Const::Str("udp://localhost:514")),
        help: "Where syslog listens: udp://, tcp:// or unix://.",
        ..ENTRY
    },
    Setting {
        name: "syslog",
        flags: &["--log-syslog"],
        help: "Log to syslog too.",
        ..SWITCH
    },
    Setting {
        name: "syslog_prefix",
        flags: &["--log-syslog-prefix"],
        help: "Middle part of the syslog tag.",
        ..ENTRY
    },
    Setting {
        name: "syslog_facility",
        flags: &["--log-syslog-facility"],
        metavar: "NAME",
        default: Fallback::Value(Const::Str("user")),
        help: "Syslog facility.",
        ..ENTRY
    },
    Setting {
        name: "enable_stdio_inheritance",
        flags: &["-R", "--enable-stdio-inheritance"],
        help: "As a daemon, keep standard output and error when they are files.",
        ..SWITCH
    },
    Setting {
        name: "statsd_host",
        flags: &["--statsd-host"],
        metavar: "ADDRESS",
        kind: Kind::StatsdAddress,
        help: "Where to send StatsD metrics: HOST:PORT or unix://PATH.",
        ..ENTRY
    },
    Setting {
        name: "dogstatsd_tags",
        flags: &["--dogstatsd-tags"],
        metavar: "TAGS",
        default: Fallback::Value(Const::Str("")),
        help: "Tags of every metric, separated by commas.",
        ..ENTRY
    },
    Setting {
        name: "statsd_prefix",
        flags: &["--statsd-prefix"],
        default: Fallback::Value(Const::Str("")),
        help: "Prefix of the names of metrics.",
        ..ENTRY
    },
    Setting {
        name: "enable_backlog_metric",
        flags: &["--enable-backlog-metric"],
        help: "Also measure how many connections wait to be accepted.",
        ..SWITCH
    },
];
