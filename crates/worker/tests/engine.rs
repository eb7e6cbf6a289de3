//! The engine over real sockets, with an application of a few lines and no Python.
#![expect(
    clippy::unwrap_used,
    reason = "a test that fails by unwrap says enough"
)]

mod support;

use std::io::Read;
use std::net::TcpStream;
use std::time::{Duration, Instant};

use oxicorn_http::response::{Fields, status_code};
use oxicorn_sys::scoreboard::State;
use oxicorn_worker::{
    Application, Body, Called, Exchange, Limits, Notice, Place, Request, Retirement,
};
use support::{Client, GET, PATIENCE, Server};

/// Answers with what it was asked, or as the path says.
#[derive(Default)]
struct Echo {
    refused: Vec<u16>,
    retirements: Vec<Retirement>,
    taken: Vec<(Place, Exchange<u32>)>,
}

impl Application for Echo {
    /// Requests of the connection so far.
    type Client = u32;

    const INLINE: bool = true;

    fn call(&mut self, request: Request<'_>, mut exchange: Exchange<u32>) -> Called<u32> {
        let count = exchange.client().get_or_insert(0);
        *count += 1;
        let body = match request.body {
            Body::Memory(bytes) => bytes.to_vec(),
            Body::File { mut file, .. } => {
                let mut bytes = Vec::new();
                file.read_to_end(&mut bytes).unwrap();
                bytes
            }
        };
        match request.head.path(request.bytes) {
            b"/large" => {
                answer(&mut exchange, &[]);
                exchange
                    .write_shared(Box::new(vec![b'x'; 5_000_000]))
                    .unwrap();
            }
            b"/panic" => panic!("an application layer should not, but the worker lives on"),
            b"/lost" => return Called::Lost,
            _ => answer(&mut exchange, &body),
        }
        exchange.finish();
        Called::Answered(exchange)
    }

    fn notice(&mut self, notice: Notice<'_>) {
        match notice {
            Notice::Refused { refused, .. } => self.refused.push(refused.status()),
            Notice::Retiring(reason) => self.retirements.push(reason),
            Notice::Trouble { peer, what, error } => panic!("{what}: {} {error}", peer.text),
            _ => {}
        }
    }
}

fn answer(exchange: &mut Exchange<u32>, body: &[u8]) {
    let mut fields = Fields::default();
    fields
        .push(b"X-Length", body.len().to_string().as_bytes())
        .unwrap();
    exchange.start(b"200 OK", status_code(b"200 OK").unwrap(), &fields);
    exchange.write(body).unwrap();
}

/// The same application with its requests taken away.
#[derive(Default)]
struct Elsewhere(Echo);

impl Application for Elsewhere {
    type Client = u32;

    const INLINE: bool = false;

    fn call(&mut self, _: Request<'_>, exchange: Exchange<u32>) -> Called<u32> {
        self.0.taken.push((exchange.place(), exchange));
        Called::Taken
    }

    fn notice(&mut self, notice: Notice<'_>) {
        self.0.notice(notice);
    }
}

/// Answers after some work, and looks each time whether the first client has its response.
#[derive(Default)]
struct Busy {
    first: Option<TcpStream>,
    /// Of each call.
    first_was_answered: Vec<bool>,
}

impl Application for Busy {
    type Client = u32;

    const INLINE: bool = true;

    fn call(&mut self, _: Request<'_>, mut exchange: Exchange<u32>) -> Called<u32> {
        let first = self.first.as_ref().unwrap();
        self.first_was_answered.push(first.peek(&mut [0]).is_ok());
        let began = Instant::now();
        while began.elapsed() < Duration::from_micros(200) {
            std::hint::spin_loop();
        }
        answer(&mut exchange, b"");
        exchange.finish();
        Called::Answered(exchange)
    }

    fn notice(&mut self, _: Notice<'_>) {}
}

#[test]
fn a_connection_carries_request_after_request() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut client = server.connect();
    for count in 1..=3 {
        client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello");
        server.until(&mut client, |client| client.responses() == count);
    }
    assert!(client.text().contains("Connection: keep-alive"));
    assert!(client.text().contains("5\r\nhello\r\n0\r\n\r\n"));
    assert_eq!(server.slot.counters().requests, 3);
    assert!(!client.is_closed);
}

