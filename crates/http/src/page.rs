//! The error page, in the form that clients and tests of Gunicorn know.

/// The answer to an exception of the application.
pub const SERVER_ERROR: &str = "Internal Server Error";

/// A whole response with an HTML page; `message` is escaped. `date` is a finished `Date: …` line
/// with its CRLF, or nothing. Always HTTP/1.1 and always the last one on its connection.
#[must_use]
pub fn error_page(status: u16, reason: &str, message: &str, date: &[u8]) -> Vec<u8> {
    let body = format!(
        "<html>\n  <head>\n    <title>{reason}</title>\n  </head>\n  <body>\n    \
         <h1><p>{reason}</p></h1>\n    {}\n  </body>\n</html>\n",
        escape(message)
    );
    let mut out = format!("HTTP/1.1 {status} {reason}\r\n").into_bytes();
    out.extend_from_slice(date);
    out.extend_from_slice(
        format!(
            "Connection: close\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    out
}

fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#x27;"),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_error_page_is_the_one_of_gunicorn() {
        let page = String::from_utf8(error_page(500, SERVER_ERROR, "", b"")).unwrap();
        let (head, body) = page.split_once("\r\n\r\n").unwrap();
        assert_eq!(body.len(), 141);
        assert_eq!(
            head,
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\n\
             Content-Type: text/html\r\nContent-Length: 141"
        );
    }

    #[test]
    fn what_the_peer_sent_is_escaped() {
        let page = error_page(400, "Bad Request", "<script>'&\"", b"Date: x\r\n");
        let page = String::from_utf8(page).unwrap();
        assert!(page.contains("    &lt;script&gt;&#x27;&amp;&quot;\n"));
        assert!(page.starts_with("HTTP/1.1 400 Bad Request\r\nDate: x\r\nConnection: close\r\n"));
    }
}
