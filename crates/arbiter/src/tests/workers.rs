//! The number of workers: respawn, SIGTTIN, SIGTTOU, SIGWINCH, hooks that assign it.

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal::{self, *};

use super::sim::*;
use crate::{Action, Event};

#[test]
fn the_first_generation_is_forked_at_once_and_announced_when_complete() {
    let mut sim = Sim::booting(2);
    assert_eq!(sim.actions(), [spawn(1), spawn(2)]);
    sim.ready(2);
    assert_eq!(sim.milestones(), []);
    sim.ready(1);
    assert_eq!(sim.milestones(), [Milestone::Ready]);
    sim.ready(1);
    assert_eq!(sim.milestones(), []);
}

#[test]
fn a_worker_that_ends_is_replaced_at_once() {
    for end in [Kill, Signal::Term, Signal::Abrt] {
        let mut sim = Sim::with_workers(2);
        sim.killed(1, end);
        assert_eq!(sim.actions(), [bury(1), spawn(3)]);
    }
    let mut sim = Sim::with_workers(1);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), spawn(2)]);
    assert_eq!(sim.log(), [""; 0]);
    sim.ready(2);
    sim.exits(2, 9);
    assert_eq!(sim.log(), ["Worker (pid:1002) exited with code 9."]);
}

#[test]
fn deaths_by_signal_are_logged_by_name() {
    let mut sim = Sim::with_workers(3);
    sim.killed(1, Kill);
    sim.killed(2, Term);
    sim.killed(3, Hup);
    let log = sim.log();
    let exits: Vec<_> = log
        .iter()
        .filter(|line| line.contains("was sent"))
        .collect();
    assert_eq!(
        exits,
        [
            "Worker (pid:1001) was sent SIGKILL! Perhaps out of memory?",
            "Worker (pid:1002) was sent SIGTERM!",
            "Worker (pid:1003) was sent SIGHUP!",
        ]
    );
}

#[test]
fn ttin_adds_and_ttou_removes_the_oldest() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Ttin);
    assert_eq!(
        sim.actions(),
        [Action::TargetChanged { new: 3, old: 2 }, spawn(3)]
    );
    assert_eq!(sim.log(), ["Handling signal: ttin"]);
    sim.ready(3);
    sim.signal(Ttou);
    assert_eq!(
        sim.actions(),
        [Action::TargetChanged { new: 2, old: 3 }, kill(1, Term)]
    );
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1)]);
}

#[test]
fn ttou_never_takes_the_last_worker() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Ttou);
    assert_eq!(sim.actions(), []);
}

#[test]
fn several_surplus_workers_leave_oldest_first_and_are_told_once() {
    let mut sim = Sim::with_workers(4);
    sim.event(Event::Target(1));
    assert_eq!(sim.actions(), [kill(1, Term), kill(2, Term), kill(3, Term)]);
    sim.advance(5.0);
    assert_eq!(sim.actions(), []);
}

#[test]
fn a_worker_that_was_asked_to_leave_may_finish_what_it_has() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Ttou);
    sim.forget();
    for _ in 0..20 {
        sim.beat(1);
        sim.advance(29.0);
    }
    assert_eq!(sim.actions(), []);
}

#[test]
fn winch_stops_the_workers_of_a_daemon_only() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Winch);
    assert_eq!(sim.actions(), []);
    assert_eq!(sim.log()[1], "SIGWINCH ignored. Not daemonized");

    sim.options.daemon = true;
    sim.hup(2);
    sim.ready(3);
    sim.ready(4);
    sim.exits(1, 0);
    sim.exits(2, 0);
    sim.forget();
    sim.signal(Winch);
    assert_eq!(
        sim.actions(),
        [
            Action::TargetChanged { new: 0, old: 2 },
            kill(3, Term),
            kill(4, Term)
        ]
    );
    assert_eq!(sim.log()[1], "graceful stop of workers");
    sim.exits(3, 0);
    sim.exits(4, 0);
    assert_eq!(sim.spawned(), []);

    sim.hup(2);
    assert_eq!(sim.spawned(), [5, 6]);
}

#[test]
fn usr1_reopens_logs_everywhere() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Usr1);
    assert_eq!(
        sim.actions(),
        [Action::ReopenLogs, kill(1, Usr1), kill(2, Usr1)]
    );
}
