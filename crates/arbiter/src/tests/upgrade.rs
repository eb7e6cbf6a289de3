//! SIGUSR2: two arbiters on the same sockets.

use oxicorn_sys::signals::Signal::*;
use oxicorn_sys::wait::Death;

use super::sim::*;
use crate::{Action, Event};

const NEW: i32 = 77;

fn upgrading() -> Sim {
    let mut sim = Sim::with_workers(1);
    sim.signal(Usr2);
    assert_eq!(sim.actions(), [Action::Reexec]);
    sim.event(Event::Reexecuted { pid: NEW });
    sim.forget();
    sim
}

fn gone(sim: &mut Sim) {
    sim.event(Event::Exited {
        pid: NEW,
        death: Death::Code(1),
    });
}

#[test]
fn only_one_new_arbiter_at_a_time() {
    let mut sim = upgrading();
    sim.signal(Usr2);
    assert_eq!(sim.actions(), []);
    assert_eq!(sim.log()[1], "USR2 signal ignored. Child exists.");
}

#[test]
fn a_new_arbiter_that_ends_can_be_tried_again() {
    let mut sim = upgrading();
    gone(&mut sim);
    assert_eq!(sim.actions(), []);
    sim.signal(Usr2);
    assert_eq!(sim.actions(), [Action::Reexec]);
}

#[test]
fn the_socket_files_belong_to_both() {
    let mut sim = upgrading();
    sim.signal(Term);
    assert_eq!(sim.actions()[0], Action::CloseListeners { shared: true });

    let mut sim = upgrading();
    gone(&mut sim);
    sim.signal(Term);
    assert_eq!(sim.actions()[0], CLOSE);
}

#[test]
fn the_new_arbiter_is_promoted_when_the_old_one_is_gone() {
    let mut sim = Sim::new(1, true);
    sim.all_ready();
    sim.forget();
    assert!(sim.arbiter.has_parent());
    sim.signal(Usr2);
    assert_eq!(sim.log()[1], "USR2 signal ignored. Parent exists.");
    sim.event(Event::ParentGone);
    assert_eq!(sim.actions(), [Action::Promote]);
    assert_eq!(sim.log(), ["Master has been promoted."]);
    assert!(!sim.arbiter.has_parent());
    sim.signal(Usr2);
    assert_eq!(sim.actions(), [Action::Reexec]);
}

#[test]
fn a_parent_that_goes_is_nothing_to_an_ordinary_arbiter() {
    let mut sim = Sim::with_workers(1);
    sim.event(Event::ParentGone);
    assert_eq!(sim.actions(), []);
}

#[test]
fn children_that_are_no_workers_are_reaped_silently() {
    let mut sim = Sim::with_workers(1);
    gone(&mut sim);
    assert_eq!(sim.actions(), []);
}
