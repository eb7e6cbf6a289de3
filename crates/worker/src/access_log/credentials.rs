//! The user that HTTP Basic credentials name (RFC 7617).

/// Longer names are cut.
const LONGEST: usize = 256;

/// The name in `authorization`; `None` where it is of another scheme or damaged.
pub fn basic_user<'a>(authorization: &[u8], room: &'a mut [u8; LONGEST]) -> Option<&'a [u8]> {
    let (scheme, credentials) = authorization.split_at_checked(5)?;
    if !scheme.eq_ignore_ascii_case(b"basic") || credentials.first() != Some(&b' ') {
        return None;
    }
    let mut length = 0;
    let (mut bits, mut count) = (0_u32, 0_u32);
    for byte in credentials
        .trim_ascii()
        .iter()
        .take_while(|byte| **byte != b'=')
    {
        bits = bits << 6 | u32::from(sextet(*byte)?);
        count += 6;
        if count < 8 {
            continue;
        }
        count -= 8;
        let decoded = (bits >> count & 0xff) as u8;
        let Some(place) = room.get_mut(length).filter(|_| decoded != b':') else {
            break;
        };
        *place = decoded;
        length += 1;
    }
    room.get(..length).filter(|name| !name.is_empty())
}

fn sextet(byte: u8) -> Option<u8> {
    Some(match byte {
        b'A'..=b'Z' => byte - b'A',
        b'a'..=b'z' => byte - b'a' + 26,
        b'0'..=b'9' => byte - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(authorization: &str) -> Option<String> {
        let mut room = [0; LONGEST];
        let name = basic_user(authorization.as_bytes(), &mut room)?;
        Some(String::from_utf8_lossy(name).into_owned())
    }

    #[test]
    fn the_name_is_what_comes_before_the_colon() {
        assert_eq!(user("Basic dXNlcjpwdw=="), Some("user".into()));
        assert_eq!(user("bAsIc  dXNlcg=="), Some("user".into()));
        assert_eq!(
            user(&format!("Basic {}", "QUFB".repeat(400))),
            Some("A".repeat(LONGEST))
        );
    }

    #[test]
    fn what_is_no_basic_credentials_names_nobody() {
        for other in [
            "",
            "Basic",
            "Basic ",
            "Basic OnB3",
            "Bearer dXNlcjpwdw==",
            "Basic dX*l",
            "BasicdXNl",
        ] {
            assert_eq!(user(other), None, "{other}");
        }
    }
}
