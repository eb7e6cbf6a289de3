//! Workers that ask to be replaced.

use oxicorn_sys::signals::Signal::*;

use super::sim::*;
use crate::Action;

#[test]
fn the_replacement_is_ready_before_the_old_one_leaves() {
    let mut sim = Sim::with_workers(2);
    sim.retires(1);
    assert_eq!(sim.actions(), [spawn(3)]);
    sim.advance(10.0);
    assert_eq!(sim.actions(), []);
    sim.ready(3);
    assert_eq!(sim.actions(), [kill(1, Term)]);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1)]);
    assert_eq!(sim.ages(), [2, 3]);
}

#[test]
fn one_after_the_other() {
    let mut sim = Sim::with_workers(3);
    for age in 1..=3 {
        sim.retires(age);
    }
    assert_eq!(sim.actions(), [spawn(4)]);
    sim.ready(4);
    assert_eq!(sim.actions(), [kill(1, Term), spawn(5)]);
    sim.ready(5);
    assert_eq!(sim.actions(), [kill(2, Term), spawn(6)]);
    sim.ready(6);
    assert_eq!(sim.actions(), [kill(3, Term)]);
}

#[test]
fn a_replacement_that_cannot_boot_leaves_the_old_one_serving() {
    let mut sim = Sim::with_workers(1);
    sim.retires(1);
    sim.forget();
    sim.exits(2, 3);
    assert_eq!(sim.actions(), [bury_failed(2), spawn(3)]);
    assert_eq!(
        sim.log()[1],
        "A replacement worker could not boot; 1 serving. It is tried again."
    );
    // From the second failure on there are pauses.
    sim.exits(3, 3);
    assert_eq!(sim.actions(), [bury_failed(3)]);
    sim.advance(0.2);
    assert_eq!(sim.spawned(), [4]);
    sim.ready(4);
    assert_eq!(sim.actions(), [kill(1, Term)]);
}

#[test]
fn one_that_dies_while_it_waits_needs_no_second_replacement() {
    let mut sim = Sim::with_workers(1);
    sim.advance(60.0);
    sim.retires(1);
    sim.forget();
    sim.killed(1, Kill);
    assert_eq!(sim.actions(), [bury(1)]);
    sim.ready(2);
    assert_eq!(sim.actions(), []);
}

#[test]
fn a_reload_replaces_those_that_ask_anyway() {
    let mut sim = Sim::with_workers(2);
    sim.hup(2);
    sim.forget();
    sim.retires(1);
    assert_eq!(sim.actions(), []);
    sim.ready(3);
    assert_eq!(
        sim.actions(),
        [Action::CommitReload, spawn(4), kill(1, Term)]
    );
    // One of the new generation asks before all are there.
    sim.retires(3);
    assert_eq!(sim.actions(), []);
    sim.ready(4);
    assert_eq!(sim.actions(), [spawn(5), kill(2, Term)]);
    sim.ready(5);
    assert_eq!(sim.actions(), [kill(3, Term)]);
}

#[test]
fn the_one_that_asks_is_the_first_to_leave() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Ttou);
    assert_eq!(sim.actions().last(), Some(&kill(1, Term)));
    let mut sim = Sim::with_workers(2);
    sim.retires(2);
    sim.forget();
    sim.signal(Ttou);
    let told: Vec<_> = sim.actions().into_iter().skip(1).collect();
    assert_eq!(told, [kill(2, Term), kill(3, Term)]);
}

#[test]
fn a_silent_one_is_aborted_like_any_other() {
    let mut sim = Sim::with_workers(1);
    sim.beat(1);
    sim.retires(1);
    sim.forget();
    sim.advance(31.0);
    assert!(sim.actions().contains(&kill(1, Abrt)));
}
