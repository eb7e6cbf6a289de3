//! What a client sends means the same however it is cut, and each violation ends the connection.

mod support;

use oxicorn_websocket::{Connection, Deflate, Event, NotOpen, Options};
use support::{frame, read_alike};

const LIMIT: Options = Options {
    max_message_size: 1000,
};

const DEFLATE: Deflate = Deflate {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_window_bits: 12,
    client_window_bits: 12,
};

/// Every cut in two, and byte by byte, gives these events and this answer.
fn expect(deflate: Option<Deflate>, frames: &[Vec<u8>], events: &[&str], answer: &[u8]) {
    let input = frames.concat();
    for cut in 0..input.len() {
        let (seen, out) = read_alike(LIMIT, deflate, &input, vec![cut]);
        assert_eq!(seen, events);
        assert_eq!(out, answer, "{}", out.escape_ascii());
    }
}

#[test]
fn messages_whole_and_in_fragments() {
    expect(
        None,
        &[
            frame(0x81, "grüß dich".as_bytes()),
            frame(0x82, b"\x00\xff"),
            frame(0x01, b"a\xe2"),
            frame(0x00, b""),
            frame(0x00, b"\x82"),
            frame(0x80, b"\xacb"),
            frame(0x81, b""),
            frame(0x82, &[7; 300]),
        ],
        &[
            "text \"grüß dich\"",
            "binary [0, ff]",
            "text \"a€b\"",
            "text \"\"",
            &format!("binary {:x?}", [7u8; 300]),
        ],
        b"",
    );
}

#[test]
fn pings_are_answered_within_a_fragmented_message() {
    expect(
        None,
        &[
            frame(0x01, b"one "),
            frame(0x89, b"are you there"),
            frame(0x8a, b"a pong that nobody asked for"),
            frame(0x80, b"message"),
            frame(0x89, b""),
        ],
        &["text \"one message\""],
        b"\x8a\x0dare you there\x8a\x00",
    );
}

#[test]
fn a_close_is_answered_with_its_code_and_nothing_is_read_after_it() {
    expect(
        None,
        &[
            frame(0x88, b"\x0f\xa0enough"),
            frame(0x81, b"no"),
            frame(0x83, b""),
        ],
        &["closed Some(4000) \"enough\""],
        b"\x88\x02\x0f\xa0",
    );
    expect(
        None,
        &[frame(0x88, b"")],
        &["closed None \"\""],
        b"\x88\x00",
    );
}

#[test]
fn each_violation_has_its_code() {
    let unmasked = b"\x81\x02hi".to_vec();
    for (frames, violation, code) in [
        (vec![unmasked], "Unmasked", 1002u16),
        (vec![frame(0xc1, b"x")], "ReservedBits", 1002),
        (vec![frame(0xa1, b"x")], "ReservedBits", 1002),
        (vec![frame(0x83, b"x")], "ReservedOpcode(3)", 1002),
        (vec![frame(0x8b, b"x")], "ReservedOpcode(11)", 1002),
        (vec![frame(0x80, b"x")], "UnexpectedContinuation", 1002),
        (
            vec![frame(0x01, b"x"), frame(0x81, b"y")],
            "ExpectedContinuation",
            1002,
        ),
        (vec![frame(0x09, b"x")], "FragmentedControl", 1002),
        (vec![frame(0x89, &[0; 126])], "LongControl", 1002),
        (vec![frame(0x88, b"\x03")], "ShortClose", 1002),
        (vec![frame(0x88, b"\x03\xed")], "CloseCode(1005)", 1002),
        (vec![frame(0x88, b"\x03\xe8\xff")], "Utf8", 1007),
        (vec![frame(0x81, b"\xff")], "Utf8", 1007),
        (vec![frame(0x81, b"\xe2\x82")], "Utf8", 1007),
        (vec![frame(0x81, b"\xed\xa0\x80")], "Utf8", 1007),
        (vec![frame(0x01, b"\xe2"), frame(0x80, b"x")], "Utf8", 1007),
        (
            vec![frame(0x02, &[0; 600]), frame(0x80, &[0; 401])],
            "TooBig(1000)",
            1009,
        ),
        (vec![frame(0x82, &[0; 1001])], "TooBig(1000)", 1009),
    ] {
        let (events, out) = read_alike(LIMIT, None, &frames.concat(), vec![3]);
        assert_eq!(events, [format!("failed {violation}")]);
        assert_eq!(out[0], 0x88);
        assert_eq!(out[2..4], code.to_be_bytes(), "{violation}");
        assert_eq!(usize::from(out[1]), out.len() - 2);
    }
}

