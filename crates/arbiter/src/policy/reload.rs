//! A new generation takes over, or does not. The picture is in [`crate::rollout`].

use std::time::Duration;

use oxicorn_sys::notify::Milestone;

use super::Arbiter;
use crate::rollout::{Before, Reloading, Rollout};
use crate::stop::Phase;
use crate::{Action, Notice, Options, Source};

impl Arbiter {
    /// SIGHUP. However many come during a reload, one more follows it, with what is on disk then.
    pub(super) fn ask_reload(&mut self) {
        match &mut self.reloading {
            // The server is about to end.
            _ if matches!(self.phase, Phase::Delayed { .. }) => {}
            Reloading::No => {
                self.reloading = Reloading::Asked;
                self.actions.push_back(Action::Reload);
            }
            // What is on disk now is about to be read.
            Reloading::Asked => {}
            Reloading::UnderWay { again, .. } => {
                if !std::mem::replace(again, true) {
                    self.log(Notice::ReloadWaits);
                }
            }
        }
    }

    /// Begins with the reload that waits, or sees that there is none.
    pub(super) fn advance_reload(&mut self, now: Duration) {
        let Reloading::UnderWay { again, .. } = self.reloading else {
            return;
        };
        let replaces = matches!(self.rollout, Rollout::Canary(_) | Rollout::Rolling);
        let is_over = !replaces && self.pending.is_none();
        if is_over || self.reload_due().is_some_and(|due| now >= due) {
            self.reloading = Reloading::No;
            if again {
                self.ask_reload();
            }
        }
    }

    /// A new worker may hang while it boots, and the code that mends it be there by now: so a reload that waits
    /// does not wait for ever.
    pub(super) fn reload_due(&self) -> Option<Duration> {
        match self.reloading {
            Reloading::UnderWay { since, again: true } => {
                Some(since + self.options.graceful_timeout)
            }
            _ => None,
        }
    }

    pub(super) fn begin_rollout(&mut self, options: Options, source: Source) {
        // A reload during a reload: what can be fallen back on is still what was there before the first.
        let before = match std::mem::replace(&mut self.rollout, Rollout::Settled) {
            Rollout::Canary(before) => before,
            other => Before {
                options: self.options.clone(),
                target: self.target,
                source: self.source,
                starting: matches!(other, Rollout::Starting),
            },
        };
        self.rollout = Rollout::Canary(before);
        self.target = options.workers;
        self.options = options;
        self.source = source;
        self.generation = self.generation.wrapping_add(1);
        self.pause.reset();
        // Nobody waits for workers of an intermediate generation that do not serve yet.
        self.dismiss(|worker| !worker.is_ready());
    }

    /// Puts the old settings back; the old workers are the newest generation again.
    pub(super) fn call_off(&mut self) {
        let Rollout::Canary(before) = std::mem::replace(&mut self.rollout, Rollout::Settled) else {
            return;
        };
        let failed = self.generation;
        self.dismiss(|worker| worker.generation == failed);
        for worker in &mut self.workers {
            worker.generation = failed;
        }
        self.options = before.options;
        self.source = before.source;
        self.target = before.target;
        self.actions.push_back(Action::CallOffReload);
        match before.starting {
            true => self.rollout = Rollout::Starting,
            false => self.notify(Milestone::Ready),
        }
    }

    pub(super) fn advance_rollout(&mut self) {
        let generation = self.generation;
        let ready = self.count(|worker| worker.generation == generation && worker.is_ready());
        if matches!(self.rollout, Rollout::Canary(_)) && ready > 0 {
            self.rollout = Rollout::Rolling;
            self.actions.push_back(Action::CommitReload);
        }
        let in_progress = matches!(self.rollout, Rollout::Starting | Rollout::Rolling);
        if in_progress && ready >= self.target {
            self.rollout = Rollout::Settled;
            self.notify(Milestone::Ready);
        }
    }
}
