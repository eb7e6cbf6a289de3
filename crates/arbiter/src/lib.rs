//! The arbiter: forks workers, replaces what dies, obeys signals.
//!
//! [`policy`] decides and [`driver`] does. The policy is a pure state machine: events and the time go in,
//! actions come out, so that every order of signals and deaths can be played under a fake clock. The
//! driver waits, reaps, forks and kills through `oxicorn-sys`, and asks its [`Host`] for what only
//! Python can do.
//!
//! This crate knows no HTTP, no settings file and no Python; it starts no thread, because it forks.

#![forbid(unsafe_code)]

mod action;
mod death;
mod driver;
mod event;
mod host;
mod kills;
mod notice;
mod pause;
mod policy;
mod rollout;
mod stop;
mod template;
mod worker;

#[cfg(test)]
mod tests;

pub use action::Action;
pub use death::{Cause, DeathReport, Ended, Reason};
pub use driver::{Driver, End};
pub use event::{Event, Options, Says};
pub use host::{Forked, Host, Request};
pub use kills::Kills;
pub use notice::{Level, Notice};
pub use policy::Arbiter;
pub use stop::Outcome;
pub use template::{Order, Reply, Source};
