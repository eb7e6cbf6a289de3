//! How long a request was on its way before the call, as the proxy in front tells it in
//! `X-Request-Start`.

/// Beyond this the clocks do not agree, or it is no time.
const LONGEST: u64 = 3600 * 1_000_000;

/// Microseconds from the time in `value` (seconds, milliseconds or microseconds since 1970, with or
/// without `t=`) to `called`, in microseconds since 1970.
pub fn queued(value: &[u8], called: u64) -> Option<u64> {
    let value = value.trim_ascii();
    let value = value.strip_prefix(b"t=").unwrap_or(value);
    let (whole, fraction) = match value.iter().position(|byte| *byte == b'.') {
        Some(dot) => value
            .split_at_checked(dot)
            .map(|(whole, rest)| (whole, rest.get(1..).unwrap_or_default()))?,
        None => (value, &b""[..]),
    };
    let number = decimal(whole)?;
    let unit = match whole.len() {
        10 => 1_000_000,
        13 => 1000,
        16 => 1,
        _ => return None,
    };
    let mut part = 0;
    let mut weight = unit / 10;
    for digit in fraction {
        part += u64::from(digit.checked_sub(b'0').filter(|digit| *digit < 10)?) * weight;
        weight /= 10;
    }
    let waited = called.checked_sub(number.checked_mul(unit)?.checked_add(part)?)?;
    (waited < LONGEST).then_some(waited)
}

fn decimal(digits: &[u8]) -> Option<u64> {
    std::str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_is_told_by_the_number_of_digits() {
        let called = 1_700_000_000_250_000;
        for value in [
            "t=1700000000.125",
            "1700000000125",
            "t=1700000000125000",
            " 1700000000.125000 ",
        ] {
            assert_eq!(queued(value.as_bytes(), called), Some(125_000), "{value}");
        }
    }

    #[test]
    fn what_cannot_be_is_not_believed() {
        let called = 1_700_000_000_250_000;
        for value in [
            "",
            "t=",
            "now",
            "170000000",
            "1700000001",
            "1600000000",
            "1700000000.1x",
            "+700000000",
        ] {
            assert_eq!(queued(value.as_bytes(), called), None, "{value}");
        }
    }
}