#[test]
fn a_response_does_not_wait_for_all_of_a_long_batch() {
    let mut server = Server::<Busy>::start(|_| {});
    let mut clients: Vec<Client> = (0..100).map(|_| server.connect()).collect();
    server.application.first = Some(clients[0].socket.try_clone().unwrap());
    for client in &mut clients {
        client.send(GET);
        server.until(client, |client| client.responses() == 1);
    }
    server.application.first_was_answered.clear();
    for client in &mut clients {
        client.send(GET);
    }
    server.turn();
    let answered = &server.application.first_was_answered;
    assert_eq!(answered.len(), clients.len(), "in one batch");
    assert_eq!(answered.first(), Some(&false));
    assert_eq!(answered.last(), Some(&true), "20 ms later");
}

#[test]
fn pipelined_requests_are_answered_in_order_and_in_full() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut client = server.connect();
    let mut all = Vec::new();
    for body in ["a", "bb", "ccc"] {
        all.extend(
            format!(
                "POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            )
            .bytes(),
        );
    }
    client.send(&all);
    server.until(&mut client, |client| {
        client.got.ends_with(b"3\r\nccc\r\n0\r\n\r\n")
    });
    let text = client.text();
    let places =
        ["X-Length: 1", "X-Length: 2", "X-Length: 3"].map(|field| text.find(field).unwrap());
    assert!(places.is_sorted());
}

#[test]
fn a_request_that_comes_byte_by_byte_is_served() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut client = server.connect();
    for byte in b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n" {
        client.send(&[*byte]);
        server.turn();
    }
    server.until(&mut client, |client| {
        client.got.ends_with(b"3\r\nabc\r\n0\r\n\r\n")
    });
}

#[test]
fn a_large_body_is_spooled_and_complete() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut client = server.connect();
    let body = vec![b'b'; 3_000_000];
    client.send(format!("POST / HTTP/1.1\r\nContent-Length: {}\r\n\r\n", body.len()).as_bytes());
    for part in body.chunks(100_000) {
        client.socket.set_nonblocking(false).unwrap();
        client.send(part);
        client.socket.set_nonblocking(true).unwrap();
        server.turn();
    }
    server.until(&mut client, |client| client.got.len() > body.len());
    assert!(client.text().contains("X-Length: 3000000"));
}

#[test]
fn a_client_that_does_not_read_holds_nobody_up() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut slow = server.connect();
    slow.send(b"GET /large HTTP/1.1\r\n\r\n");
    let mut good = server.connect();
    good.send(GET);
    server.until(&mut good, |client| client.responses() == 1);
    server.until(&mut slow, |client| client.got.ends_with(b"0\r\n\r\n"));
    assert!(slow.got.len() > 5_000_000);
}

#[test]
fn a_refused_message_is_answered_and_the_connection_ends() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut client = server.connect();
    client.send(b"nonsense\r\n\r\nGET / HTTP/1.1\r\n\r\n");
    server.until(&mut client, |client| client.is_closed);
    assert!(
        client
            .text()
            .starts_with("HTTP/1.1 400 Bad Request\r\nDate: ")
    );
    assert_eq!(
        (client.responses(), server.application.refused.as_slice()),
        (1, &[400][..])
    );
}

#[test]
fn a_lost_exchange_or_a_panic_costs_one_connection_only() {
    let mut server = Server::<Echo>::start(|_| {});
    for path in ["/lost", "/panic"] {
        let mut victim = server.connect();
        let mut good = server.connect();
        victim.send(format!("GET {path} HTTP/1.1\r\n\r\n").as_bytes());
        server.until(&mut victim, |client| client.is_closed);
        good.send(GET);
        server.until(&mut good, |client| client.responses() == 1);
    }
}

#[test]
fn an_idle_connection_ends_after_keepalive() {
    let mut server = Server::<Echo>::start(|options| options.keepalive = Duration::from_millis(10));
    let mut client = server.connect();
    client.send(GET);
    server.until(&mut client, |client| client.is_closed);
    assert_eq!(client.responses(), 1);
}

#[test]
fn keepalive_zero_closes_after_each_response() {
    let mut server = Server::<Echo>::start(|options| options.keepalive = Duration::ZERO);
    let mut client = server.connect();
    client.send(GET);
    server.until(&mut client, |client| client.is_closed);
    assert!(client.text().contains("Connection: close\r\n"));
}

#[test]
fn a_worker_with_enough_requests_asks_once_and_serves_on() {
    let mut server = Server::<Echo>::start(|options| options.limits.requests = Some(2));
    let mut client = server.connect();
    for count in 1..5 {
        client.send(GET);
        server.until(&mut client, |client| client.responses() == count);
        assert_eq!(server.slot.state() == State::Retiring, count >= 2);
    }
    assert_eq!(server.application.retirements, [Retirement::Requests]);
    assert!(!client.text().contains("Connection: close\r\n"));
    server.engine.drain(&mut server.application);
    server.until(&mut client, |client| client.is_closed);
    assert_eq!(server.slot.state(), State::Draining);
}

