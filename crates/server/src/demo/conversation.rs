//! A conversation is one request over a connection of its own: the bytes of the document out, an answer back.

use jeton_wire::transcript::Answer;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends a request and reads its answer.
pub fn ask(to: SocketAddr, request: &[u8]) -> Result<Answer, String> {
    let failed = |error: std::io::Error| format!("the connection failed: {error}");
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    stream.set_nodelay(true).map_err(failed)?;
    stream.write_all(request).map_err(failed)?;
    let mut bytes = Vec::new();
    let mut buffer = [0; 8192];
    loop {
        if let Some(answer) = whole(&bytes)? {
            return Ok(answer);
        }
        match stream.read(&mut buffer).map_err(failed)? {
            0 if bytes.is_empty() => return Ok(Answer::default()),
            0 => return Err("the connection ended in the middle of an answer".to_owned()),
            count => bytes.extend_from_slice(&buffer[..count]),
        }
    }
}

/// The answer, once all of it is there.
fn whole(bytes: &[u8]) -> Result<Option<Answer>, String> {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&bytes[..end]).map_err(|_| "the head of the answer is not text")?;
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.strip_prefix("HTTP/1.1 ")).and_then(|rest| rest.get(..3));
    let status: u16 = status.and_then(|digits| digits.parse().ok()).ok_or("the answer has no status")?;
    let headers: Vec<(String, String)> = lines
        .map(|line| line.split_once(':').map(|(name, value)| (name.to_owned(), value.trim().to_owned())))
        .collect::<Option<_>>()
        .ok_or("a header of the answer has no colon")?;
    let mut answer = Answer { status: Some(status), headers, body: Vec::new() };
    // RFC 9112 §6.3: a 304 has no body, whatever its length says.
    let length = match (status, answer.header("content-length")) {
        (304, _) => 0,
        (_, Some(length)) => length.parse().map_err(|_| "the length of the answer is no number")?,
        (_, None) => return Err("the answer does not say how long it is".to_owned()),
    };
    let Some(body) = bytes[end + 4..].get(..length) else { return Ok(None) };
    answer.body = body.to_vec();
    Ok(Some(answer))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_when_its_body_is() {
        let text = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nA: b\r\n\r\n{}";
        for cut in 0..text.len() {
            assert_eq!(whole(&text[..cut]), Ok(None), "{cut}");
        }
        let answer = whole(text).expect("readable").expect("whole");
        assert_eq!((answer.status, answer.header("a"), answer.body.as_slice()), (Some(200), Some("b"), &b"{}"[..]));
        for bad in ["HTTP/1.1 OK\r\n\r\n", "HTTP/1.1 200\r\nx\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] {
            assert!(whole(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
