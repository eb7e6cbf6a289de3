//! The typed configuration that the rest of the server is built from.

use crate::{Address, ConfigError, Environment, Value, Values};

/// Every setting this version acts on, in the type its user needs. Fields are named as the
/// settings.
///
/// There is no way to make one that is wrong: [`Config::from_values`] checks what validation of
/// single values cannot, and refuses settings that this version would have to ignore.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the table documents the settings")]
pub struct Config {
    pub wsgi_app: Option<String>,
    pub bind: Vec<String>,
    /// `bind`, parsed.
    pub address: Vec<Address>,
    pub backlog: u32,
    pub workers: usize,
    pub worker_connections: usize,
    pub threads: usize,
    pub max_requests: u64,
    pub max_requests_jitter: u64,
    /// Processes; 0 means no limit.
    pub max_surge: usize,
    /// Bytes; 0 means no limit.
    pub max_worker_memory: u64,
    /// Seconds; 0 means no limit.
    pub max_worker_lifetime: u64,
    /// Seconds; 0 means no limit.
    pub timeout: u64,
    /// Seconds.
    pub graceful_timeout: u64,
    /// Seconds.
    pub drain_delay: u64,
    /// Milliseconds.
    pub first_byte_timeout: u64,
    /// Seconds; 0 turns persistent connections off.
    pub keepalive: u64,
    /// Requests; 0 means no limit.
    pub max_queue: usize,
    /// Milliseconds; 0 means no limit.
    pub max_queue_time: u64,
    pub handoff: bool,
    pub limit_request_line: usize,
    pub limit_request_fields: usize,
    pub limit_request_field_size: usize,
    pub check_config: bool,
    pub print_config: bool,
    pub preload_app: bool,
    /// Resolved: true unless it was turned off.
    pub sendfile: bool,
    pub reuse_port: bool,
    pub chdir: String,
    pub daemon: bool,
    /// `NAME`, `VALUE`.
    pub raw_env: Vec<(String, String)>,
    pub pidfile: Option<String>,
    pub worker_tmp_dir: Option<String>,
    /// Uid.
    pub user: u32,
    /// Gid.
    pub group: u32,
    pub umask: u32,
    pub initgroups: bool,
    pub tmp_upload_dir: Option<String>,
    pub root_path: String,
    pub websocket_max_message_size: u64,
    pub websocket_compression: bool,
    pub websocket_ping_interval: u64,
    pub websocket_ping_timeout: u64,
    pub asgi_disconnect_grace_period: u64,
    pub secure_scheme_headers: Vec<(String, String)>,
    pub forwarded_allow_ips: Vec<String>,
    pub errorlog: Option<String>,
    pub loglevel: String,
    pub capture_output: bool,
    pub enable_stdio_inheritance: bool,
    /// Resolved: `default_proc_name` when not set.
    pub proc_name: String,
    pub pythonpath: Vec<String>,
    pub proxy_protocol: ProxyProtocol,
    pub proxy_allow_ips: Vec<String>,
    pub permit_obsolete_folding: bool,
    pub strip_header_spaces: bool,
    pub permit_unconventional_http_method: bool,
    pub permit_unconventional_http_version: bool,
    pub casefold_http_method: bool,
    pub forwarder_headers: Vec<String>,
    pub header_map: HeaderMap,
}

/// Whether connections begin with a PROXY header, and in which version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the setting")]
pub enum ProxyProtocol {
    Off,
    Auto,
    V1,
    V2,
}

/// What happens to header fields with an underscore in their name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the words of the setting")]
pub enum HeaderMap {
    Drop,
    Refuse,
    Dangerous,
}

