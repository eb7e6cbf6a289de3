//! A connection with any number of messages means the same however it is cut.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some((peer, cuts, input)) = oxicorn_fuzz::split(data) {
        oxicorn_fuzz::read_alike(&peer, input, cuts);
    }
});
