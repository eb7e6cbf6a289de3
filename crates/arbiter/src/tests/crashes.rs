//! Workers that fail to boot, and workers that die young.

use oxicorn_sys::signals::Signal::*;

use super::sim::*;
use crate::Action;

#[test]
fn a_boot_failure_at_the_start_stops_the_server() {
    for status in [3, 4] {
        let mut sim = Sim::booting(2);
        sim.ready(1);
        sim.forget();
        sim.exits(2, status);
        let buried = Action::Bury {
            age: 2,
            boot_failure: true,
        };
        assert_eq!(sim.actions(), [buried, CLOSE, kill(1, Term)]);
        assert_eq!(
            sim.log(),
            [format!("Worker (pid:1002) exited with code {status}.")]
        );
        sim.exits(1, 0);
        assert_eq!(sim.actions(), [bury(1), exit(status)]);
    }
}

#[test]
fn the_first_of_several_boot_failures_gives_the_status() {
    let mut sim = Sim::booting(2);
    sim.exits(1, 4);
    sim.exits(2, 3);
    assert_eq!(sim.actions().last(), Some(&exit(4)));
}

#[test]
fn a_replacement_that_cannot_boot_does_not_stop_those_that_serve() {
    let mut sim = Sim::with_workers(2);
    sim.exits(1, 0);
    sim.forget();
    sim.exits(3, 3);
    assert_eq!(sim.spawned(), [4]);
    // When the last one that serves is gone, that is the end.
    sim.exits(2, 0);
    sim.exits(4, 3);
    sim.exits(5, 3);
    assert_eq!(sim.actions().last(), Some(&exit(3)));
}

#[test]
fn workers_that_die_young_are_replaced_ever_more_slowly() {
    let mut sim = Sim::booting(1);
    sim.forget();
    sim.killed(1, Kill);
    assert_eq!(sim.spawned(), [2], "the first replacement is immediate");
    let mut pauses = Vec::new();
    for age in 2..10 {
        sim.killed(age, Kill);
        assert_eq!(sim.spawned(), []);
        let pause = sim.due_in().unwrap();
        pauses.push(pause);
        sim.advance(pause);
        assert_eq!(sim.spawned(), [age + 1]);
    }
    assert_eq!(pauses, [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0]);
    assert!(sim.log().contains(
        &"3 workers in a row died right after their start; the next one starts in 0.2 s.".into()
    ));
}

#[test]
fn a_worker_that_lived_ends_the_row() {
    let mut sim = Sim::booting(1);
    sim.exits(1, 1);
    sim.ready(2);
    sim.advance(2.0);
    sim.exits(2, 1);
    sim.exits(3, 1);
    assert_eq!(sim.ages(), [4]);
}

#[test]
fn workers_that_serve_one_request_each_are_never_held_back() {
    let mut sim = Sim::with_workers(1);
    for age in 1..50 {
        sim.ready(age);
        sim.exits(age, 0);
    }
    assert_eq!(sim.ages(), [50]);
    assert_eq!(sim.log(), [""; 0]);
}

#[test]
fn a_reload_ends_the_row() {
    let mut sim = Sim::booting(1);
    for age in 1..4 {
        sim.exits(age, 1);
        sim.advance(0.0);
        if let Some(pause) = sim.due_in() {
            sim.advance(pause / 2.0);
        }
    }
    sim.forget();
    sim.hup(1);
    assert_eq!(sim.spawned().len(), 1);
}
