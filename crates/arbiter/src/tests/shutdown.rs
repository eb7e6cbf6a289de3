//! SIGTERM, SIGINT, SIGQUIT, in every order, and hooks that raise.

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal::*;

use super::sim::*;
use crate::Event;

#[test]
fn term_asks_the_workers_and_exits_with_them() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, kill(1, Term), kill(2, Term)]);
    assert_eq!(sim.milestones(), [Milestone::Stopping]);
    sim.exits(2, 0);
    assert_eq!(sim.actions(), [bury(2)]);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), exit(0)]);
}

#[test]
fn int_and_quit_are_quick() {
    for signal in [Int, Quit] {
        let mut sim = Sim::with_workers(1);
        sim.signal(signal);
        assert_eq!(sim.actions(), [CLOSE, kill(1, Quit)]);
        sim.exits(1, 0);
        assert_eq!(sim.actions(), [bury(1), exit(0)]);
    }
}

#[test]
fn a_second_term_does_not_restart_the_clock() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.forget();
    sim.advance(15.0);
    sim.signal(Term);
    assert_eq!(sim.due_in(), Some(5.0));
    assert_eq!(sim.actions(), []);
}

#[test]
fn after_the_graceful_timeout_the_rest_is_killed_and_the_status_stays() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Term);
    sim.exits(1, 0);
    sim.forget();
    sim.advance(20.0);
    assert_eq!(sim.actions(), [end_tenure(2), kill(2, Kill)]);
    sim.killed(2, Kill);
    assert_eq!(sim.actions(), [bury(2), exit(0)]);
}

#[test]
fn a_worker_that_cannot_even_be_killed_does_not_hold_the_server() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.advance(20.0);
    sim.forget();
    sim.advance(2.0);
    assert_eq!(sim.actions(), [exit(0)]);
    sim.advance(100.0);
    assert_eq!((sim.actions(), sim.due_in()), (vec![], None));
}

#[test]
fn int_after_term_hurries() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.forget();
    sim.signal(Int);
    assert_eq!(sim.log(), ["Quick shutdown requested"]);
    assert_eq!(sim.actions(), [kill(1, Quit)]);
    assert_eq!(sim.due_in(), Some(2.0));
    sim.advance(2.0);
    assert_eq!(sim.actions(), [end_tenure(1), kill(1, Kill)]);
}

#[test]
fn hurrying_never_prolongs() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.advance(19.0);
    sim.signal(Quit);
    assert_eq!(sim.due_in(), Some(1.0));
}

#[test]
fn nothing_is_forked_during_a_shutdown() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.forget();
    for signal in [Ttin, Hup, Usr2, Winch, Chld] {
        sim.signal(signal);
    }
    sim.event(Event::Target(5));
    sim.killed(1, Kill);
    assert_eq!(sim.actions(), [bury(1), exit(0)]);
}

#[test]
fn workers_that_are_still_booting_are_asked_too() {
    let mut sim = Sim::booting(2);
    sim.forget();
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, kill(1, Term), kill(2, Term)]);
    sim.killed(1, Term);
    sim.exits(2, 3);
    assert_eq!(sim.actions().last(), Some(&exit(0)));
}

#[test]
fn a_hook_that_raises_ends_the_server_with_its_status() {
    let mut sim = Sim::with_workers(1);
    sim.event(Event::Failed { status: 255 });
    assert_eq!(sim.actions(), [CLOSE, kill(1, Quit)]);
    // Hooks may go on raising while the workers leave.
    sim.event(Event::Failed { status: 1 });
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), exit(255)]);
}

#[test]
fn forks_that_were_ordered_are_not_done_after_a_failure() {
    // pre_fork raises for the first of three workers.
    let options = Sim::booting(3).options;
    let now = std::time::Duration::from_secs(1);
    let mut arbiter = crate::Arbiter::new(options, false);
    arbiter.handle(Event::Start, now);
    assert_eq!(arbiter.poll_action(), Some(spawn(1)));
    arbiter.handle(Event::SpawnFailed { age: 1 }, now);
    arbiter.handle(Event::Failed { status: 255 }, now);
    let rest: Vec<_> = std::iter::from_fn(|| arbiter.poll_action()).collect();
    assert!(!rest.contains(&spawn(2)), "{rest:?}");
    assert_eq!(rest.last(), Some(&exit(255)));
}

#[test]
fn with_a_delay_workers_serve_on_and_who_asks_is_told_first() {
    let mut sim = Sim::with_drain_delay(1, 10);
    sim.signal(Term);
    assert_eq!(sim.milestones(), [Milestone::Stopping]);
    assert_eq!(sim.actions(), []);
    assert_eq!(sim.due_in(), Some(10.0));
    // Who dies is replaced, nothing is reloaded.
    sim.killed(2, Kill);
    assert_eq!(sim.spawned(), [3]);
    sim.signal(Hup);
    assert_eq!(sim.actions(), []);
    sim.ready(3);
    sim.advance(10.0);
    assert_eq!(sim.actions(), [CLOSE, kill(3, Term)]);
    sim.exits(3, 0);
    assert_eq!(sim.actions().last(), Some(&exit(0)));
    assert_eq!(sim.milestones(), []);
}

#[test]
fn a_second_term_ends_the_delay() {
    let mut sim = Sim::with_drain_delay(1, 10);
    sim.signal(Term);
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, kill(2, Term)]);
    let mut sim = Sim::with_drain_delay(1, 10);
    sim.signal(Term);
    sim.signal(Quit);
    assert_eq!(sim.actions(), [CLOSE, kill(2, Quit)]);
}
