//! The bytes: where a request head ends, and the two canned answers.

use memchr::memmem::Finder;

/// What little the floor looks for in a request.
pub struct Heads {
    end: Finder<'static>,
    close: Finder<'static>,
}

impl Heads {
    pub fn new() -> Self {
        Self {
            end: Finder::new(b"\r\n\r\n"),
            close: Finder::new(b"\r\nConnection: close\r\n"),
        }
    }

    /// Length of the first head, its empty line included; `None` until that line is there.
    pub fn length_of_first(&self, bytes: &[u8]) -> Option<usize> {
        self.end
            .find(bytes)
            .map(|start| start + self.end.needle().len())
    }

    pub fn asks_to_close(&self, head: &[u8]) -> bool {
        self.close.find(head).is_some()
    }
}

/// The answers, as long as oxicorn's for the same content: the same fields in the same order.
pub struct Answers {
    pub keep_alive: Vec<u8>,
    pub close: Vec<u8>,
}

impl Answers {
    pub fn new(content_type: &str, body: &str) -> Self {
        Self {
            keep_alive: render("keep-alive", content_type, body),
            close: render("close", content_type, body),
        }
    }
}

fn render(connection: &str, content_type: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\n\
         Server: floor/1\r\n\
         Date: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         Connection: {connection}\r\n\
         Content-Type: {content_type}\r\n\
         Content-Length: {length}\r\n\
         \r\n\
         {body}"
    )
    .into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn head_ends_behind_its_empty_line() {
        let heads = Heads::new();
        assert_eq!(
            heads.length_of_first(b"GET / HTTP/1.1\r\n\r\nGET /"),
            Some(18)
        );
        assert_eq!(heads.length_of_first(b"GET / HTTP/1.1\r\n\r"), None);
    }

    #[test]
    fn answer_says_how_the_connection_goes_on() {
        let answers = Answers::new("text/plain", "hi");
        assert!(answers.close.ends_with(
            b"Connection: close\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nhi"
        ));
        assert_eq!(
            answers.keep_alive.len(),
            answers.close.len() + "keep-alive".len() - "close".len()
        );
    }
}
