//! Connections that move between two engines, each in a thread of its own as if it were a process.
#![expect(
    clippy::unwrap_used,
    reason = "a test that fails by unwrap says enough"
)]

mod support;

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use oxicorn_http::response::Fields;
use oxicorn_sys::channel::{Channel, LONGEST};
use oxicorn_sys::scoreboard::{Scoreboard, Slot, State};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::helper::{Calls, Helper, TICK};
use oxicorn_worker::{Application, Called, Engine, Exchange, Notice, Options, Purpose, Request};
use support::PATIENCE;

/// Says which worker answers and how many requests of the connection it has seen. `/held` takes as long as
/// `holds` is true.
struct Named {
    name: &'static str,
    holds: Arc<AtomicBool>,
}

impl Application for Named {
    type Client = u32;

    const INLINE: bool = true;

    fn call(&mut self, request: Request<'_>, mut exchange: Exchange<u32>) -> Called<u32> {
        if request.head.path(request.bytes) == b"/held" {
            let began = Instant::now();
            while self.holds.load(Ordering::Relaxed) && began.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        *exchange.client() = Some(request.number);
        let body = format!("[{} {}]", self.name, request.number);
        let mut fields = Fields::default();
        let length = body.len().to_string();
        fields.push(b"Content-Length", length.as_bytes()).unwrap();
        exchange.start(b"200 OK", 200, &fields);
        exchange.write(body.as_bytes()).unwrap();
        exchange.finish();
        Called::Answered(exchange)
    }

    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Refused { refused, .. } => panic!("{refused}"),
            Notice::Trouble { peer, what, error } => panic!("{what}: {} {error}", peer.text),
            _ => {}
        }
    }
}

/// Two workers with a listener and a channel in common.
struct Pair {
    address: SocketAddr,
    listener: TcpListener,
    channel: Arc<Channel>,
    board: Scoreboard,
    holds: Arc<AtomicBool>,
}

