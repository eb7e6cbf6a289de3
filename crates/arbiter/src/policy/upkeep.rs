//! Keeping as many workers as wanted, and no silent ones.

use std::time::Duration;

use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::Death;

use super::{Arbiter, Upgrade};
use crate::pause::YOUNG;
use crate::rollout::Rollout;
use crate::stop::{APP_UNUSABLE, BOOT_FAILED, Phase};
use crate::worker::{Life, WorkerHandle};
use crate::{Action, Ended, Notice, Reason};

/// How long a worker that was sent SIGABRT may take to be gone before it is killed.
const AFTER_ABORT: Duration = Duration::from_secs(1);

impl Arbiter {
    /// Aborts workers that are silent for longer than the timeout; kills those still here a second later.
    pub(super) fn murder_workers(&mut self, now: Duration) {
        self.abort_silent(now);
        self.kill_aborted(now);
    }

    fn abort_silent(&mut self, now: Duration) {
        let timeout = self.options.timeout;
        for worker in &mut self.workers {
            let Some(pid) = worker.pid() else { continue };
            if worker.silent_at(timeout).is_some_and(|at| now > at) {
                let kill_at = now + AFTER_ABORT;
                worker.life = Life::Aborted { pid, kill_at };
                self.actions.extend([
                    Action::Log(Notice::Timeout(pid)),
                    Action::ReportRequest { age: worker.age },
                    Action::Kill(pid, Signal::Abrt),
                ]);
            }
        }
    }

    /// Kills workers that SIGABRT has not ended in time, also while the server leaves.
    pub(super) fn kill_aborted(&mut self, now: Duration) {
        for worker in &mut self.workers {
            if let Life::Aborted { pid, kill_at } = &mut worker.life
                && now >= *kill_at
            {
                *kill_at = now + AFTER_ABORT;
                self.actions.push_back(Action::Kill(*pid, Signal::Kill));
            }
        }
    }

    /// Forks what is missing, dismisses what is too much, oldest first.
    pub(super) fn manage_workers(&mut self, now: Duration) {
        let generation = self.generation;
        let is_new = |worker: &WorkerHandle| worker.stays() && worker.generation == generation;
        let is_old = |worker: &WorkerHandle| worker.stays() && worker.generation != generation;

        let old = self.count(is_old);
        let wanted = match &self.rollout {
            // The canary, and the replacements of old workers that end meanwhile.
            Rollout::Canary(before) if old > 0 => {
                self.target.min(before.target).saturating_sub(old).max(1)
            }
            _ => self.target,
        };
        let most = wanted.saturating_add(self.recycle(wanted));
        let new = self.count(is_new);
        if self.can_spawn() && self.pause.wait(now).is_none() {
            let missing = most.saturating_sub(new).min(self.room());
            for _ in 0..missing {
                self.spawn_worker(now);
            }
        }
        let excess = new.saturating_sub(most);
        let unready = self.count(|worker| is_new(worker) && !worker.is_ready());
        // Who does not serve yet is missed least.
        self.dismiss_oldest(excess, |worker| is_new(worker) && !worker.is_ready());
        self.dismiss_oldest(excess.saturating_sub(unready), is_new);

        let ready = self.count(|worker| is_new(worker) && worker.is_ready());
        let needed = match self.rollout {
            Rollout::Canary(_) => old,
            _ => self.target.saturating_sub(ready),
        };
        self.dismiss_oldest(old.saturating_sub(needed), is_old);
    }

    /// How many workers may be forked. What is missing always may; beyond that `max_surge` bounds the
    /// processes that there are, those included that finish what they have.
    fn room(&self) -> usize {
        if self.options.max_surge == 0 {
            return usize::MAX;
        }
        let usual = match &self.rollout {
            Rollout::Canary(before) => before.target.max(self.target),
            _ => self.target,
        };
        let missing = self.target.saturating_sub(self.count(WorkerHandle::stays));
        let most = usual.saturating_add(self.options.max_surge);
        most.saturating_sub(self.workers.len()).max(missing)
    }

