//! SIGHUP: the canary, the rest, the way back.

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal::*;

use super::sim::*;
use crate::{Action, Event};

#[test]
fn one_new_worker_first_then_the_rest_then_the_old_ones_leave() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Hup);
    assert_eq!(sim.log(), ["Handling signal: hup", "Hang up: Master"]);
    assert_eq!(sim.actions(), [Action::Reload]);
    sim.reloaded(2);
    assert_eq!(sim.actions(), [spawn(3)]);

    sim.ready(3);
    assert_eq!(
        sim.actions(),
        [Action::CommitReload, spawn(4), kill(1, Term)]
    );
    assert_eq!(sim.milestones(), []);
    sim.ready(4);
    assert_eq!(sim.actions(), [kill(2, Term)]);
    assert_eq!(sim.milestones(), [Milestone::Ready]);
    sim.exits(1, 0);
    sim.exits(2, 0);
    assert_eq!(sim.ages(), [3, 4]);
}

#[test]
fn unusable_settings_change_nothing() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Hup);
    sim.forget();
    sim.event(Event::ReloadRefused);
    assert_eq!(sim.actions(), []);
    assert_eq!(sim.milestones(), [Milestone::Ready]);
}

#[test]
fn adjustments_of_the_number_are_lost() {
    let mut sim = Sim::with_workers(2);
    sim.signal(Ttin);
    sim.ready(3);
    sim.hup(2);
    sim.ready(4);
    sim.ready(5);
    sim.forget();
    for age in 1..=3 {
        sim.exits(age, 0);
    }
    assert_eq!(sim.ages(), [4, 5]);
    assert_eq!(sim.spawned(), []);
}

#[test]
fn a_broken_canary_calls_the_reload_off() {
    for code in [3, 4, 1] {
        let mut sim = Sim::with_workers(2);
        sim.hup(5);
        sim.forget();
        sim.exits(3, code);
        let actions = sim.actions();
        assert_eq!(actions[1..], [Action::CallOffReload]);
        assert_eq!(sim.milestones(), [Milestone::Ready]);
        assert_eq!(sim.ages(), [1, 2]);
        assert!(sim.log()[1].starts_with("Reload called off: new worker (pid:1003) exited with"));
        // The number of the old settings holds again.
        sim.exits(1, 0);
        assert_eq!(sim.spawned(), [4]);
    }
}

#[test]
fn a_canary_killed_by_a_signal_calls_it_off_too() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.forget();
    sim.killed(2, Kill);
    assert_eq!(sim.actions(), [bury(2), Action::CallOffReload]);
}

#[test]
fn the_old_generation_is_kept_up_while_the_canary_boots() {
    let mut sim = Sim::with_workers(3);
    sim.hup(3);
    sim.forget();
    sim.exits(1, 0);
    assert_eq!(sim.spawned(), []);
    sim.exits(2, 0);
    assert_eq!(sim.spawned(), [5]);
    // One of the two fails: both leave.
    sim.exits(4, 3);
    assert!(sim.actions().contains(&kill(5, Term)));
}

#[test]
fn a_broken_reload_without_an_old_generation_ends_the_server() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.exits(1, 0);
    sim.forget();
    sim.exits(2, 3);
    assert_eq!(sim.actions().last(), Some(&exit(3)));
}

#[test]
fn hups_during_a_reload_make_one_more() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.forget();
    for _ in 0..5 {
        sim.signal(Hup);
    }
    assert_eq!(sim.actions(), []);
    let waits = "A reload is under way; another one follows when it is over.";
    assert_eq!(sim.log().iter().filter(|line| *line == waits).count(), 1);
    sim.ready(2);
    assert_eq!(
        sim.actions(),
        [Action::CommitReload, Action::Reload, kill(1, Term)]
    );
    sim.reloaded(1);
    assert_eq!(sim.actions(), [spawn(3)]);
    sim.ready(3);
    assert_eq!(sim.actions(), [Action::CommitReload, kill(2, Term)]);
    sim.advance(100.0);
    assert_eq!(sim.actions(), []);
}

#[test]
fn hups_before_the_settings_are_read_are_one() {
    let mut sim = Sim::with_workers(1);
    sim.signal(Hup);
    sim.signal(Hup);
    assert_eq!(sim.actions(), [Action::Reload]);
    sim.event(Event::ReloadRefused);
    sim.signal(Hup);
    assert_eq!(sim.actions(), [Action::Reload]);
}

