//! The table: one entry a setting, one file a section (and one for our own about the life of workers).

mod config_file;
mod control;
mod debugging;
mod dirty;
mod hooks;
mod http2;
mod lifecycle;
mod logging;
mod process_naming;
mod security;
mod server_mechanics;
mod server_socket;
mod ssl;
mod worker_processes;

use crate::Setting;

/// The sections' entries, in the order of the reference page.
const SECTIONS: [&[Setting]; 15] = [
    config_file::SETTINGS,
    server_socket::SETTINGS,
    worker_processes::SETTINGS,
    lifecycle::SETTINGS,
    security::SETTINGS,
    debugging::SETTINGS,
    server_mechanics::SETTINGS,
    logging::SETTINGS,
    process_naming::SETTINGS,
    hooks::SERVER_SETTINGS,
    ssl::SETTINGS,
    http2::SETTINGS,
    dirty::SETTINGS,
    hooks::DIRTY_SETTINGS,
    control::SETTINGS,
];

/// Every setting.
pub fn all() -> impl Iterator<Item = &'static Setting> {
    SECTIONS.into_iter().flatten()
}

/// The setting of this name.
pub fn find(name: &str) -> Option<&'static Setting> {
    all().find(|setting| setting.name == name)
}
