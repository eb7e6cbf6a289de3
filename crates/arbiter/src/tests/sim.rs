//! A world for the policy: forks always succeed, workers do what the test says, time passes on demand.

use std::time::Duration;

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal;
use oxicorn_sys::wait::Death;

use crate::{Action, Arbiter, Ended, Event, Notice, Options, Says, Source};

/// The pid of worker number `age`.
pub fn pid(age: u32) -> i32 {
    1000 + age as i32
}

/// The pid of a template.
pub fn template_pid(number: u32) -> i32 {
    5000 + number as i32
}

pub struct Sim {
    pub arbiter: Arbiter,
    pub options: Options,
    now: Duration,
    /// Everything that was done since it was last looked at, without log lines.
    actions: Vec<Action>,
    notices: Vec<Notice>,
    milestones: Vec<Milestone>,
    deaths: Vec<Ended>,
}

impl Sim {
    /// Started, with `workers` booting.
    pub fn booting(workers: usize) -> Sim {
        Sim::new(workers, false)
    }

    /// Started and serving, nothing recorded yet.
    pub fn with_workers(workers: usize) -> Sim {
        let mut sim = Sim::booting(workers);
        sim.all_ready();
        sim.forget();
        sim
    }

    pub fn new(workers: usize, has_parent: bool) -> Sim {
        Sim::with_options(workers, has_parent, false)
    }

    /// Started, with the application to be loaded in a template.
    pub fn preloading(workers: usize) -> Sim {
        Sim::with_options(workers, false, true)
    }

    fn with_options(workers: usize, has_parent: bool, preload: bool) -> Sim {
        let options = Options {
            workers,
            timeout: Duration::from_secs(30),
            graceful_timeout: Duration::from_secs(20),
            drain_delay: Duration::ZERO,
            daemon: false,
            max_surge: 0,
            preload,
        };
        let mut sim = Sim {
            arbiter: Arbiter::new(options.clone(), has_parent),
            options,
            now: Duration::from_secs(1_000_000),
            actions: Vec::new(),
            notices: Vec::new(),
            milestones: Vec::new(),
            deaths: Vec::new(),
        };
        sim.event(Event::Start);
        sim
    }

    /// Started and serving; after SIGTERM for so many seconds more.
    pub fn with_drain_delay(workers: usize, seconds: u64) -> Sim {
        let mut sim = Sim::with_workers(workers);
        sim.options.drain_delay = Duration::from_secs(seconds);
        sim.hup(workers);
        for age in 1..=workers as u32 {
            sim.ready(workers as u32 + age);
            sim.exits(age, 0);
        }
        sim.forget();
        sim
    }

    /// At most so many processes more than workers, from the next reload on.
    pub fn max_surge(mut self, max_surge: usize) -> Sim {
        self.options.max_surge = max_surge;
        self
    }

    pub fn event(&mut self, event: Event) {
        self.arbiter.handle(event, self.now);
        self.settle();
    }

    /// Carries out what the policy wants, as the driver would.
    fn settle(&mut self) {
        while let Some(action) = self.arbiter.poll_action() {
            match &action {
                Action::Prepare { number } => {
                    let pid = Some(template_pid(*number));
                    let event = Event::TemplateForked {
                        number: *number,
                        pid,
                    };
                    self.arbiter.handle(event, self.now);
                }
                Action::Spawn { age, .. } => {
                    let event = Event::Spawned {
                        age: *age,
                        pid: pid(*age),
                    };
                    self.arbiter.handle(event, self.now);
                }
                // Tests ask the workers.
                Action::Log(Notice::Ready(_)) => continue,
                Action::Log(notice) => {
                    self.notices.push(notice.clone());
                    continue;
                }
                Action::ReportDeath(ended) => {
                    self.deaths.push(*ended);
                    continue;
                }
                Action::Notify(milestone) => {
                    self.milestones.push(*milestone);
                    continue;
                }
                _ => {}
            }
            self.actions.push(action);
        }
    }

    pub fn signal(&mut self, signal: Signal) {
        self.event(Event::Signal(signal));
    }

