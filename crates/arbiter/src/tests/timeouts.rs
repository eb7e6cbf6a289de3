//! Heartbeats.

use oxicorn_sys::signals::Signal::*;

use super::sim::*;
use crate::Action;

fn report(age: u32) -> Action {
    Action::ReportRequest { age }
}

#[test]
fn stalled_worker_is_aborted_then_killed() {
    let mut sim = Sim::with_workers(1);
    sim.beat(1);
    sim.advance(30.0);
    assert_eq!(sim.actions(), []);
    sim.advance(0.1);
    // The replacement does not wait until the stuck one is gone.
    assert_eq!(sim.actions(), [report(1), kill(1, Abrt), spawn(2)]);
    assert_eq!(sim.log(), ["WORKER TIMEOUT (pid:1001)"]);
    sim.advance(0.9);
    assert_eq!(sim.actions(), []);
    sim.advance(0.1);
    assert_eq!(sim.actions(), [kill(1, Kill)]);
    sim.killed(1, Kill);
    assert_eq!(sim.actions(), [bury(1)]);
}

#[test]
fn the_clock_starts_at_the_first_heartbeat() {
    let mut sim = Sim::booting(1);
    sim.forget();
    sim.advance(10_000.0);
    sim.ready(1);
    sim.advance(10_000.0);
    assert_eq!(sim.actions(), []);
    assert_eq!(
        sim.due_in(),
        Some(30.0),
        "it is looked at in time all the same"
    );
    sim.beat(1);
    assert_eq!(sim.due_in(), Some(30.0));
}

#[test]
fn a_heartbeat_in_time_is_enough() {
    let mut sim = Sim::with_workers(1);
    for _ in 0..10 {
        sim.beat(1);
        sim.advance(29.0);
    }
    assert_eq!(sim.actions(), []);
}

#[test]
fn an_aborted_worker_that_ends_in_order_is_not_killed() {
    let mut sim = Sim::with_workers(1);
    sim.beat(1);
    sim.advance(31.0);
    sim.exits(1, 0);
    sim.forget();
    sim.advance(5.0);
    assert_eq!(sim.actions(), []);
    assert_eq!(sim.ages(), [2]);
}

#[test]
fn timeout_zero_switches_it_off() {
    let mut sim = Sim::with_workers(1);
    sim.options.timeout = std::time::Duration::ZERO;
    sim.hup(1);
    sim.beat(2);
    sim.exits(1, 0);
    sim.forget();
    sim.advance(100_000.0);
    assert_eq!((sim.actions(), sim.due_in()), (vec![], None));
}

#[test]
fn a_leaving_worker_may_stall_as_little_as_any_other() {
    let mut sim = Sim::with_workers(2);
    sim.hup(2);
    sim.ready(3);
    sim.ready(4);
    sim.beat(1);
    sim.forget();
    sim.advance(31.0);
    assert_eq!(sim.actions()[..2], [report(1), kill(1, Abrt)]);
}

#[test]
fn a_server_that_leaves_waits_no_longer_for_a_stuck_worker() {
    let mut sim = Sim::with_workers(2);
    sim.beat(1);
    sim.advance(30.1);
    sim.signal(Term);
    sim.forget();
    sim.advance(0.9);
    assert_eq!(sim.actions(), []);
    assert!(sim.due_in().is_some_and(|seconds| seconds <= 0.1));
    sim.advance(0.1);
    assert_eq!(sim.actions(), [kill(1, Kill)]);
    sim.killed(1, Kill);
    assert_eq!(sim.actions(), [bury(1)]);
}
