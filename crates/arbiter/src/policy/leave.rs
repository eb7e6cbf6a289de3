//! Shutting down.

use std::time::Duration;

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal;

use super::{Arbiter, Upgrade};
use crate::stop::{Outcome, Phase, QUICK};
use crate::template::TemplateLife;
use crate::worker::Life;
use crate::{Action, Notice};

impl Arbiter {
    /// SIGTERM. A second one is in a hurry.
    pub(super) fn term(&mut self, now: Duration) {
        let delay = self.options.drain_delay;
        if delay.is_zero() || !matches!(self.phase, Phase::Running) {
            return self.stop(Signal::Term, 0, now);
        }
        self.notify(Milestone::Stopping);
        self.phase = Phase::Delayed { until: now + delay };
        self.log(Notice::DrainDelayed(delay));
    }

    pub(super) fn stop(&mut self, signal: Signal, status: i32, now: Duration) {
        match self.phase {
            Phase::Running | Phase::Idle => self.notify(Milestone::Stopping),
            Phase::Delayed { .. } => {}
            Phase::Asked { .. } | Phase::Killed { .. } | Phase::Over => return,
        }
        self.phase = Phase::Asked {
            deadline: now + self.options.graceful_timeout,
            outcome: Outcome { status },
        };
        self.cancel_forks();
        let shared = self.upgrade != Upgrade::Alone;
        self.actions.push_back(Action::CloseListeners { shared });
        self.signal_workers(signal);
        self.end_templates(|_| false);
    }

    pub(super) fn hurry(&mut self, now: Duration) {
        if let Phase::Asked { deadline, .. } = &mut self.phase {
            *deadline = (*deadline).min(now + QUICK);
            self.log(Notice::QuickShutdown);
            self.signal_workers(Signal::Quit);
        }
    }

    pub(super) fn exit(&mut self, outcome: Outcome) {
        self.phase = Phase::Over;
        self.actions.push_back(Action::Exit(outcome));
    }

    /// Forks that were ordered but not done yet.
    fn cancel_forks(&mut self) {
        self.actions
            .retain(|action| !matches!(action, Action::Spawn { .. } | Action::Prepare { .. }));
        self.templates
            .retain(|template| template.life != TemplateLife::Forking);
        self.workers.retain(|worker| worker.life != Life::Forking);
    }
}
