//! The loop of a worker: accept, receive, parse, call the application, answer.
//!
//! Knows HTTP (through `oxicorn-http`) and the system (through `oxicorn-sys`). Does not know Python:
//! whoever runs requests is an [`Application`]. Does not know the arbiter: it writes what it does
//! on the scoreboard, and leaves when it is told to.
//!
//! A slow client costs memory that is bounded (see [`memory`]) and nothing else: a request reaches the
//! application when it is whole, and what the application answers leaves as fast as it is made.
#![forbid(unsafe_code)]

mod accept;
pub mod access_log;
mod answer;
mod application;
mod away;
mod batch;
mod calling;
mod claim;
pub mod clock;
mod connection;
mod cycle;
mod deadlines;
mod desk;
mod drain;
mod engine;
mod exchange;
mod handoff;
pub mod helper;
pub mod keeper;
pub mod lead;
mod lending;
mod live;
pub mod lookout;
pub mod memory;
mod notice;
mod options;
mod output;
mod overload;
mod pace;
mod parcel;
mod queue;
mod raw;
mod recall;
mod relief;
mod retire;
mod schedule;
mod seat;
mod upload;
pub mod watchdog;

pub use application::{Application, Body, Called, Late, Request};
pub use connection::{Peer, Place};
pub use engine::{Engine, Wait};
pub use exchange::{Departure, Exchange, Gone};
pub use live::{Appetite, End};
pub use notice::Notice;
pub use options::Options;
pub use output::SharedBytes;
pub use queue::{NotStarted, Queue};
pub use raw::Raw;
pub use recall::{Line, PoolRelief, Recalled};
pub use relief::{Purpose, Relief};
pub use retire::{Limits, Reason as Retirement};