struct Worker {
    slot: Slot,
    is_to_drain: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Pair {
    fn new() -> Pair {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        Pair {
            address: listener.local_addr().unwrap(),
            listener,
            channel: Arc::new(Channel::new().unwrap()),
            board: Scoreboard::new(3).unwrap(),
            holds: Arc::new(AtomicBool::new(true)),
        }
    }

    /// Starts a worker that `accepts` from the listener, or only takes over.
    fn start(&self, name: &'static str, accepts: bool) -> Worker {
        let slot = self.board.claim().unwrap();
        let listeners = if accepts {
            vec![OwnedFd::from(self.listener.try_clone().unwrap())]
        } else {
            Vec::new()
        };
        let (channel, holds) = (Arc::clone(&self.channel), Arc::clone(&self.holds));
        let is_to_drain = Arc::new(AtomicBool::new(false));
        let drains = Arc::clone(&is_to_drain);
        let thread = std::thread::spawn(move || {
            let (_wakeup, far) = UnixStream::pair().unwrap();
            let mut engine = Engine::new(options(), listeners, &far, slot).unwrap();
            engine.join(&channel, 1).unwrap();
            let calls = Calls::new(1);
            let relief = engine.relief(&calls, Purpose::Dispatch).unwrap();
            let _helper = Helper::start(&calls, vec![Box::new(relief)], TICK).unwrap();
            slot.set_state(State::Ready);
            let mut application = Named { name, holds };
            while !engine.is_finished() {
                let ready = engine.poll(Duration::from_millis(2)).unwrap();
                engine.turn(ready, &mut application);
                if drains.load(Ordering::Relaxed) {
                    engine.drain(&mut application);
                }
            }
            slot.set_state(State::Exited);
        });
        until(|| slot.state() == State::Ready);
        Worker {
            slot,
            is_to_drain,
            thread,
        }
    }

    /// A worker without listeners that turns when it is told to.
    fn resting(&self, name: &'static str) -> (Engine<Named>, Named) {
        let slot = self.board.claim().unwrap();
        let (_wakeup, far) = UnixStream::pair().unwrap();
        let mut engine = Engine::new(options(), Vec::new(), &far, slot).unwrap();
        engine.join(&self.channel, 1).unwrap();
        slot.set_state(State::Ready);
        let holds = Arc::clone(&self.holds);
        (engine, Named { name, holds })
    }

    fn connect(&self) -> TcpStream {
        let socket = TcpStream::connect(self.address).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        socket
    }
}

impl Worker {
    fn leave(self) {
        self.is_to_drain.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

fn options() -> Options {
    Options {
        has_siblings: true,
        ..support::options()
    }
}

fn until(condition: impl Fn() -> bool) {
    let began = Instant::now();
    while !condition() {
        assert!(began.elapsed() < PATIENCE, "it did not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn send(socket: &mut TcpStream, target: &str) {
    write!(socket, "GET {target} HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
}

/// The body of the next answer.
fn receive(socket: &mut TcpStream) -> String {
    let mut got = Vec::new();
    while !got.ends_with(b"]") {
        let mut byte = [0];
        socket.read_exact(&mut byte).unwrap();
        got.push(byte[0]);
    }
    let got = String::from_utf8(got).unwrap();
    got.rsplit("\r\n\r\n").next().unwrap().to_owned()
}

fn ask(socket: &mut TcpStream, target: &str) -> String {
    send(socket, target);
    receive(socket)
}

#[test]
fn what_waits_behind_a_long_call_goes_to_a_worker_that_has_time() {
    let pair = Pair::new();
    let busy = pair.start("busy", true);
    let (mut held, mut kept) = (pair.connect(), pair.connect());
    assert_eq!(ask(&mut held, "/"), "[busy 1]");
    assert_eq!(ask(&mut kept, "/"), "[busy 1]");
    send(&mut held, "/held");
    until(|| !busy.slot.is_idle());

    let idle = pair.start("idle", false);
    // On a connection that was idle, and then on the same one again: it stays where it is now.
    assert_eq!(ask(&mut kept, "/"), "[idle 2]");
    assert_eq!(ask(&mut kept, "/"), "[idle 3]");
    // A request of which only a part has come goes on elsewhere as well.
    pair.holds.store(false, Ordering::Relaxed);
    assert_eq!(receive(&mut held), "[busy 2]");
    assert_eq!(ask(&mut held, "/"), "[busy 3]");
    assert_eq!(busy.slot.counters().handed_off, 1);
    assert_eq!(idle.slot.counters().received, 1);
    drop((held, kept));
    busy.leave();
    idle.leave();
}

#[test]
fn a_request_that_was_received_behind_a_long_one_is_not_lost() {
    let pair = Pair::new();
    let busy = pair.start("busy", true);
    let idle = pair.start("idle", false);
    let mut sockets: Vec<TcpStream> = (0..8).map(|_| pair.connect()).collect();
    for socket in &mut sockets {
        ask(socket, "/");
    }
    // All at once, so that most are received in the same batch; whichever is the first holds it.
    for socket in &mut sockets {
        send(socket, "/held");
    }
    until(|| !busy.slot.is_idle() && !idle.slot.is_idle());
    pair.holds.store(false, Ordering::Relaxed);
    for socket in &mut sockets {
        assert!(receive(socket).ends_with(" 2]"));
    }
    for socket in &mut sockets {
        assert!(ask(socket, "/").ends_with(" 3]"));
    }
    busy.leave();
    idle.leave();
}

#[test]
fn a_worker_that_leaves_passes_its_connections_on() {
    let pair = Pair::new();
    let leaving = pair.start("leaving", true);
    let staying = pair.start("staying", false);
    let (mut idle, mut half, mut silent) = (pair.connect(), pair.connect(), pair.connect());
    assert_eq!(ask(&mut idle, "/"), "[leaving 1]");
    assert_eq!(ask(&mut half, "/"), "[leaving 1]");
    half.write_all(b"GET / HTT").unwrap();
    leaving.leave();
    assert_eq!(ask(&mut idle, "/"), "[staying 2]");
    half.write_all(b"P/1.1\r\n\r\n").unwrap();
    assert_eq!(receive(&mut half), "[staying 2]");
    assert_eq!(ask(&mut silent, "/"), "[staying 1]");
    drop((idle, half, silent));
    staying.leave();
}

#[test]
fn the_last_worker_to_leave_serves_what_waits_in_the_channel() {
    let pair = Pair::new();
    let first = pair.start("first", true);
    let last = pair.start("last", false);
    let mut socket = pair.connect();
    assert_eq!(ask(&mut socket, "/"), "[first 1]");
    // Both are told at once; wherever the connection is by then, its request is answered.
    first.is_to_drain.store(true, Ordering::Relaxed);
    last.is_to_drain.store(true, Ordering::Relaxed);
    assert!(ask(&mut socket, "/").ends_with(" 2]"));
    first.leave();
    last.leave();
}

#[test]
fn a_worker_without_connections_does_not_leave_before_it_has_looked_into_the_channel() {
    let pair = Pair::new();
    let first = pair.start("first", true);
    let (mut last, mut application) = pair.resting("last");
    let mut socket = pair.connect();
    assert_eq!(ask(&mut socket, "/"), "[first 1]");
    // The connection is in the channel now, and its only reader is told to leave.
    first.leave();
    // Its clock stands still while it has nothing to do; what it grants counts from now.
    until(|| last.now().after(options().first_byte_timeout) < Moment::now());
    last.drain(&mut application);
    assert!(!last.is_finished());
    last.turn(0, &mut application);
    send(&mut socket, "/");
    while !last.is_finished() {
        let ready = last.poll(Duration::from_millis(2)).unwrap();
        last.turn(ready, &mut application);
    }
    assert_eq!(receive(&mut socket), "[last 2]");
}

#[test]
fn a_worker_that_has_left_takes_nothing_more() {
    let pair = Pair::new();
    let first = pair.start("first", true);
    let other = pair.board.claim().unwrap();
    other.set_capacity(1);
    other.set_state(State::Ready);
    let (mut gone, mut application) = pair.resting("gone");
    gone.drain(&mut application);
    gone.turn(0, &mut application);
    assert!(gone.is_finished(), "others stay");
    let mut socket = pair.connect();
    assert_eq!(ask(&mut socket, "/"), "[first 1]");
    // Now the connection is in the channel, for a worker that leaves as well: that one serves it.
    first.leave();
    other.set_state(State::Draining);
    gone.turn(0, &mut application);
    assert!(gone.is_finished());
    assert!(
        pair.channel
            .receive(&mut vec![0; LONGEST])
            .unwrap()
            .is_some()
    );
}
