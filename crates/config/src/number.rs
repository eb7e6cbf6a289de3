//! Numbers as Python reads them from text.

/// `int(text)`: decimal, blanks around it and single underscores between digits allowed.
pub fn decimal(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text.trim());
    signed(negative, digits, 10)
}

/// `int(text, 0)`: as in a program, with `0x`, `0o` and `0b`; a leading zero without one of those
/// is refused.
pub fn literal(text: &str) -> Option<i64> {
    let (negative, digits) = sign(text.trim());
    match base_prefix(digits) {
        Some((base, rest)) => signed(negative, rest.strip_prefix('_').unwrap_or(rest), base),
        None if digits.starts_with('0') && digits.bytes().any(|b| matches!(b, b'1'..=b'9')) => None,
        None => signed(negative, digits, 10),
    }
}

/// [`literal`], but a zero followed by a digit means octal: what people write for a umask or a file
/// mode.
pub fn any_base(text: &str) -> Option<i64> {
    match text.trim().strip_prefix('0') {
        Some(octal) if octal.starts_with(|c: char| c.is_ascii_digit()) => signed(false, octal, 8),
        _ => literal(text),
    }
}

fn sign(text: &str) -> (bool, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    }
}

fn base_prefix(digits: &str) -> Option<(u32, &str)> {
    let (prefix, rest) = digits.split_at_checked(2)?;
    let base = match prefix {
        "0x" | "0X" => 16,
        "0o" | "0O" => 8,
        "0b" | "0B" => 2,
        _ => return None,
    };
    Some((base, rest))
}

fn signed(negative: bool, digits: &str, base: u32) -> Option<i64> {
    let well_formed =
        digits.split('_').all(|group| !group.is_empty()) && !digits.starts_with(['+', '-']);
    if !well_formed {
        return None;
    }
    let number = i64::from_str_radix(&digits.replace('_', ""), base).ok()?;
    Some(if negative {
        number.checked_neg()?
    } else {
        number
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimal_reads_what_python_int_reads() {
        for (text, number) in [
            ("4", Some(4)),
            (" 4 ", Some(4)),
            ("-1", Some(-1)),
            ("010", Some(10)),
            ("1_000", Some(1000)),
        ] {
            assert_eq!(decimal(text), number, "{text}");
        }
        for text in ["", "0x2", "1__0", "_1", "1.5", "--1", "+-1", "four"] {
            assert_eq!(decimal(text), None, "{text}");
        }
    }

    #[test]
    fn literal_reads_what_python_int_with_base_zero_reads() {
        for (text, number) in [
            ("0x10", Some(16)),
            ("0o17", Some(15)),
            ("0b11", Some(3)),
            ("00", Some(0)),
            ("0x_f", Some(15)),
        ] {
            assert_eq!(literal(text), number, "{text}");
        }
        for text in ["017", "0x", "abc", "99999999999999999999"] {
            assert_eq!(literal(text), None, "{text}");
        }
    }

    #[test]
    fn any_base_takes_a_leading_zero_for_octal() {
        for (text, number) in [
            ("022", Some(18)),
            ("0660", Some(432)),
            ("18", Some(18)),
            ("0", Some(0)),
            ("0x12", Some(18)),
            ("099", None),
        ] {
            assert_eq!(any_base(text), number, "{text}");
        }
    }
}
