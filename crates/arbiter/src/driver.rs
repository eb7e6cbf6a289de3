//! The loop that carries out the policy: wait, reap, look, act.

use std::time::Duration;

use oxicorn_sys::clock::monotonic_ms;
use oxicorn_sys::notify::{Milestone, Notifier};
use oxicorn_sys::scoreboard::{Scoreboard, Slot, State};
use oxicorn_sys::signals::{self, Signal};
use oxicorn_sys::wait::{self, WakeUp};

use crate::kills::Kills;
use crate::{
    Action, Arbiter, Cause, DeathReport, Ended, Event, Forked, Host, Level, Notice, Outcome,
    Request, Says, Source,
};

/// How often the new arbiter of a SIGUSR2 looks whether the old one is still there.
const PARENT_CHECK: Duration = Duration::from_secs(1);

/// How the loop ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// In the arbiter: everything is stopped.
    Exit(Outcome),
    /// In a worker that was just forked.
    Child {
        /// Its number.
        age: u32,
    },
    /// In a template that was just forked.
    Template {
        /// Its number.
        number: u32,
    },
}

/// The policy, with hands.
pub struct Driver<'a> {
    /// What to do.
    pub arbiter: Arbiter,
    /// Where the workers write.
    pub scoreboard: Scoreboard,
    /// Written to by signal handlers and by workers that became ready.
    pub wakeup: &'a WakeUp,
    /// The service manager, if there is one.
    pub notifier: Option<Notifier>,
    /// The process that started this one.
    pub parent: i32,
    /// The kernel's out-of-memory kills.
    pub kills: Kills,
}

