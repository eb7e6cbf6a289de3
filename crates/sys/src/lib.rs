//! The system calls: processes, sockets, shared memory, privileges, descriptors.
//!
//! This crate and the Python border are the only places with `unsafe`. It knows how to do things
//! and never when: no policy, no settings, no Python.

pub mod clock;
pub mod scoreboard;
