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
    pub(super) fn stop(&mut self, signal: Signal, status: i32, now: Duration) {
        if !matches!(self.phase, Phase::Running | Phase::Idle) {
            return;
        }
        self.phase = Phase::Asked {
            deadline: now + self.options.graceful_timeout,
            outcome: Outcome { status },
        };
        self.cancel_forks();
        self.notify(Milestone::Stopping);
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