impl Config {
    /// Checks the values together and gives them their types.
    pub fn from_values(values: &Values, environment: &Environment) -> Result<Config, ConfigError> {
        values.refuse_unfinished(environment)?;
        let read = Reader(values);
        let bind = read.strings("bind");
        Ok(Config {
            wsgi_app: read.text("wsgi_app"),
            address: bind
                .iter()
                .map(|text| Address::parse(text))
                .collect::<Result<_, _>>()?,
            bind,
            backlog: read.number("backlog")?,
            workers: read.number("workers")?,
            worker_connections: read.number("worker_connections")?,
            threads: read.number("threads")?,
            max_requests: read.number("max_requests")?,
            max_requests_jitter: read.number("max_requests_jitter")?,
            max_surge: read.number("max_surge")?,
            max_worker_memory: read.number("max_worker_memory")?,
            max_worker_lifetime: read.number("max_worker_lifetime")?,
            timeout: read.number("timeout")?,
            graceful_timeout: read.number("graceful_timeout")?,
            drain_delay: read.number("drain_delay")?,
            first_byte_timeout: read.number("first_byte_timeout")?,
            keepalive: read.number("keepalive")?,
            max_queue: read.limit_of_queue("max_queue")?,
            max_queue_time: read.limit_of_queue("max_queue_time")?,
            handoff: read.flag("handoff"),
            limit_request_line: read.number("limit_request_line")?,
            limit_request_fields: read.number("limit_request_fields")?,
            limit_request_field_size: read.number("limit_request_field_size")?,
            check_config: read.flag("check_config"),
            print_config: read.flag("print_config"),
            preload_app: read.flag("preload_app"),
            sendfile: *values.get("sendfile") != Value::Bool(false),
            reuse_port: read.flag("reuse_port"),
            chdir: read.text("chdir").unwrap_or_default(),
            daemon: read.flag("daemon"),
            raw_env: read.assignments("raw_env")?,
            pidfile: read.text("pidfile"),
            worker_tmp_dir: read.text("worker_tmp_dir"),
            user: read.number("user")?,
            group: read.number("group")?,
            umask: read.number("umask")?,
            initgroups: read.flag("initgroups"),
            tmp_upload_dir: read.text("tmp_upload_dir"),
            websocket_max_message_size: read.number("websocket_max_message_size")?,
            websocket_compression: read.flag("websocket_compression"),
            websocket_ping_interval: read.number("websocket_ping_interval")?,
            websocket_ping_timeout: read.number("websocket_ping_timeout")?,
            root_path: read.text("root_path").unwrap_or_default(),
            asgi_disconnect_grace_period: read.number("asgi_disconnect_grace_period")?,
            secure_scheme_headers: read.pairs("secure_scheme_headers")?,
            forwarded_allow_ips: read.strings("forwarded_allow_ips"),
            errorlog: read.text("errorlog"),
            loglevel: read.text("loglevel").unwrap_or_else(|| "info".into()),
            capture_output: read.flag("capture_output"),
            enable_stdio_inheritance: read.flag("enable_stdio_inheritance"),
            proc_name: read
                .text("proc_name")
                .or_else(|| read.text("default_proc_name"))
                .unwrap_or_default(),
            pythonpath: read.comma_separated("pythonpath"),
            proxy_protocol: read.proxy_protocol(),
            proxy_allow_ips: read.strings("proxy_allow_ips"),
            permit_obsolete_folding: read.flag("permit_obsolete_folding"),
            strip_header_spaces: read.flag("strip_header_spaces"),
            permit_unconventional_http_method: read.flag("permit_unconventional_http_method"),
            permit_unconventional_http_version: read.flag("permit_unconventional_http_version"),
            casefold_http_method: read.flag("casefold_http_method"),
            forwarder_headers: read.strings("forwarder_headers"),
            header_map: read.header_map(),
        })
    }
}

/// Gives validated values their types. What validation has ruled out reads as "not set".
struct Reader<'a>(&'a Values);

