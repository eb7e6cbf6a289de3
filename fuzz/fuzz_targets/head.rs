//! A head cut in two at every byte has one outcome, under any settings.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((peer, _, input)) = oxicorn_fuzz::split(data) else { return };
    let input = &input[..input.len().min(128)];
    let whole = oxicorn_fuzz::read(&peer, input, []);
    for cut in 0..input.len() {
        assert_eq!(oxicorn_fuzz::read(&peer, input, [cut]), whole);
    }
});
