//! `Sec-WebSocket-Extensions`, RFC 6455 §9.1, and the parameters of RFC 7692 §7.1.

use crate::handshake::Refusal;

/// How far back compressed data may refer: what one connection may take of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Windows {
    /// Of what we send, 9 to 15, as a power of two.
    pub server_bits: u8,
    /// Of what clients send, where they let us choose, 9 to 15.
    pub client_bits: u8,
    /// Whether what clients send may refer to earlier messages. That takes 50 KB for each client
    /// that ever sent a compressed message, for as long as it stays.
    pub client_takeover: bool,
}

impl Default for Windows {
    /// 4 KiB in either direction: messages are short. A client at rest takes no memory.
    fn default() -> Self {
        Self {
            server_bits: 12,
            client_bits: 12,
            client_takeover: false,
        }
    }
}

/// `permessage-deflate` as it was agreed upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deflate {
    /// We compress every message for itself.
    pub server_no_context_takeover: bool,
    /// The client does.
    pub client_no_context_takeover: bool,
    /// Our window, 9 to 15.
    pub server_window_bits: u8,
    /// The client's window, 8 to 15.
    pub client_window_bits: u8,
}

/// One extension that a client offers, with its parameters.
struct Offer<'a> {
    name: &'a str,
    parameters: Vec<(&'a str, Option<String>)>,
}

/// More than these in one request, and somebody is up to no good.
const MOST_OFFERS: usize = 32;

/// What we agree to of the offers in a client's fields: the first that we can fulfil.
pub(crate) fn negotiate<'a>(
    values: impl Iterator<Item = &'a [u8]>,
    windows: Windows,
) -> Result<Option<(Deflate, String)>, Refusal> {
    let mut agreed = None;
    let mut seen = 0usize;
    for value in values {
        for offer in read(value)? {
            seen = seen.saturating_add(1);
            if seen > MOST_OFFERS {
                return Err(Refusal::Extensions);
            }
            if agreed.is_none() && offer.name.eq_ignore_ascii_case("permessage-deflate") {
                agreed = agree(&offer, windows);
            }
        }
    }
    Ok(agreed)
}

/// The parameters and our answer, or `None`: an offer that we cannot fulfil is declined (§7.1).
fn agree(offer: &Offer<'_>, windows: Windows) -> Option<(Deflate, String)> {
    let (mut server, mut client) = (None, None);
    let (mut server_alone, mut client_alone) = (false, false);
    for (name, value) in &offer.parameters {
        let again = match (*name, value.as_deref()) {
            ("server_no_context_takeover", None) => std::mem::replace(&mut server_alone, true),
            ("client_no_context_takeover", None) => std::mem::replace(&mut client_alone, true),
            ("server_max_window_bits", Some(bits)) => server.replace(window(bits)?).is_some(),
            ("client_max_window_bits", None) => client.replace(15).is_some(),
            ("client_max_window_bits", Some(bits)) => client.replace(window(bits)?).is_some(),
            _ => return None,
        };
        if again {
            return None;
        }
    }
    let deflate = Deflate {
        server_no_context_takeover: server_alone,
        client_no_context_takeover: client_alone || !windows.client_takeover,
        server_window_bits: server.unwrap_or(15).min(windows.server_bits),
        // Only a client that names the parameter lets us choose.
        client_window_bits: client.map_or(15, |bits| bits.min(windows.client_bits)),
    };
    // zlib cannot write a window of 256 bytes.
    (deflate.server_window_bits >= 9).then(|| (deflate, answer(&deflate, client.is_some())))
}

fn answer(deflate: &Deflate, client_window: bool) -> String {
    let mut answer = String::from("permessage-deflate");
    if deflate.server_no_context_takeover {
        answer.push_str("; server_no_context_takeover");
    }
    if deflate.client_no_context_takeover {
        answer.push_str("; client_no_context_takeover");
    }
    if deflate.server_window_bits < 15 {
        answer.push_str(&format!(
            "; server_max_window_bits={}",
            deflate.server_window_bits
        ));
    }
    if client_window && deflate.client_window_bits < 15 {
        answer.push_str(&format!(
            "; client_max_window_bits={}",
            deflate.client_window_bits
        ));
    }
    answer
}

/// 8 to 15, without leading zeros (§7.1.2).
fn window(bits: &str) -> Option<u8> {
    let number = bits.parse().ok().filter(|bits| (8..=15).contains(bits))?;
    (bits.len() == if number < 10 { 1 } else { 2 }).then_some(number)
}

/// The offers of one field value; a list may have empty members. RFC 6455 §9.1: a value that breaks
/// the grammar fails the handshake.
fn read(value: &[u8]) -> Result<Vec<Offer<'_>>, Refusal> {
    let mut rest = str::from_utf8(value).map_err(|_| Refusal::Extensions)?;
    let mut offers = Vec::new();
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        if rest.is_empty() {
            return Ok(offers);
        }
        let (name, after) = token(rest)?;
        let (parameters, after) = parameters(after)?;
        offers.push(Offer { name, parameters });
        let ends = after.is_empty() || after.starts_with(',');
        if !ends || offers.len() > MOST_OFFERS {
            return Err(Refusal::Extensions);
        }
        rest = after;
    }
}