impl Reader<'_> {
    fn flag(&self, name: &str) -> bool {
        *self.0.get(name) == Value::Bool(true)
    }

    /// Empty text counts as not set, as in Python's conditions.
    fn text(&self, name: &str) -> Option<String> {
        self.0
            .get(name)
            .as_str()
            .filter(|text| !text.is_empty())
            .map(str::to_owned)
    }

    fn strings(&self, name: &str) -> Vec<String> {
        match self.0.get(name) {
            Value::List(items) => items
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect(),
            _ => Vec::new(),
        }
    }

    fn comma_separated(&self, name: &str) -> Vec<String> {
        let text = self.text(name).unwrap_or_default();
        text.split(',')
            .map(str::trim)
            .filter(|item| !item.is_empty())
            .map(str::to_owned)
            .collect()
    }

    fn number<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let number = match self.0.get(name) {
            Value::Int(number) => T::try_from(*number).ok(),
            _ => None,
        };
        number.ok_or_else(|| self.error(name, "a smaller whole number"))
    }

    /// A number that only classes act on where requests wait for others; 0 where there is none.
    fn limit_of_queue<T: TryFrom<i64>>(&self, name: &'static str) -> Result<T, ConfigError> {
        let class = self.text("worker_class").unwrap_or_default();
        let has_queue = matches!(class.as_str(), "sync" | "gthread");
        // Of a class that is not a name only the name of its base would tell.
        let is_unknown = class.is_empty() || class.contains('.');
        match self.0.get(name) {
            Value::Int(0) => self.number(name),
            _ if has_queue || is_unknown => self.number(name),
            _ => Err(self.error(
                name,
                "0 where the worker class is neither sync nor gthread: with others no request waits for another one",
            )),
        }
    }

    fn assignments(&self, name: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
        let items = self.strings(name);
        let pairs = items.iter().map(|item| {
            item.split_once('=')
                .map(|(key, value)| (key.into(), value.into()))
        });
        pairs
            .collect::<Option<_>>()
            .ok_or_else(|| self.error(name, "items of the form NAME=VALUE"))
    }

    fn pairs(&self, name: &'static str) -> Result<Vec<(String, String)>, ConfigError> {
        let Value::Dict(items) = self.0.get(name) else {
            return Ok(Vec::new());
        };
        let pairs = items
            .iter()
            .map(|(key, value)| Some((key.as_str()?.to_owned(), value.as_str()?.to_owned())));
        pairs
            .collect::<Option<_>>()
            .ok_or_else(|| self.error(name, "a dictionary from text to text"))
    }

    fn proxy_protocol(&self) -> ProxyProtocol {
        match self.0.get("proxy_protocol").as_str() {
            Some("auto") => ProxyProtocol::Auto,
            Some("v1") => ProxyProtocol::V1,
            Some("v2") => ProxyProtocol::V2,
            _ => ProxyProtocol::Off,
        }
    }

    fn header_map(&self) -> HeaderMap {
        match self.0.get("header_map").as_str() {
            Some("refuse") => HeaderMap::Refuse,
            Some("dangerous") => HeaderMap::Dangerous,
            _ => HeaderMap::Drop,
        }
    }

    fn error(&self, setting: &'static str, expected: &str) -> ConfigError {
        self.0.refused(setting, expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, settings};

    fn config(pairs: &[(&str, Value)]) -> Result<Config, ConfigError> {
        let environment = Environment {
            directory: "/".into(),
            user: 7,
            ..Environment::default()
        };
        let mut values = Values::defaults(&environment)?;
        for (name, value) in pairs {
            let setting = settings::find(name).expect("a setting of the table");
            values.set(setting, value.clone(), &Origin::CommandLine, &environment)?;
        }
        Config::from_values(&values, &environment)
    }

    #[test]
    fn the_defaults_are_a_configuration() {
        let config = config(&[]).expect("defaults are good");
        assert_eq!(
            (config.user, config.keepalive, config.sendfile),
            (7, 75, true)
        );
        assert_eq!(
            config.address,
            [Address::Tcp {
                host: "127.0.0.1".into(),
                port: 8000
            }]
        );
        assert_eq!(config.proc_name, "gunicorn");
        assert_eq!(config.secure_scheme_headers.len(), 3);
    }

    #[test]
    fn an_address_that_cannot_be_parsed_is_refused() {
        assert_eq!(
            config(&[("bind", Value::Str("h:x".into()))])
                .expect_err("no port")
                .setting,
            "bind"
        );
    }

    #[test]
    fn limits_of_the_queue_are_for_classes_that_have_one() {
        let limit = ("max_queue", Value::Int(3));
        let threads = ("threads", Value::Int(2));
        for one in [vec![limit.clone()], vec![limit.clone(), threads]] {
            assert_eq!(config(&one).expect("it has limits").max_queue, 3);
        }
        let gevent = ("worker_class", Value::Str("gevent".into()));
        let error = config(&[limit, gevent]).expect_err("it has no queue");
        assert_eq!(error.setting, "max_queue");
        assert_eq!(error.origin, Origin::CommandLine);
    }

    #[test]
    fn an_environment_variable_needs_a_value() {
        assert_eq!(
            config(&[("raw_env", Value::Str("NAME".into()))])
                .expect_err("no =")
                .setting,
            "raw_env"
        );
    }

    #[test]
    fn a_number_too_large_for_its_use_is_refused() {
        assert_eq!(
            config(&[("umask", Value::Int(1 << 40))])
                .expect_err("too large")
                .setting,
            "umask"
        );
    }
}
