//! A preloaded application: who loads it, who forks, what a reload does and what a failure.

use oxicorn_sys::notify::Milestone;
use oxicorn_sys::signals::Signal::*;
use oxicorn_sys::wait::Death;

use super::sim::*;
use crate::{Action, Source};

fn spawn_from(template: u32, age: u32) -> Action {
    let source = Source::Template(template);
    Action::Spawn { age, source }
}

const fn prepare(number: u32) -> Action {
    Action::Prepare { number }
}

const fn retire(number: u32) -> Action {
    Action::RetireTemplate { number }
}

const fn end(number: u32) -> Action {
    Action::EndTemplate { number }
}

/// One template, its workers ready, nothing recorded.
fn serving(workers: usize) -> Sim {
    let mut sim = Sim::preloading(workers);
    sim.loaded(1);
    sim.all_ready();
    sim.forget();
    sim
}

#[test]
fn no_worker_before_the_application_is_loaded() {
    let mut sim = Sim::preloading(2);
    assert_eq!(sim.actions(), [prepare(1)]);
    sim.advance(10.0);
    assert_eq!(sim.actions(), []);
    sim.loaded(1);
    assert_eq!(sim.actions(), [spawn_from(1, 1), spawn_from(1, 2)]);
    assert_eq!(
        sim.log(),
        ["The application is loaded in the template process (pid:5001)"]
    );
    sim.all_ready();
    assert_eq!(sim.milestones(), [Milestone::Ready]);
}

#[test]
fn an_application_that_cannot_be_loaded_ends_the_start() {
    let mut sim = Sim::preloading(2);
    sim.forget();
    sim.template_dies(1, Death::Code(1));
    assert_eq!(sim.actions(), [end(1), CLOSE, exit(1)]);
    assert_eq!(sim.log(), [""; 0]);
}

#[test]
fn a_killed_template_ends_the_start_with_a_reason() {
    let mut sim = Sim::preloading(2);
    sim.forget();
    sim.template_dies(1, Death::Signal(9));
    assert_eq!(sim.actions(), [end(1), CLOSE, exit(3)]);
    assert!(sim.log()[0].starts_with("The template process (pid:5001) was sent SIGKILL"));
}

#[test]
fn a_reload_loads_the_application_first_and_then_goes_as_any_other() {
    let mut sim = serving(2);
    sim.hup(2);
    assert_eq!(sim.actions(), [Action::Reload, prepare(2)]);
    sim.advance(5.0);
    assert_eq!(sim.actions(), []);
    sim.loaded(2);
    assert_eq!(sim.actions(), [spawn_from(2, 3)]);
    sim.ready(3);
    assert_eq!(
        sim.actions(),
        [
            Action::CommitReload,
            // The old template forks no more, but the hooks of its workers are in it.
            retire(1),
            spawn_from(2, 4),
            kill(1, Term)
        ]
    );
    sim.ready(4);
    assert_eq!(sim.actions(), [kill(2, Term)]);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1)]);
    sim.exits(2, 0);
    assert_eq!(sim.actions(), [bury(2), end(1)]);
    assert_eq!(sim.milestones(), [Milestone::Ready]);
    sim.template_dies(1, Death::Code(0));
    assert_eq!(sim.actions(), [end(1)]);
    assert_eq!(
        sim.log().last().unwrap(),
        "The application is loaded in the template process (pid:5002)"
    );
}

#[test]
fn a_reload_that_cannot_be_loaded_leaves_everything_as_it_was() {
    let mut sim = serving(2);
    sim.hup(5);
    sim.forget();
    sim.template_dies(2, Death::Code(3));
    assert_eq!(sim.actions(), [end(2), Action::CallOffReload]);
    assert_eq!(sim.milestones(), [Milestone::Ready]);
    assert_eq!(
        sim.log(),
        [
            "Reload called off: the new template process (pid:5002) exited with code 3 before it had \
          loaded the application; the old workers serve on."
        ]
    );
    // The old template is still there, and so is the old number.
    sim.exits(1, 0);
    assert_eq!(sim.spawned(), [3]);
    assert_eq!(sim.ages(), [2, 3]);
}

#[test]
fn while_the_new_one_loads_the_old_one_keeps_the_workers_up() {
    let mut sim = serving(2);
    sim.hup(2);
    sim.forget();
    sim.killed(1, Kill);
    assert_eq!(sim.actions(), [bury(1), spawn_from(1, 3)]);
}

#[test]
fn a_canary_that_fails_takes_its_template_with_it() {
    let mut sim = serving(1);
    sim.hup(1);
    sim.loaded(2);
    sim.forget();
    sim.exits(2, 3);
    assert_eq!(
        sim.actions(),
        [bury_failed(2), Action::CallOffReload, retire(2), end(2)]
    );
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), spawn_from(1, 3)]);
}

#[test]
fn a_template_that_dies_is_replaced_and_its_workers_live_on() {
    let mut sim = serving(2);
    sim.advance(100.0);
    sim.template_dies(1, Death::Signal(9));
    assert_eq!(sim.actions(), [end(1), prepare(2)]);
    assert_eq!(
        sim.log(),
        [
            "The template process (pid:5001) was sent SIGKILL; its workers serve on, and a new one \
          loads the application."
        ]
    );
    assert_eq!(sim.ages(), [1, 2]);
    // Meanwhile there is nobody to fork a worker.
    sim.exits(1, 0);
    assert_eq!(sim.spawned(), []);
    sim.loaded(2);
    assert_eq!(sim.actions(), [spawn_from(2, 3)]);
}

#[test]
fn a_replacement_that_cannot_load_is_tried_again_at_growing_intervals() {
    let mut sim = serving(2);
    sim.advance(100.0);
    sim.template_dies(1, Death::Signal(9));
    sim.forget();
    sim.template_dies(2, Death::Code(3));
    assert_eq!(sim.actions(), [end(2)]);
    assert!(sim.log()[0].starts_with("A new template process (pid:5002) exited with code 3"));
    sim.advance(0.2);
    assert_eq!(sim.actions(), [prepare(3)]);
    assert_eq!(sim.ages(), [1, 2]);
}

#[test]
fn the_end_of_the_server_is_the_end_of_its_templates() {
    let mut sim = serving(1);
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, kill(1, Term), retire(1)]);
    sim.exits(1, 0);
    assert_eq!(sim.actions(), [bury(1), end(1)]);
    sim.template_dies(1, Death::Code(0));
    assert_eq!(sim.actions(), [end(1), exit(0)]);
}

#[test]
fn a_template_that_does_not_end_is_killed() {
    let mut sim = serving(1);
    sim.signal(Term);
    sim.exits(1, 0);
    sim.forget();
    sim.advance(21.0);
    assert_eq!(sim.actions(), [Action::Kill(template_pid(1), Kill)]);
    sim.advance(3.0);
    assert_eq!(sim.actions(), [exit(0)]);
}

#[test]
fn term_while_it_loads_ends_it_at_once() {
    let mut sim = Sim::preloading(1);
    sim.forget();
    sim.signal(Term);
    assert_eq!(sim.actions(), [CLOSE, Action::Kill(template_pid(1), Term)]);
    sim.template_dies(1, Death::Signal(15));
    assert_eq!(sim.actions(), [end(1), exit(0)]);
}

#[test]
fn a_recycled_worker_is_replaced_from_the_template() {
    let mut sim = serving(1);
    sim.retires(1);
    assert_eq!(sim.actions(), [spawn_from(1, 2)]);
    sim.ready(2);
    assert_eq!(sim.actions(), [kill(1, Term)]);
}