#[test]
fn a_worker_that_is_old_or_large_asks() {
    for limits in [
        Limits {
            lifetime: Some(Duration::ZERO),
            ..Limits::default()
        },
        Limits {
            memory_kib: Some(1),
            ..Limits::default()
        },
    ] {
        let mut server = Server::<Echo>::start(|options| options.limits = limits);
        let end = Instant::now() + PATIENCE;
        while server.application.retirements.is_empty() {
            server.turn();
            assert!(Instant::now() < end);
        }
        assert_eq!(server.slot.state(), State::Retiring);
    }
}

#[test]
fn a_draining_worker_serves_its_backlog_and_what_is_on_its_way() {
    let mut server = Server::<Echo>::start(|_| {});
    let mut idle = server.connect();
    idle.send(GET);
    server.until(&mut idle, |client| client.responses() == 1);
    let mut waiting = server.connect();
    waiting.send(GET);
    let mut half = server.connect();
    half.send(b"GET / HT");
    server.engine.drain(&mut server.application);

    server.until(&mut waiting, |client| client.is_closed);
    assert!(waiting.text().contains("Connection: close\r\n"));
    idle.send(GET);
    server.until(&mut idle, |client| client.is_closed);
    assert_eq!(idle.responses(), 2);
    half.send(b"TP/1.1\r\n\r\n");
    server.until(&mut half, |client| client.is_closed);
    assert_eq!(half.responses(), 1);
    assert!(server.engine.is_finished());
    assert!(
        TcpStream::connect(server.address).is_err(),
        "nobody listens any more"
    );
}

#[test]
fn the_longest_idle_connection_makes_room_for_a_new_one() {
    let mut server = Server::<Echo>::start(|options| options.connections = 2);
    let mut first = server.connect();
    first.send(GET);
    server.until(&mut first, |client| client.responses() == 1);
    let mut second = server.connect();
    second.send(GET);
    server.until(&mut second, |client| client.responses() == 1);
    let mut third = server.connect();
    third.send(GET);
    server.until(&mut third, |client| client.responses() == 1);
    server.until(&mut first, |client| client.is_closed);
    second.receive();
    assert!(!second.is_closed);
}

#[test]
fn a_connection_whose_request_has_just_come_does_not_make_room() {
    let mut server = Server::<Echo>::start(|options| options.connections = 1);
    let mut first = server.connect();
    first.send(GET);
    server.until(&mut first, |client| client.responses() == 1);
    first.send(GET);
    let _second = server.connect();
    server.until(&mut first, |client| client.responses() == 2);
}

#[test]
fn a_request_that_was_taken_comes_back_and_the_connection_goes_on() {
    let mut server = Server::<Elsewhere>::start(|_| {});
    let mut client = server.connect();
    let mut both = GET.to_vec();
    both.extend(GET);
    client.send(&both);
    for count in 1..=2 {
        let began = Instant::now();
        while server.application.0.taken.is_empty() {
            assert!(began.elapsed() < PATIENCE);
            server.turn();
        }
        assert_eq!(
            server.engine.requests_away(),
            1,
            "one request of a connection at a time"
        );
        let (place, mut exchange) = server.application.0.taken.remove(0);
        answer(&mut exchange, b"from elsewhere");
        exchange.finish();
        server
            .engine
            .give_back(place, Some(exchange), &mut server.application);
        server.until(&mut client, |client| client.responses() == count);
    }
    assert!(!client.is_closed);
}

#[test]
fn a_client_that_sends_or_leaves_while_its_request_is_away_causes_no_turns() {
    let mut server = Server::<Elsewhere>::start(|_| {});
    let mut client = server.connect();
    client.send(GET);
    let began = Instant::now();
    while server.application.0.taken.is_empty() {
        assert!(began.elapsed() < PATIENCE);
        server.turn();
    }
    client.send(GET);
    server.turn();
    assert_eq!(
        server.engine.poll(Duration::ZERO).unwrap(),
        0,
        "looks away from the bytes"
    );
    let (place, mut exchange) = server.application.0.taken.remove(0);
    answer(&mut exchange, b"at last");
    exchange.finish();
    server
        .engine
        .give_back(place, Some(exchange), &mut server.application);
    let began = Instant::now();
    while server.application.0.taken.is_empty() {
        assert!(began.elapsed() < PATIENCE, "sees them again");
        server.turn();
    }
}