/// A connection whose client sent a message and broke the protocol right behind it.
fn broken() -> (Connection, Vec<u8>) {
    let mut connection = Connection::new(LIMIT, None);
    let mut input = [frame(0x81, b"hi"), frame(0x83, b""), frame(0x89, b"")].concat();
    let mut out = Vec::new();
    let (used, event) = connection.receive(&mut input, &mut out);
    assert_eq!(event, Some(Event::Text("hi")));
    let (_, event) = connection.receive(&mut input[used..], &mut out);
    assert!(matches!(event, Some(Event::Failed(_))));
    (connection, out)
}

#[test]
fn what_came_before_a_violation_can_be_answered() {
    let (mut connection, mut out) = broken();
    assert!(out.is_empty() && connection.is_open() && !connection.is_closed());
    let mut late = frame(0x81, b"late");
    let (_, event) = connection.receive(&mut late, &mut out);
    assert_eq!(event, None);
    assert_eq!(connection.ping(&mut out), Err(NotOpen));
    connection.send_text("hi", &mut out).unwrap();
    assert_eq!(connection.violation(), connection.fail(&mut out));
    assert_eq!(out, b"\x81\x02hi\x88\x13\x03\xeaReserved opcode 3");
    assert!(connection.is_closed() && connection.fail(&mut out).is_none());
    assert_eq!(connection.send_text("late", &mut out), Err(NotOpen));
}

#[test]
fn a_close_of_ours_after_a_violation_has_its_code() {
    let (mut connection, mut out) = broken();
    connection.close(Some(1000), "bye", &mut out).unwrap();
    assert_eq!(out[2..4], 1002u16.to_be_bytes());
    assert!(connection.is_closed());
}

#[test]
fn a_violation_after_our_close_is_not_waited_with() {
    let mut connection = Connection::new(LIMIT, None);
    let mut out = Vec::new();
    connection.close(Some(1000), "", &mut out).unwrap();
    let mut input = frame(0x83, b"");
    let (_, event) = connection.receive(&mut input, &mut out);
    assert!(matches!(event, Some(Event::Failed(_))));
    assert!(connection.is_closed() && connection.fail(&mut out).is_none());
    assert_eq!(out, b"\x88\x02\x03\xe8");
}

#[test]
fn bad_text_fails_before_the_message_is_complete() {
    let mut input = frame(0x01, b"fine so far");
    let mut bad = frame(0x80, b"\xff and a lot more");
    bad.truncate(7);
    input.extend(bad);
    let (events, _) = support::read(LIMIT, None, &input, []);
    assert_eq!(events, ["failed Utf8"]);
}

#[test]
fn too_big_a_frame_fails_at_its_head() {
    let head = b"\x82\xff\x00\x00\x00\xff\x00\x00\x00\x00abcd";
    let (events, _) = support::read(LIMIT, None, head, []);
    assert_eq!(events, ["failed TooBig(1000)"]);
}