impl Driver<'_> {
    /// Runs until everything is stopped, or until this is the child of a fork.
    pub fn run<H: Host>(mut self, host: &mut H) -> End {
        let mut slots = Slots::default();
        let mut watchdog = self.watchdog_interval().map(|interval| now() + interval);
        self.arbiter.handle(Event::Start, now());
        loop {
            if let Some(end) = self.act(host, &mut slots) {
                return end;
            }
            let next = self.next_wake(watchdog);
            if let Err(error) = host.sleep(self.wakeup, next.map(|at| at.saturating_sub(now()))) {
                self.fail(host, error);
            }
            if watchdog.is_some_and(|due| now() >= due) {
                self.notify(Milestone::Watchdog);
                watchdog = self.watchdog_interval().map(|interval| now() + interval);
            }
            self.gather(host, &slots);
        }
    }

    /// Feeds the policy with everything that has happened.
    fn gather<H: Host>(&mut self, host: &mut H, slots: &Slots) {
        // First: whether socket files are shared matters to a shutdown.
        if self.arbiter.has_parent()
            && std::os::unix::process::parent_id().cast_signed() != self.parent
        {
            self.arbiter.handle(Event::ParentGone, now());
        }
        // Then how the workers are: one that was ready and died is not one that failed to boot, and a reload
        // does not dismiss one that is ready by now.
        for (age, slot) in slots.all() {
            let event = Event::Seen {
                age,
                beat: slot.last_beat().map(Duration::from_millis),
                says: match slot.state() {
                    State::Ready | State::Draining => Says::Ready,
                    State::Retiring => Says::Retiring,
                    State::Free | State::Booting | State::Exited => Says::Nothing,
                },
            };
            self.arbiter.handle(event, now());
        }
        for request in host.requests() {
            let event = match request {
                Request::Signal(signal) => Event::Signal(signal),
                Request::Target(target) => Event::Target(target),
                Request::Manage => Event::Tick,
            };
            self.arbiter.handle(event, now());
        }
        for number in host.loaded_templates() {
            self.arbiter.handle(Event::TemplateReady { number }, now());
        }
        let mut has_reaped = false;
        while let Ok(Some((pid, death))) = wait::reap() {
            has_reaped = true;
            self.arbiter.handle(Event::Exited { pid, death }, now());
        }
        if !has_reaped {
            // Kills from before a worker's death have nothing to do with it.
            self.kills.forget();
        }
        self.arbiter.handle(Event::Tick, now());
    }

    /// Carries out what the policy wants, until it wants nothing or ends.
    fn act<H: Host>(&mut self, host: &mut H, slots: &mut Slots) -> Option<End> {
        while let Some(action) = self.arbiter.poll_action() {
            match action {
                Action::Exit(outcome) => return Some(End::Exit(outcome)),
                Action::Prepare { number } => match host.prepare(number) {
                    Ok(Some(Forked::Child)) => return Some(End::Template { number }),
                    Ok(Some(Forked::Parent(pid))) => {
                        let pid = Some(pid);
                        let event = Event::TemplateForked { number, pid };
                        self.arbiter.handle(event, now());
                    }
                    Ok(None) => {
                        let event = Event::TemplateForked { number, pid: None };
                        self.arbiter.handle(event, now());
                    }
                    Err(error) => self.fail(host, error),
                },
                Action::Spawn { age, source } => match self.spawn(host, slots, age, source) {
                    Ok(Forked::Child) => return Some(End::Child { age }),
                    Ok(Forked::Parent(pid)) => {
                        self.arbiter.handle(Event::Spawned { age, pid }, now());
                    }
                    Err(error) => {
                        self.arbiter.handle(Event::SpawnFailed { age }, now());
                        if let Some(error) = error {
                            self.fail(host, error);
                        }
                    }
                },
                action => {
                    if let Err(error) = self.perform(host, slots, action) {
                        self.fail(host, error);
                    }
                }
            }
        }
        None
    }

    fn perform<H: Host>(
        &mut self,
        host: &mut H,
        slots: &mut Slots,
        action: Action,
    ) -> Result<(), H::Error> {
        match action {
            Action::Log(notice) => log(host, &notice),
            Action::Kill(pid, signal) => self.kill(host, pid, signal),
            Action::EndTenure { age } => slots.end_tenure(age),
            Action::ReportRequest { age } => slots.report(host, age),
            Action::ReportDeath(ended) => self.report_death(host, slots, ended),
            Action::Bury { age, boot_failure } => {
                slots.bury(age);
                host.bury(age, boot_failure)?;
            }
            Action::Reload => {
                self.notify(Milestone::Reloading);
                let event = match host.reload()? {
                    Some(options) => Event::Reloaded(options),
                    None => Event::ReloadRefused,
                };
                self.arbiter.handle(event, now());
            }
            Action::CommitReload => host.commit_reload()?,
            Action::CallOffReload => host.call_off_reload()?,
            Action::Reexec => {
                if let Some(pid) = host.reexec()? {
                    self.arbiter.handle(Event::Reexecuted { pid }, now());
                }
            }
            Action::RetireTemplate { number } => host.retire_template(number),
            Action::EndTemplate { number } => host.end_template(number),
            Action::Promote => host.promote()?,
            Action::ReopenLogs => host.reopen_logs()?,
            Action::TargetChanged { new, old } => host.target_changed(new, old)?,
            Action::CloseListeners { shared } => host.close_listeners(shared)?,
            Action::Notify(milestone) => self.notify(milestone),
            // Handled by the caller, because they may end the loop.
            Action::Spawn { .. } | Action::Prepare { .. } | Action::Exit(_) => {}
        }
        Ok(())
    }

    /// An error without a cause of its own means that the system refused, which the host has logged.
    fn spawn<H: Host>(
        &self,
        host: &mut H,
        slots: &mut Slots,
        age: u32,
        source: Source,
    ) -> Result<Forked, Option<H::Error>> {
        let Some(slot) = self.scoreboard.claim() else {
            host.log(
                Level::Error,
                "Cannot fork a worker: the scoreboard is full.",
            );
            return Err(None);
        };
        let forked = host.spawn(age, slot, source);
        match forked {
            Ok(Some(Forked::Parent(pid))) => {
                slot.set_pid(pid.unsigned_abs());
                slots.open.push((age, slot));
            }
            Ok(Some(Forked::Child)) => {}
            Ok(None) | Err(_) => slot.release(),
        }
        forked.map_err(Some)?.ok_or(None)
    }

    fn report_death<H: Host>(&mut self, host: &mut H, slots: &Slots, ended: Ended) {
        let Some(slot) = slots.of(ended.age) else {
            return;
        };
        let cause = Cause::of(&ended, self.kills.attribute(ended.death));
        let report = DeathReport::new(ended, cause, slot, now());
        if report.is_due() {
            host.report_death(&report);
        }
    }

    fn kill<H: Host>(&self, host: &mut H, pid: i32, signal: Signal) {
        if let Err(error) = signals::kill(pid, signal) {
            let name = signal.name();
            host.log(
                Level::Error,
                &format!("Cannot send SIG{name} to worker (pid:{pid}): {error}"),
            );
        }
    }

    fn fail<H: Host>(&mut self, host: &mut H, error: H::Error) {
        let status = host.failed(error);
        self.arbiter.handle(Event::Failed { status }, now());
    }

    /// A service manager that does not listen is its own problem.
    fn notify(&self, milestone: Milestone) {
        let status = match milestone {
            Milestone::Ready => "oxicorn serves",
            _ => "",
        };
        if let Some(notifier) = &self.notifier {
            let _ = notifier.send(milestone, status);
        }
    }

    fn watchdog_interval(&self) -> Option<Duration> {
        self.notifier.as_ref()?.watchdog_interval()
    }

    fn next_wake(&self, watchdog: Option<Duration>) -> Option<Duration> {
        let now = now();
        let parent = self.arbiter.has_parent().then(|| now + PARENT_CHECK);
        [self.arbiter.deadline(now), watchdog, parent]
            .into_iter()
            .flatten()
            .min()
            // A deadline is passed only after it: waking exactly on it would spin.
            .map(|at| at + Duration::from_millis(1))
    }
}

/// The records of the living workers.
#[derive(Default)]
struct Slots {
    open: Vec<(u32, Slot)>,
}

impl Slots {
    fn all(&self) -> impl Iterator<Item = (u32, Slot)> + '_ {
        self.open.iter().copied()
    }

    fn of(&self, age: u32) -> Option<Slot> {
        let found = self.all().find(|(other, _)| *other == age);
        found.map(|(_, slot)| slot)
    }

    /// Says what a living worker is doing.
    fn report<H: Host>(&self, host: &mut H, age: u32) {
        let Some(slot) = self.of(age) else { return };
        let pid = i32::try_from(slot.pid()).unwrap_or_default();
        for request in slot.in_flight() {
            let age = now().saturating_sub(Duration::from_millis(request.started_ms));
            log(host, &Notice::Serving { pid, request, age });
        }
    }

    fn end_tenure(&self, age: u32) {
        if let Some(slot) = self.of(age) {
            slot.end_tenure();
        }
    }

    /// Gives the worker's record back.
    fn bury(&mut self, age: u32) {
        self.open.retain(|(other, slot)| {
            if *other == age {
                slot.release();
            }
            *other != age
        });
    }
}

fn log<H: Host>(host: &mut H, notice: &Notice) {
    host.log(notice.level(), &notice.to_string());
}

fn now() -> Duration {
    Duration::from_millis(monotonic_ms())
}