type Parameters<'a> = (Vec<(&'a str, Option<String>)>, &'a str);

fn parameters(mut rest: &str) -> Result<Parameters<'_>, Refusal> {
    let mut parameters = Vec::new();
    while let Some(more) = rest.strip_prefix(';') {
        let (name, after) = token(more)?;
        let (value, after) = match after.strip_prefix('=') {
            Some(text) => parameter_value(text).map(|(value, after)| (Some(value), after))?,
            None => (None, after),
        };
        parameters.push((name, value));
        rest = after;
    }
    Ok((parameters, rest))
}

/// A token, or a quoted string whose content is one.
fn parameter_value(text: &str) -> Result<(String, &str), Refusal> {
    let Some(quoted) = text.trim_start_matches(BLANK).strip_prefix('"') else {
        return token(text).map(|(value, after)| (value.to_owned(), after));
    };
    let mut value = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            Some('"') => break,
            Some('\\') => value.extend(characters.next()),
            Some(other) => value.push(other),
            None => return Err(Refusal::Extensions),
        }
    }
    if value.is_empty() || !value.bytes().all(is_token) {
        return Err(Refusal::Extensions);
    }
    Ok((value, characters.as_str().trim_start_matches(BLANK)))
}

const BLANK: [char; 2] = [' ', '\t'];

/// The token at the start, blanks around it dropped, and what follows.
fn token(text: &str) -> Result<(&str, &str), Refusal> {
    let text = text.trim_start_matches(BLANK);
    let end = text
        .bytes()
        .position(|b| !is_token(b))
        .unwrap_or(text.len());
    match text.split_at_checked(end) {
        Some((token, rest)) if !token.is_empty() => Ok((token, rest.trim_start_matches(BLANK))),
        _ => Err(Refusal::Extensions),
    }
}

/// RFC 9110 §5.6.2.
pub(crate) fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_to(offer: &str) -> Result<Option<String>, Refusal> {
        let windows = Windows {
            server_bits: 15,
            client_bits: 15,
            client_takeover: true,
        };
        Ok(negotiate([offer.as_bytes()].into_iter(), windows)?.map(|(_, answer)| answer))
    }

    #[test]
    fn the_first_offer_that_can_be_fulfilled_is_taken() {
        for (offer, expected) in [
            ("permessage-deflate", Some("permessage-deflate")),
            ("PerMessage-Deflate", Some("permessage-deflate")),
            (
                "permessage-deflate; client_max_window_bits",
                Some("permessage-deflate"),
            ),
            (
                "permessage-deflate; client_max_window_bits=10",
                Some("permessage-deflate; client_max_window_bits=10"),
            ),
            (
                "permessage-deflate;server_max_window_bits=\"9\" , x",
                Some("permessage-deflate; server_max_window_bits=9"),
            ),
            (
                "x-webkit-deflate-frame, permessage-deflate; server_no_context_takeover",
                Some("permessage-deflate; server_no_context_takeover"),
            ),
            (
                "permessage-deflate; server_max_window_bits=8, permessage-deflate",
                Some("permessage-deflate"),
            ),
            (
                "permessage-deflate; client_max_window_bits=8",
                Some("permessage-deflate; client_max_window_bits=8"),
            ),
            (", permessage-deflate ,,", Some("permessage-deflate")),
            ("", None),
            ("permessage-bzip2", None),
            ("permessage-deflate; unknown", None),
            ("permessage-deflate; server_max_window_bits", None),
            ("permessage-deflate; server_max_window_bits=16", None),
            ("permessage-deflate; server_max_window_bits=09", None),
            ("permessage-deflate; client_max_window_bits=7", None),
            ("permessage-deflate; server_no_context_takeover=1", None),
            (
                "permessage-deflate; client_max_window_bits; client_max_window_bits",
                None,
            ),
        ] {
            assert_eq!(answer_to(offer), Ok(expected.map(str::to_owned)), "{offer}");
        }
    }

    #[test]
    fn values_that_break_the_grammar_fail_the_handshake() {
        for offer in [
            "a b",
            "a;",
            "a;b=",
            "a;b=\"",
            "a;b=\"c d\"",
            "ä",
            "a;;b",
            ";",
            "a=b",
        ] {
            assert_eq!(answer_to(offer), Err(Refusal::Extensions), "{offer:?}");
        }
        let many = vec!["a"; 100].join(",");
        assert_eq!(answer_to(&many), Err(Refusal::Extensions));
    }

    #[test]
    fn windows_are_no_larger_than_ours_and_the_clients() {
        let offer = b"permessage-deflate; client_max_window_bits".as_slice();
        let (deflate, answer) = negotiate([offer].into_iter(), Windows::default())
            .unwrap()
            .unwrap();
        assert_eq!(
            (deflate.server_window_bits, deflate.client_window_bits),
            (12, 12)
        );
        assert_eq!(
            answer,
            "permessage-deflate; client_no_context_takeover; server_max_window_bits=12; \
             client_max_window_bits=12"
        );
        // A client that does not name the parameter cannot be told.
        let offer = b"permessage-deflate".as_slice();
        let (deflate, _) = negotiate([offer].into_iter(), Windows::default())
            .unwrap()
            .unwrap();
        assert_eq!(deflate.client_window_bits, 15);
    }
}
