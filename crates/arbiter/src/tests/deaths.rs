//! What is known about a worker that ended.

use oxicorn_sys::signals::Signal::*;
use oxicorn_sys::wait::Death;

use super::sim::*;
use crate::Reason;

#[test]
fn a_killed_worker_ended_unasked() {
    let mut sim = Sim::with_workers(1);
    sim.advance(5.0);
    sim.killed(1, Kill);
    let [ended] = sim.deaths().try_into().unwrap();
    assert!(ended.unasked);
    assert_eq!((ended.age, ended.pid), (1, pid(1)));
    assert_eq!(ended.death, Death::Signal(9));
    assert_eq!(ended.by_arbiter, None);
    assert_eq!(ended.lived.as_secs(), 5);
}

#[test]
fn workers_that_were_told_to_leave_are_asked() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Term);
    sim.killed(1, Term);
    let mut reloaded = Sim::with_workers(1);
    reloaded.hup(1);
    reloaded.ready(2);
    reloaded.exits(1, 0);
    for mut sim in [sim, reloaded] {
        let [ended] = sim.deaths().try_into().unwrap();
        assert!(!ended.unasked);
    }
}

#[test]
fn who_exits_in_order_or_says_why_it_cannot_boot_needs_no_report() {
    for code in [0, 3, 4] {
        let mut sim = Sim::with_workers(2);
        sim.exits(1, code);
        assert!(!sim.deaths()[0].unasked);
    }
}

#[test]
fn the_arbiter_knows_whom_it_killed_and_why() {
    let mut sim = Sim::with_workers(1);
    sim.beat(1);
    sim.advance(31.0);
    sim.killed(1, Abrt);
    let [ended] = sim.deaths().try_into().unwrap();
    assert_eq!(ended.by_arbiter, Some(Reason::Timeout));
    assert!(ended.unasked);

    sim.signal(Term);
    sim.advance(20.0);
    sim.killed(2, Kill);
    let [ended] = sim.deaths().try_into().unwrap();
    assert_eq!(ended.by_arbiter, Some(Reason::Graceful));
}