#[test]
fn one_that_was_called_off_is_followed_too() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.signal(Hup);
    sim.forget();
    sim.exits(2, 3);
    assert_eq!(
        sim.actions(),
        [bury_failed(2), Action::CallOffReload, Action::Reload]
    );
}

#[test]
fn at_most_so_many_processes_more() {
    let mut sim = Sim::with_workers(3).max_surge(1);
    sim.hup(3);
    assert_eq!(sim.actions(), [Action::Reload, spawn(4)]);
    sim.ready(4);
    assert_eq!(sim.actions(), [Action::CommitReload, kill(1, Term)]);
    // The old one still finishes what it has.
    sim.advance(1.0);
    assert_eq!(sim.actions(), []);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), spawn(5)]);
    sim.ready(5);
    sim.exits(2, 0);
    sim.ready(6);
    sim.exits(3, 0);
    assert_eq!(sim.ages(), [4, 5, 6]);
}

#[test]
fn a_limit_never_keeps_out_what_is_missing() {
    let mut sim = Sim::with_workers(3).max_surge(1);
    sim.hup(3);
    sim.ready(4);
    sim.forget();
    sim.advance(5.0);
    // 1 leaves, which takes long; 2 and 3 die.
    sim.killed(2, Kill);
    sim.killed(3, Kill);
    assert_eq!(sim.spawned(), [5, 6]);
}

#[test]
fn fewer_workers_are_no_reason_to_wait() {
    let mut sim = Sim::with_workers(5).max_surge(1);
    sim.hup(1);
    assert_eq!(sim.actions(), [Action::Reload, spawn(6)]);
}

#[test]
fn a_canary_that_hangs_is_replaced_and_the_first_settings_are_remembered() {
    let mut sim = Sim::with_workers(1);
    sim.hup(4);
    sim.forget();
    sim.signal(Hup);
    assert_eq!(sim.due_in(), Some(20.0));
    sim.advance(20.0);
    sim.reloaded(3);
    assert_eq!(sim.actions(), [Action::Reload, kill(2, Term), spawn(3)]);
    sim.exits(2, 3);
    assert_eq!(
        sim.actions().len(),
        1,
        "an abandoned canary decides nothing"
    );
    sim.exits(3, 3);
    assert!(sim.actions().contains(&Action::CallOffReload));
    assert_eq!(sim.ages(), [1]);
    sim.advance(10.0);
    assert_eq!(sim.spawned(), []);
}

#[test]
fn a_hup_while_rolling_keeps_whoever_serves() {
    let mut sim = Sim::with_workers(2);
    sim.hup(2);
    sim.ready(3);
    sim.forget();
    // Worker 1 leaves, 2 and 3 serve, 4 boots.
    sim.signal(Hup);
    sim.advance(20.0);
    sim.reloaded(2);
    assert_eq!(sim.actions(), [Action::Reload, kill(4, Term), spawn(5)]);
    sim.ready(5);
    sim.ready(6);
    let mut actions = sim.actions();
    actions.retain(|action| matches!(action, Action::Kill(..)));
    assert_eq!(actions, [kill(2, Term), kill(3, Term)]);
}

#[test]
fn after_the_canary_a_failing_worker_is_tried_again() {
    let mut sim = Sim::with_workers(3);
    sim.hup(3);
    sim.ready(4);
    sim.forget();
    sim.exits(5, 3);
    assert_eq!(sim.spawned(), [7]);
    assert!(sim.log()[1].starts_with("A replacement worker could not boot; 3 serving."));
}

#[test]
fn term_during_a_reload_stops_both_generations() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.forget();
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, kill(1, Term), kill(2, Term)]);
    sim.exits(2, 3);
    sim.exits(1, 0);
    assert_eq!(sim.actions().last(), Some(&exit(0)));
}

#[test]
fn a_heartbeat_counts_as_ready() {
    let mut sim = Sim::with_workers(1);
    sim.hup(1);
    sim.forget();
    sim.beat(2);
    assert_eq!(sim.actions(), [Action::CommitReload, kill(1, Term)]);
}