    pub fn ready(&mut self, age: u32) {
        self.seen(age, None, Says::Ready);
    }

    /// A heartbeat, now.
    pub fn beat(&mut self, age: u32) {
        self.seen(age, Some(self.now), Says::Ready);
    }

    /// It asks for a replacement.
    pub fn retires(&mut self, age: u32) {
        self.seen(age, None, Says::Retiring);
    }

    fn seen(&mut self, age: u32, beat: Option<Duration>, says: Says) {
        self.event(Event::Seen { age, beat, says });
        self.event(Event::Tick);
    }

    pub fn all_ready(&mut self) {
        for age in self.ages() {
            self.ready(age);
        }
    }

    pub fn exits(&mut self, age: u32, code: i32) {
        self.dies(age, Death::Code(code));
    }

    pub fn killed(&mut self, age: u32, signal: Signal) {
        self.dies(age, Death::Signal(signal.number()));
    }

    fn dies(&mut self, age: u32, death: Death) {
        self.event(Event::Exited {
            pid: pid(age),
            death,
        });
    }

    /// The answer to a SIGHUP: settings with this many workers.
    pub fn reloaded(&mut self, workers: usize) {
        let options = Options {
            workers,
            ..self.options.clone()
        };
        self.event(Event::Reloaded(options));
    }

    /// SIGHUP with usable settings.
    pub fn hup(&mut self, workers: usize) {
        self.signal(Signal::Hup);
        self.reloaded(workers);
    }

    /// A template has loaded the application.
    pub fn loaded(&mut self, number: u32) {
        self.event(Event::TemplateReady { number });
    }

    pub fn template_dies(&mut self, number: u32, death: Death) {
        let pid = template_pid(number);
        self.event(Event::Exited { pid, death });
    }

    pub fn advance(&mut self, seconds: f64) {
        self.now += Duration::from_secs_f64(seconds);
        self.event(Event::Tick);
    }

    /// Seconds until the policy wants to be called.
    pub fn due_in(&self) -> Option<f64> {
        let at = self.arbiter.deadline(self.now)?;
        Some(at.saturating_sub(self.now).as_secs_f64())
    }

    /// Workers that have not ended.
    pub fn ages(&self) -> Vec<u32> {
        self.arbiter.workers().map(|worker| worker.age).collect()
    }

    /// What was done since the last look.
    pub fn actions(&mut self) -> Vec<Action> {
        std::mem::take(&mut self.actions)
    }

    /// Forks since the last look, forgetting everything else.
    pub fn spawned(&mut self) -> Vec<u32> {
        self.actions()
            .iter()
            .filter_map(|action| match action {
                Action::Spawn { age, .. } => Some(*age),
                _ => None,
            })
            .collect()
    }

    /// Log lines since the last look.
    pub fn log(&mut self) -> Vec<String> {
        let notices = std::mem::take(&mut self.notices);
        notices.iter().map(Notice::to_string).collect()
    }

    /// What is known about the workers that ended since the last look.
    pub fn deaths(&mut self) -> Vec<Ended> {
        std::mem::take(&mut self.deaths)
    }

    pub fn milestones(&mut self) -> Vec<Milestone> {
        std::mem::take(&mut self.milestones)
    }

    pub fn forget(&mut self) {
        self.actions.clear();
        self.notices.clear();
        self.milestones.clear();
        self.deaths.clear();
    }
}

/// Shorthands that read like the log.
pub fn spawn(age: u32) -> Action {
    Action::Spawn {
        age,
        source: Source::Arbiter,
    }
}

pub fn kill(age: u32, signal: Signal) -> Action {
    Action::Kill(pid(age), signal)
}

pub fn end_tenure(age: u32) -> Action {
    Action::EndTenure { age }
}

pub fn bury(age: u32) -> Action {
    Action::Bury {
        age,
        boot_failure: false,
    }
}

pub fn bury_failed(age: u32) -> Action {
    Action::Bury {
        age,
        boot_failure: true,
    }
}

pub fn exit(status: i32) -> Action {
    Action::Exit(crate::Outcome { status })
}

pub const CLOSE: Action = Action::CloseListeners { shared: false };
