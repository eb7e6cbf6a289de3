//! A client in memory, shared by the tests and the fuzz target.
#![allow(dead_code)]

use oxicorn_websocket::{Connection, Deflate, Event, Options};

/// What happened, as text, and what was answered.
pub fn read(
    options: Options,
    deflate: Option<Deflate>,
    input: &[u8],
    cuts: impl IntoIterator<Item = usize>,
) -> (Vec<String>, Vec<u8>) {
    let mut connection = Connection::new(options, deflate);
    let (mut events, mut out, mut start) = (Vec::new(), Vec::new(), 0);
    for end in cuts.into_iter().chain([input.len()]) {
        let end = end.clamp(start, input.len());
        let mut piece = input[start..end].to_vec();
        let mut rest = piece.as_mut_slice();
        start = end;
        loop {
            let (used, event) = connection.receive(rest, &mut out);
            let is_over = event.is_none();
            match event {
                Some(Event::Text(text)) => {
                    assert!(text.len() <= options.max_message_size);
                    events.push(format!("text {text:?}"));
                }
                Some(Event::Binary(bytes)) => {
                    assert!(bytes.len() <= options.max_message_size);
                    events.push(format!("binary {bytes:x?}"));
                }
                Some(Event::Closed(close)) => {
                    events.push(format!("closed {:?} {:?}", close.code, close.reason));
                }
                Some(Event::Failed(violation)) => {
                    events.push(format!("failed {violation:?}"));
                    connection.fail(&mut out);
                }
                None => {}
            }
            rest = &mut rest[used..];
            if is_over {
                assert!(rest.is_empty());
                break;
            }
        }
    }
    (events, out)
}

/// The same meaning whole, in the given pieces and byte by byte; what it is.
pub fn read_alike(
    options: Options,
    deflate: Option<Deflate>,
    input: &[u8],
    cuts: Vec<usize>,
) -> (Vec<String>, Vec<u8>) {
    let whole = read(options, deflate, input, []);
    assert_eq!(read(options, deflate, input, cuts), whole);
    if input.len() < 1000 {
        assert_eq!(read(options, deflate, input, 0..input.len()), whole);
    }
    whole
}

/// A frame as a client sends it.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let key = [0x12, 0xfe, 0x00, 0x81];
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..126 => frame.push(0x80 | len as u8),
        len @ 126..0x1_0000 => {
            frame.push(0x80 | 126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(0x80 | 127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(
        payload
            .iter()
            .zip(key.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    frame
}
