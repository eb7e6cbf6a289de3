//! How far the newest generation of workers is.
//!
//! ```text
//! Starting ──all ready──▶ Settled ──HUP──▶ Canary ──first ready──▶ Rolling ──all ready──▶ Settled
//!                            ▲                │  ▲                    │
//!                            └──called off────┘  └────────HUP─────────┘
//! ```
//!
//! A reload starts one worker of the new generation, the canary. Only when that one is ready the others
//! follow, and one old worker leaves for each new one that is ready. A canary that dies before
//! it is ready calls the reload off: the old generation has not been touched.

use std::time::Duration;

use crate::{Options, Source};

/// See the module's picture.
#[derive(Clone, Debug)]
pub enum Rollout {
    /// The first generation boots. Nothing to fall back on: a boot failure stops the server.
    Starting,
    /// Every worker is of the newest generation, or about to be replaced by one.
    Settled,
    /// A reload has begun and can still be called off.
    Canary(Before),
    /// The new generation replaces the old one.
    Rolling,
}

/// Where the last SIGHUP has got to, from reading the settings to the last worker.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reloading {
    /// It is over.
    #[default]
    No,
    /// The settings are being read.
    Asked,
    /// Workers are replaced, or the application is loaded for them.
    UnderWay {
        /// When it began.
        since: Duration,
        /// Another one was asked for meanwhile, once or more often.
        again: bool,
    },
}

/// What was in force before a reload, to be put back if it is called off.
#[derive(Clone, Debug)]
pub struct Before {
    /// The settings.
    pub options: Options,
    /// The number of workers, SIGTTIN and SIGTTOU included.
    pub target: usize,
    /// Where its workers came from.
    pub source: Source,
    /// The first generation had not been ready yet.
    pub starting: bool,
}
