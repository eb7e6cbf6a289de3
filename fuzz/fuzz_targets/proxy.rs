//! A PROXY header never reaches beyond the input, and cuts make no difference.
#![no_main]

use libfuzzer_sys::fuzz_target;
use oxicorn_http::proxy::{Mode, Outcome, parse};

fuzz_target!(|data: &[u8]| {
    for mode in [Mode::Off, Mode::V1, Mode::V2, Mode::Auto] {
        let whole = parse(mode, true, data);
        if let Ok(Outcome::Header { len, .. }) = whole {
            assert!(len <= data.len() && mode != Mode::Off);
        }
        for cut in 0..data.len().min(300) {
            let early = parse(mode, true, &data[..cut]);
            assert!(early == Ok(Outcome::NeedMore) || early == whole, "cut at {cut}");
        }
    }
});
