//! The policy: a state machine from events to actions.

mod leave;
mod reload;
mod templates;
mod upkeep;

use std::collections::VecDeque;
use std::time::Duration;

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal;

use self::templates::Pending;
use crate::pause::Pause;
use crate::rollout::{Reloading, Rollout};
use crate::stop::{LAST_WAIT, Phase};
use crate::template::{Source, TemplateHandle};
use crate::worker::{Life, WorkerHandle};
use crate::{Action, Event, Notice, Options, Says};

/// Other arbiters on the same sockets (SIGUSR2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Upgrade {
    Alone,
    /// We started a new arbiter.
    Child(i32),
    /// We are the new arbiter and the old one is still there.
    Parent,
}

/// The state of the arbiter.
///
/// Feed it with [`Arbiter::handle`], carry out what [`Arbiter::poll_action`] gives until it gives nothing, then
/// wait for the next event or for [`Arbiter::deadline`]. Time is any clock that only goes forward.
pub struct Arbiter {
    options: Options,
    /// Number of workers wanted: the setting, changed by SIGTTIN and SIGTTOU.
    target: usize,
    phase: Phase,
    rollout: Rollout,
    reloading: Reloading,
    upgrade: Upgrade,
    /// Where the workers of the newest generation come from.
    source: Source,
    templates: Vec<TemplateHandle>,
    last_template: u32,
    /// A reload that still has to show that the application can be loaded.
    pending: Option<Pending>,
    generation: u32,
    last_age: u32,
    /// In the order of their ages.
    workers: Vec<WorkerHandle>,
    pause: Pause,
    actions: VecDeque<Action>,
}

impl Arbiter {
    /// An arbiter without workers yet. `has_parent`: it was started by another one's SIGUSR2.
    pub fn new(options: Options, has_parent: bool) -> Arbiter {
        Arbiter {
            target: options.workers,
            options,
            phase: Phase::Idle,
            rollout: Rollout::Starting,
            reloading: Reloading::No,
            upgrade: if has_parent {
                Upgrade::Parent
            } else {
                Upgrade::Alone
            },
            source: Source::Arbiter,
            templates: Vec::new(),
            last_template: 0,
            pending: None,
            generation: 0,
            last_age: 0,
            workers: Vec::new(),
            pause: Pause::default(),
            actions: VecDeque::new(),
        }
    }

