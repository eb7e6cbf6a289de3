//! Frames mean the same however they are cut, with compression and without.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxicorn_fuzz::websocket::read_alike;
use oxicorn_websocket::{Deflate, Options};

fuzz_target!(|data: &[u8]| {
    let Some((&[knobs, cuts @ ..], input)) = data.split_first_chunk::<4>() else { return };
    let bits = 9 + (knobs & 7).min(6);
    let deflate = (knobs & 8 != 0).then_some(Deflate {
        server_no_context_takeover: false,
        client_no_context_takeover: knobs & 16 != 0,
        server_window_bits: bits,
        client_window_bits: bits,
    });
    let mut cuts = cuts.map(usize::from).to_vec();
    cuts.sort_unstable();
    read_alike(Options { max_message_size: 500 }, deflate, input, cuts);
});
