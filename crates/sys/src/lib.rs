//! The system calls: processes, sockets, shared memory, privileges, descriptors.
//!
//! This crate and the Python border are the only places with `unsafe`. It knows how to do things
//! and never when: no policy, no settings, no Python.

pub mod channel;
pub mod clock;
pub mod control;
pub mod crash;
pub mod daemon;
pub mod epoll;
pub mod fork;
pub mod keeper;
pub mod ledger;
pub mod listen;
pub mod log_sink;
pub mod notify;
pub mod pidfile;
pub mod privileges;
pub mod resources;
pub mod scoreboard;
pub mod signals;
pub mod stream;
pub mod wait;
pub mod watch;