    /// Takes note of `event` at the time `now`.
    pub fn handle(&mut self, event: Event, now: Duration) {
        match event {
            Event::Start => self.start(),
            Event::Signal(signal) => self.handle_signal(signal, now),
            Event::Spawned { age, pid } => self.settle_fork(age, |worker| {
                worker.life = Life::Booting(pid);
                true
            }),
            Event::SpawnFailed { age } => {
                self.settle_fork(age, |_| false);
                self.note_early_death(now);
            }
            Event::TemplateForked { number, pid } => {
                self.settle_template(number, pid);
                if pid.is_none() {
                    self.note_early_death(now);
                }
            }
            Event::TemplateReady { number } => self.template_ready(number),
            // A tick follows once all workers have been looked at.
            Event::Seen { age, beat, says } => return self.handle_seen(age, beat, says),
            Event::Exited { pid, death } => self.reap_worker(pid, death, now),
            Event::Reloaded(options) => self.reloaded(options, now),
            Event::ReloadRefused => {
                self.reloading = Reloading::No;
                self.notify(Milestone::Ready);
            }
            Event::Reexecuted { pid } => self.upgrade = Upgrade::Child(pid),
            Event::ParentGone => self.promote(),
            Event::Target(target) => self.target = target,
            Event::Failed { status } => self.stop(Signal::Quit, status, now),
            Event::Tick => {}
        }
        self.make_progress(now);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Tick`] is due even if nothing else happens.
    pub fn deadline(&self, now: Duration) -> Option<Duration> {
        let timeout = self.options.timeout;
        let phase = match self.phase {
            Phase::Asked { deadline, .. } => {
                let kills = self.workers.iter().filter_map(WorkerHandle::killed_at);
                return kills.chain([deadline]).min();
            }
            Phase::Killed { deadline, .. } => return Some(deadline),
            Phase::Idle | Phase::Over => return None,
            Phase::Running => [self.pause.wait(now), self.reload_due()]
                .into_iter()
                .flatten()
                .min(),
            Phase::Delayed { until } => Some(until),
        };
        let workers = self.workers.iter().filter_map(|worker| match worker.life {
            Life::Aborted { kill_at, .. } => Some(kill_at),
            // Before its first heartbeat a worker may be silent, but once it begins nobody says so.
            _ if worker.last_beat.is_none() && !timeout.is_zero() => Some(now + timeout),
            _ => worker.silent_at(timeout),
        });
        workers.chain(phase).min()
    }

    /// The driver has to look after the parent process.
    pub fn has_parent(&self) -> bool {
        self.upgrade == Upgrade::Parent
    }

    /// Workers that have not ended yet.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerHandle> {
        self.workers.iter()
    }

    fn make_progress(&mut self, now: Duration) {
        match self.phase {
            Phase::Delayed { until } if now >= until => self.stop(Signal::Term, 0, now),
            Phase::Running | Phase::Delayed { .. } => {
                self.murder_workers(now);
                self.advance_rollout();
                self.advance_reload(now);
                self.tend_templates(now);
                self.manage_workers(now);
            }
            Phase::Asked { deadline, outcome } if now >= deadline && !self.is_empty() => {
                self.end_tenures();
                self.signal_all(Signal::Kill);
                let deadline = now + LAST_WAIT;
                self.phase = Phase::Killed { deadline, outcome };
            }
            Phase::Asked { outcome, .. } if self.is_empty() => self.exit(outcome),
            Phase::Asked { .. } => {
                self.kill_aborted(now);
                self.end_templates(|_| false);
            }
            Phase::Killed { deadline, outcome } if now >= deadline || self.is_empty() => {
                self.exit(outcome);
            }
            _ => {}
        }
    }

    fn handle_signal(&mut self, signal: Signal, now: Duration) {
        match self.phase {
            Phase::Running | Phase::Idle | Phase::Delayed { .. } => {
                self.log(Notice::Handling(signal));
                self.obey(signal, now);
            }
            Phase::Asked { .. } if matches!(signal, Signal::Int | Signal::Quit) => {
                self.hurry(now);
            }
            Phase::Asked { .. } | Phase::Killed { .. } | Phase::Over => {}
        }
    }

    fn obey(&mut self, signal: Signal, now: Duration) {
        match signal {
            Signal::Term => self.term(now),
            Signal::Int | Signal::Quit => self.stop(Signal::Quit, 0, now),
            Signal::Hup => {
                self.log(Notice::HangUp);
                self.ask_reload();
            }
            Signal::Ttin => self.set_target(self.target.saturating_add(1)),
            Signal::Ttou if self.target > 1 => self.set_target(self.target - 1),
            Signal::Usr1 => {
                self.actions.push_back(Action::ReopenLogs);
                self.signal_workers(Signal::Usr1);
            }
            Signal::Usr2 => self.reexec(),
            Signal::Winch => self.winch(),
            _ => {}
        }
    }

    fn set_target(&mut self, new: usize) {
        let old = std::mem::replace(&mut self.target, new);
        self.actions.push_back(Action::TargetChanged { new, old });
    }

    fn reexec(&mut self) {
        match self.upgrade {
            Upgrade::Alone => self.actions.push_back(Action::Reexec),
            Upgrade::Child(_) => self.log(Notice::ChildExists),
            Upgrade::Parent => self.log(Notice::ParentExists),
        }
    }

    fn promote(&mut self) {
        if self.upgrade == Upgrade::Parent {
            self.upgrade = Upgrade::Alone;
            self.log(Notice::Promoted);
            self.actions.push_back(Action::Promote);
        }
    }

    fn winch(&mut self) {
        if !self.options.daemon {
            return self.log(Notice::WinchIgnored);
        }
        self.log(Notice::GracefulStop);
        self.set_target(0);
        self.dismiss(|_| true);
    }

    fn handle_seen(&mut self, age: u32, beat: Option<Duration>, says: Says) {
        let Some(worker) = self.worker(age) else {
            return;
        };
        worker.last_beat = beat.or(worker.last_beat);
        // Custom workers may do without the boot procedure, but they have to beat.
        let is_up = says != Says::Nothing || beat.is_some();
        let before = worker.life;
        worker.life = match before {
            Life::Booting(pid) | Life::Ready(pid) if says == Says::Retiring => Life::Retiring(pid),
            Life::Booting(pid) if is_up => Life::Ready(pid),
            life => life,
        };
        if let (Life::Booting(_), Life::Ready(pid)) = (before, worker.life) {
            self.log(Notice::Ready(pid));
        }
    }

    fn settle_fork(&mut self, age: u32, exists: impl FnOnce(&mut WorkerHandle) -> bool) {
        if let Some(worker) = self.worker(age)
            && !exists(worker)
        {
            self.workers.retain(|worker| worker.age != age);
        }
    }

    /// Makes those of the staying workers leave for which `who` holds.
    fn dismiss(&mut self, who: impl Fn(&WorkerHandle) -> bool) {
        self.dismiss_oldest(usize::MAX, who);
    }

    fn dismiss_oldest(&mut self, limit: usize, who: impl Fn(&WorkerHandle) -> bool) {
        let leaving = self
            .workers
            .iter_mut()
            .filter(|worker| who(worker))
            .filter_map(|worker| worker.leave())
            .take(limit);
        for (pid, signal) in leaving {
            self.actions.push_back(Action::Kill(pid, signal));
        }
    }

    fn signal_workers(&mut self, signal: Signal) {
        let pids = self.workers.iter().filter_map(WorkerHandle::pid);
        self.actions
            .extend(pids.map(|pid| Action::Kill(pid, signal)));
    }

    fn end_tenures(&mut self) {
        let ages = self.workers.iter().map(|worker| worker.age);
        self.actions
            .extend(ages.map(|age| Action::EndTenure { age }));
    }

    /// Nobody of ours is left.
    fn is_empty(&self) -> bool {
        self.workers.is_empty() && self.templates.is_empty()
    }

    fn signal_all(&mut self, signal: Signal) {
        self.signal_workers(signal);
        let pids = self.templates.iter().filter_map(TemplateHandle::pid);
        self.actions
            .extend(pids.map(|pid| Action::Kill(pid, signal)));
    }

    fn serving(&self) -> usize {
        self.count(WorkerHandle::is_ready)
    }

    fn count(&self, who: impl Fn(&WorkerHandle) -> bool) -> usize {
        self.workers.iter().filter(|worker| who(worker)).count()
    }

    fn worker(&mut self, age: u32) -> Option<&mut WorkerHandle> {
        self.workers.iter_mut().find(|worker| worker.age == age)
    }

    fn log(&mut self, notice: Notice) {
        self.actions.push_back(Action::Log(notice));
    }

    fn notify(&mut self, milestone: Milestone) {
        // Who has been told that the server stops must not hear that it serves.
        if matches!(self.phase, Phase::Delayed { .. }) {
            return;
        }
        self.actions.push_back(Action::Notify(milestone));
    }
}