    /// Lets workers go that asked for it and have been replaced; gives how many there may be beyond those that
    /// are wanted. One at a time: a reload replaces them anyway.
    fn recycle(&mut self, wanted: usize) -> usize {
        let generation = self.generation;
        let is_new = |worker: &WorkerHandle| worker.stays() && worker.generation == generation;
        let serving = self.count(|worker| is_new(worker) && worker.is_ready());
        self.dismiss_oldest(serving.saturating_sub(wanted), |worker| {
            is_new(worker) && worker.is_retiring()
        });
        let is_settled = matches!(self.rollout, Rollout::Settled);
        usize::from(is_settled && self.count(|worker| is_new(worker) && worker.is_retiring()) > 0)
    }

    pub(super) fn spawn_worker(&mut self, now: Duration) {
        self.last_age = self.last_age.wrapping_add(1);
        let age = self.last_age;
        self.workers.push(WorkerHandle {
            age,
            generation: self.generation,
            source: self.source,
            born: now,
            last_beat: None,
            life: Life::Forking,
        });
        self.actions.push_back(Action::Spawn {
            age,
            source: self.source,
        });
    }

    pub(super) fn reap_worker(&mut self, pid: i32, death: Death, now: Duration) {
        let Some(at) = self
            .workers
            .iter()
            .position(|worker| worker.pid() == Some(pid))
        else {
            if !self.reap_template(pid, death, now) {
                self.reap_other(pid);
            }
            return;
        };
        let worker = self.workers.remove(at);
        let boot_failure = matches!(death, Death::Code(BOOT_FAILED | APP_UNUSABLE));
        if death != Death::Code(0) {
            self.log(Notice::Exited(pid, death));
        }
        let ended = self.ended(&worker, pid, death, now);
        self.actions.push_back(Action::ReportDeath(ended));
        self.actions.push_back(Action::Bury {
            age: worker.age,
            boot_failure,
        });
        if !self.phase.is_serving() || matches!(worker.life, Life::Leaving(_)) {
            return;
        }
        let canary = worker.generation == self.generation && !worker.is_ready();
        if canary && matches!(self.rollout, Rollout::Canary(_)) && self.serving() > 0 {
            self.log(Notice::ReloadCalledOff { pid, death });
            self.call_off();
        } else if let (true, Death::Code(status)) = (boot_failure, death) {
            self.fail_boot(status, now);
        } else {
            let lived = now.saturating_sub(worker.born) >= YOUNG || death == Death::Code(0);
            match worker.life {
                Life::Ready(_) | Life::Retiring(_) if lived => self.pause.reset(),
                Life::Aborted { .. } => {}
                _ => self.note_early_death(now),
            }
        }
    }

    fn ended(&self, worker: &WorkerHandle, pid: i32, death: Death, now: Duration) -> Ended {
        let is_asked = !self.phase.is_serving()
            || matches!(worker.life, Life::Leaving(_))
            // It has told why it cannot boot.
            || matches!(death, Death::Code(0 | BOOT_FAILED | APP_UNUSABLE));
        Ended {
            age: worker.age,
            pid,
            death,
            by_arbiter: match (worker.life, self.phase) {
                (Life::Aborted { .. }, _) => Some(Reason::Timeout),
                (_, Phase::Killed { .. }) => Some(Reason::Graceful),
                _ => None,
            },
            lived: now.saturating_sub(worker.born),
            unasked: !is_asked,
        }
    }

    pub(super) fn reap_other(&mut self, pid: i32) {
        if self.upgrade == Upgrade::Child(pid) {
            self.upgrade = Upgrade::Alone;
            self.log(Notice::ReexecEnded(pid));
        } else {
            self.log(Notice::Adopted(pid));
        }
    }

    /// A worker could not load the application. While the server has never been up, or when nobody serves any
    /// more, that is the end; otherwise somebody is in the middle of a deployment, and the rest serves on.
    pub(super) fn fail_boot(&mut self, status: i32, now: Duration) {
        let serving = self.serving();
        if matches!(self.rollout, Rollout::Starting) || serving == 0 {
            return self.stop(Signal::Term, status, now);
        }
        self.log(Notice::BootFailed { serving });
        self.note_early_death(now);
    }

    pub(super) fn note_early_death(&mut self, now: Duration) {
        if let Some((deaths, pause)) = self.pause.died_young(now) {
            self.log(Notice::Respawning { deaths, pause });
        }
    }
}