#[test]
fn compressed_messages_are_bounded_by_what_they_hold() {
    // RFC 7692 §7.2.3.1, then the same in two fragments, with a ping between them.
    let hello = [0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00];
    expect(
        Some(DEFLATE),
        &[
            frame(0xc1, &hello),
            frame(0x41, &hello[..3]),
            frame(0x89, b"!"),
            frame(0x80, &hello[3..]),
            frame(0x81, b"plain"),
        ],
        &["text \"Hello\"", "text \"Hello\"", "text \"plain\""],
        b"\x8a\x01!",
    );
    let mut client = Connection::new(Options::default(), Some(DEFLATE));
    let mut bomb = Vec::new();
    client.send_binary(&vec![0; 100_000], &mut bomb).unwrap();
    let payload = bomb.split_off(if bomb[1] == 126 { 4 } else { 2 });
    let (events, out) = read_alike(LIMIT, Some(DEFLATE), &frame(0xc2, &payload), vec![9]);
    assert_eq!(events, ["failed TooBig(1000)"]);
    assert_eq!(out[2..4], 1009u16.to_be_bytes());
}

#[test]
fn the_compression_bit_is_the_messages_not_the_fragments() {
    let frames = [frame(0x42, b"\x00"), frame(0xc0, b"\x00")].concat();
    let (events, _) = read_alike(LIMIT, Some(DEFLATE), &frames, vec![2]);
    assert_eq!(events, ["failed ReservedBits"]);
    let (events, _) = read_alike(LIMIT, Some(DEFLATE), &frame(0xc9, b"x"), vec![2]);
    assert_eq!(events, ["failed ReservedBits"]);
}

#[test]
fn after_our_close_messages_are_dropped_until_the_clients_comes() {
    let mut connection = Connection::new(LIMIT, None);
    let mut out = Vec::new();
    connection
        .close(Some(1012), "Service Restart", &mut out)
        .unwrap();
    assert_eq!(out, b"\x88\x11\x03\xf4Service Restart");
    out.clear();
    let frames = [
        frame(0x81, b"late"),
        frame(0x89, b"late"),
        frame(0x88, b"\x03\xe8"),
    ];
    let mut input = frames.concat();
    let (used, event) = connection.receive(&mut input, &mut out);
    assert!(matches!(event, Some(Event::Closed(close)) if close.code == Some(1000)));
    assert_eq!(used, input.len());
    assert!(out.is_empty() && connection.is_closed());
    assert_eq!(connection.send_text("late", &mut out), Err(NotOpen));
    assert_eq!(connection.close(None, "", &mut out), Err(NotOpen));
    assert_eq!(connection.ping(&mut out), Err(NotOpen));
}

#[test]
fn long_messages_are_compressed_and_short_ones_are_not() {
    let mut connection = Connection::new(Options::default(), Some(DEFLATE));
    let mut out = Vec::new();
    connection.send_text("short", &mut out).unwrap();
    assert_eq!(out, b"\x81\x05short");
    out.clear();
    let text = "many words and ".repeat(100);
    connection.send_text(&text, &mut out).unwrap();
    assert!(out[0] == 0xc1 && out.len() < 100);
    connection.rest();
    // Our own reader takes it back.
    let payload = &out[2..];
    let limit = Options {
        max_message_size: text.len(),
    };
    let (events, _) = support::read(limit, Some(DEFLATE), &frame(0xc1, payload), []);
    assert_eq!(events, [format!("text {text:?}")]);
}

#[test]
fn bad_text_is_named_before_the_bad_compression_behind_it() {
    // Found by fuzzing: compressed text that is neither text nor, further on, compressed.
    let input = b"\xf6\x0a\x07\x30\xe8\xe8\xe8\x31\xe8";
    let payload: Vec<u8> = (input.iter().zip([0x30, 0xe8, 0xe8, 0xe8].iter().cycle()))
        .map(|(byte, key)| byte ^ key)
        .collect();
    read_alike(LIMIT, Some(DEFLATE), &frame(0xc1, &payload), vec![8]);
    read_alike(
        LIMIT,
        Some(DEFLATE),
        b"\x41\xcb\x0d\x0a\xf6\x0a\x07\x30\xe8\xe8\xe8\x31\xe8",
        vec![],
    );
}
