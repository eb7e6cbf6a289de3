//! Any fields of a handshake are accepted, refused, or nothing special; nothing else happens.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxicorn_websocket::handshake::{Head, read};

fuzz_target!(|data: &[u8]| {
    let mut fields = vec![
        (&b"host"[..], &b"x"[..]),
        (b"upgrade", b"websocket"),
        (b"connection", b"upgrade"),
        (b"sec-websocket-version", b"13"),
        (b"sec-websocket-key", b"dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let names = [&b"sec-websocket-extensions"[..], b"sec-websocket-protocol"];
    fields.extend(names.iter().cycle().copied().zip(data.split(|&byte| byte == 0).take(8)));
    let fields = fields.into_iter();
    let head = Head { method: b"GET", at_least_http_11: true, has_body: false, fields };
    if let Ok(Some(opening)) = read(&head, Some(Default::default())) {
        let mut out = Vec::new();
        opening.write_head(opening.subprotocols.first().map(String::as_str), &mut out);
        assert!(out.is_ascii() && out.windows(4).all(|end| end != b"\r\n\r\n"));
    }
});
