//! What we accept as a head httparse accepts as well, and understands alike.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    oxicorn_fuzz::support::oracle(data);
});
