//! The clock of the scoreboard: the same in every process, and it never jumps.

/// CLOCK_MONOTONIC in milliseconds.
pub fn monotonic_ms() -> u64 {
    monotonic_us() / 1000
}

/// CLOCK_MONOTONIC in microseconds, the unit of systemd's MONOTONIC_USEC.
#[inline]
pub fn monotonic_us() -> u64 {
    let mut now = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // The C library's and not rustix's: that one looks for the kernel's vDSO itself and crashes where a
    // tool such as valgrind hides it.
    //
    // SAFETY: `now` is valid for writing; the call has no other effect.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut now) };
    debug_assert_eq!(result, 0, "CLOCK_MONOTONIC exists on every Linux");
    now.tv_sec.unsigned_abs() * 1_000_000 + now.tv_nsec.unsigned_abs() / 1000
}
