//! What one entry of the table says.

use crate::{Environment, Value};

/// One setting. The entries are in [`crate::settings`], one file a section.
#[derive(Debug)]
pub struct Setting {
    /// Name in a configuration file, attribute of `cfg`.
    pub name: &'static str,
    /// The group under which help and reference show it.
    pub section: Section,
    /// Flags of the command line, short ones first; empty when there is none.
    pub flags: &'static [&'static str],
    /// What the flags do.
    pub action: Action,
    /// What the value is called in `--help`.
    pub metavar: &'static str,
    /// How the text after a flag is read before it is validated.
    pub conversion: Conversion,
    /// What values are accepted.
    pub kind: Kind,
    /// The value when nothing was written.
    pub default: Fallback,
    /// Environment variable that replaces the default.
    pub variable: Option<&'static str>,
    /// Whether this version acts on it.
    pub status: Status,
    /// Ours, unknown to Gunicorn.
    pub own: bool,
    /// One sentence, for `--help` and the reference.
    pub help: &'static str,
    /// More for the reference page: edge cases and advice.
    pub details: &'static str,
}

impl Setting {
    /// What entries leave unsaid.
    pub(crate) const BLANK: Setting = Setting {
        name: "",
        section: Section::ConfigFile,
        flags: &[],
        action: Action::Store,
        metavar: "TEXT",
        conversion: Conversion::Text,
        kind: Kind::Text,
        default: Fallback::Value(Const::None),
        variable: None,
        status: Status::Finished,
        own: false,
        help: "",
        details: "",
    };

    /// The value that holds when nothing was written, not yet validated.
    pub fn default_value(&self, environment: &Environment) -> Value {
        environment.default_of(self)
    }
}

/// The sections, in the order of the reference page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Where the other settings come from.
    ConfigFile,
    /// Listening sockets.
    ServerSocket,
    /// Number, kind and limits of workers.
    WorkerProcesses,
    /// Limits against hostile requests.
    Security,
    /// Help for development.
    Debugging,
    /// Process, files, proxies and HTTP details.
    ServerMechanics,
    /// Logs and metrics.
    Logging,
    /// Names in process lists.
    ProcessNaming,
    /// Functions of the configuration file that the server calls.
    ServerHooks,
    /// TLS.
    Ssl,
    /// HTTP/2.
    Http2,
    /// Background workers.
    DirtyArbiters,
    /// Hooks of the background workers.
    DirtyArbiterHooks,
    /// The control socket.
    Control,
}

impl Section {
    /// The name people see.
    pub fn title(self) -> &'static str {
        match self {
            Section::ConfigFile => "Config File",
            Section::ServerSocket => "Server Socket",
            Section::WorkerProcesses => "Worker Processes",
            Section::Security => "Security",
            Section::Debugging => "Debugging",
            Section::ServerMechanics => "Server Mechanics",
            Section::Logging => "Logging",
            Section::ProcessNaming => "Process Naming",
            Section::ServerHooks => "Server Hooks",
            Section::Ssl => "SSL",
            Section::Http2 => "HTTP/2",
            Section::DirtyArbiters => "Dirty Arbiters",
            Section::DirtyArbiterHooks => "Dirty Arbiter Hooks",
            Section::Control => "Control",
        }
    }
}

/// What a flag does with the setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stores the value that follows; the last one wins.
    Store,
    /// Adds the value that follows to a list.
    Append,
    /// Takes no value and stores this one.
    Set(bool),
    /// Stores the value that follows, or this word when none does.
    StoreOr(&'static str),
}

/// How the text after a flag is read. Text that cannot be read is a usage error (exit status 2), a
/// value that is read but not accepted a configuration error (exit status 1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// As it is.
    Text,
    /// A decimal number.
    Decimal,
    /// A decimal number or this word.
    DecimalOr(&'static str),
    /// A number as in a program; a leading 0 means octal, as for `chmod`.
    AnyBase,
}

/// What values a setting accepts. The rules are in `accept.rs`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text, or `None`; blanks around it do not count.
    Text,
    /// A whole number within these bounds.
    Int {
        /// Smallest accepted.
        min: i64,
        /// Largest accepted.
        max: i64,
    },
    /// A whole number, not negative, or `auto`: as many as there are usable processors.
    Workers,
    /// A number of bytes, or one with K, M or G behind it (powers of 1024).
    Size,
    /// `True` or `False`, or `None`.
    Bool,
    /// A list of texts; a single text stands for a list of one.
    List,
    /// A list of files that exist, or patterns.
    Files,
    /// A dictionary.
    Dict,
    /// One of these words.
    Choice {
        /// The words, lower case; the first is meant by `None` unless `exact`.
        words: &'static [&'static str],
        /// Neither other spellings nor `None`.
        exact: bool,
    },
    /// Off, auto, v1 or v2, and the many ways to say so.
    ProxyProtocol,
    /// Comma-separated addresses and networks, or `*`.
    Networks,
    /// Comma-separated words.
    Words,
    /// Comma-separated HTTP versions.
    Protocols,
    /// Where metrics go: `HOST:PORT`, `HOST` or `unix://PATH`.
    StatsdAddress,
    /// A directory that exists.
    Directory,
    /// The name of a class, or the class.
    Class,
    /// Anything.
    Any,
    /// A callable with one of these numbers of positional parameters. Checked by Python.
    Hook {
        /// Accepted numbers of parameters; the first is the full signature.
        arity: &'static [u8],
    },
    /// A user: uid or name. Names are resolved by Python.
    User,
    /// A group: gid or name. Names are resolved by Python.
    Group,
}

impl Kind {
    /// A number from 0 on.
    pub(crate) const COUNT: Kind = Kind::Int {
        min: 0,
        max: i64::MAX,
    };
}

/// The value when nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fallback {
    /// This one.
    Value(Const),
    /// A function that does nothing (Python makes it; here it is `None`).
    Hook,
    /// The directory the server was started in.
    WorkingDirectory,
    /// The user the server runs as.
    EffectiveUser,
    /// The group the server runs as.
    EffectiveGroup,
    /// A path in `$XDG_RUNTIME_DIR`, else in the home directory.
    ControlSocket,
}

/// A [`Value`] that the table can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "each is the variant of Value with the same name"
)]
pub enum Const {
    None,
    Bool(bool),
    Int(i64),
    Str(&'static str),
    List(&'static [&'static str]),
    Dict(&'static [(&'static str, &'static str)]),
}

impl From<Const> for Value {
    fn from(constant: Const) -> Value {
        let text = |text: &str| Value::Str(text.to_owned());
        match constant {
            Const::None => Value::None,
            Const::Bool(value) => Value::Bool(value),
            Const::Int(number) => Value::Int(number),
            Const::Str(value) => text(value),
            Const::List(items) => Value::strings(items.iter().copied()),
            Const::Dict(items) => Value::Dict(
                items
                    .iter()
                    .map(|(key, item)| (text(key), text(item)))
                    .collect(),
            ),
        }
    }
}

/// Whether this version acts on a setting. What it does not act on it refuses: a setting is never
/// ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Works.
    Finished,
    /// Works for these values, any other is refused at start.
    Only(&'static [Const]),
    /// To come: any value but the default is refused at start.
    Unfinished,
    /// The same, but any value is taken while this setting is true: it turns off what the value is for.
    UnfinishedUnless(&'static str),
}

impl Status {
    /// Does nothing in this version.
    pub fn is_unfinished(self) -> bool {
        matches!(self, Status::Unfinished | Status::UnfinishedUnless(_))
    }
}
