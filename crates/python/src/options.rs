//! From the configuration to what each crate wants to know of it.

use std::path::PathBuf;
use std::time::Duration;

use oxicorn_config::{Config, HeaderMap, ProxyProtocol};
use oxicorn_http::trust::{BadNetwork, Networks};
use oxicorn_http::{Settings, proxy};
use oxicorn_worker::{Limits, Queue};
use rustix::process::{Resource, getrlimit};

use crate::overdue;

/// Descriptors that are left for the application.
const SPARE_DESCRIPTORS: u64 = 64;

/// How long a head may take to come.
const HEAD_TIMEOUT: Duration = Duration::from_secs(60);

/// A second sooner or later matters to no deadline.
const TICK: Duration = Duration::from_secs(1);

/// The engine's options. `limits` include the worker's jitter.
pub fn worker(config: &Config, limits: Limits) -> Result<oxicorn_worker::Options, BadNetwork> {
    Ok(oxicorn_worker::Options {
        http: http(config),
        keepalive: Duration::from_secs(config.keepalive),
        head_timeout: HEAD_TIMEOUT,
        tick: tick(config.timeout),
        graceful_timeout: Duration::from_secs(config.graceful_timeout),
        first_byte_timeout: Duration::from_millis(config.first_byte_timeout),
        limits,
        connections: connections(),
        timeout: overdue::timeout(config.timeout),
        queue: Queue {
            longest: Some(config.max_queue).filter(|longest| *longest > 0),
            patience: Some(Duration::from_millis(config.max_queue_time))
                .filter(|patience| !patience.is_zero()),
        },
        has_siblings: config.workers > 1,
        proxy_protocol: match config.proxy_protocol {
            ProxyProtocol::Off => proxy::Mode::Off,
            ProxyProtocol::Auto => proxy::Mode::Auto,
            ProxyProtocol::V1 => proxy::Mode::V1,
            ProxyProtocol::V2 => proxy::Mode::V2,
        },
        proxy_allow: Networks::parse(&config.proxy_allow_ips)?,
        forwarded_allow: Networks::parse(&config.forwarded_allow_ips)?,
        upload_directory: config
            .tmp_upload_dir
            .as_ref()
            .map_or_else(std::env::temp_dir, PathBuf::from),
    })
}

/// Often enough that a busy machine does not let a healthy worker miss its `timeout` (seconds, 0: none).
fn tick(timeout: u64) -> Duration {
    match timeout {
        0 => TICK,
        seconds => TICK.min(Duration::from_secs(seconds) / 3),
    }
}

fn http(config: &Config) -> oxicorn_http::Options {
    oxicorn_http::Options::new(&Settings {
        limit_request_line: config.limit_request_line,
        limit_request_fields: config.limit_request_fields,
        limit_request_field_size: config.limit_request_field_size,
        permit_obsolete_folding: config.permit_obsolete_folding,
        strip_header_spaces: config.strip_header_spaces,
        permit_unconventional_http_method: config.permit_unconventional_http_method,
        permit_unconventional_http_version: config.permit_unconventional_http_version,
        casefold_http_method: config.casefold_http_method,
        header_map: match config.header_map {
            HeaderMap::Drop => oxicorn_http::HeaderMap::Drop,
            HeaderMap::Refuse => oxicorn_http::HeaderMap::Refuse,
            HeaderMap::Dangerous => oxicorn_http::HeaderMap::Dangerous,
        },
        forwarder_headers: config.forwarder_headers.clone(),
        secure_scheme_headers: config.secure_scheme_headers.clone(),
    })
}

/// As many connections as the process has descriptors for, less some for the application.
fn connections() -> usize {
    let limit = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    let most = limit.saturating_sub(SPARE_DESCRIPTORS.min(limit / 2));
    usize::try_from(most).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_shows_life_several_times_within_its_timeout() {
        assert_eq!(tick(1), Duration::from_secs(1) / 3);
        assert_eq!(tick(30), TICK);
        assert_eq!(tick(0), TICK);
    }
}
