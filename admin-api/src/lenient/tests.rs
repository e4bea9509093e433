use super::Lenient;
use tokio::io::AsyncReadExt;

fn read_in_chunks(input: &str, chunk: usize) -> String {
    let mut stream = Lenient::new(std::io::Cursor::new(Vec::<u8>::new()));
    input.as_bytes().chunks(chunk).for_each(|part| stream.take_in(part));
    String::from_utf8(stream.ready).expect("UTF-8")
}

#[track_caller]
fn check(input: &str, expected: &str) {
    for chunk in [1, 2, 7, 1000] {
        assert_eq!(read_in_chunks(input, chunk), expected, "in chunks of {chunk}");
    }
}

#[test]
fn request_lines_are_escaped() {
    check(
        "GET /a?x=<b>&y=\"{}\" HTTP/1.1\r\n\r\n",
        "GET /a?x=%3Cb%3E&y=%22%7B%7D%22 HTTP/1.1\r\n\r\n",
    );
}

#[test]
fn headers_stay_as_they_are_and_the_next_request_is_found() {
    check(
        "GET / HTTP/1.1\r\nX: <>\r\n\r\nGET /> HTTP/1.1\nHost: {a}\n\n",
        "GET / HTTP/1.1\r\nX: <>\r\n\r\nGET /%3E HTTP/1.1\nHost: {a}\n\n",
    );
}

#[test]
fn nothing_is_touched_behind_a_request_with_a_body() {
    for header in ["Content-Length: 2", "TRANSFER-ENCODING: chunked", "Upgrade: x"] {
        let request = format!("POST / HTTP/1.1\r\n{header}\r\nX: 1\r\n\r\n<>\n{{}}\n");
        check(&request, &request);
    }
}

#[tokio::test]
async fn reading_gives_the_same_in_small_pieces() {
    let input = format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", ">".repeat(5000));
    let mut stream = Lenient::new(input.as_bytes());
    let mut out = Vec::new();
    let mut piece = [0u8; 7];
    loop {
        match stream.read(&mut piece).await.expect("memory does not fail") {
            0 => break,
            count => out.extend_from_slice(&piece[..count]),
        }
    }
    assert_eq!(String::from_utf8(out).expect("UTF-8"), input.replace('>', "%3E"));
}
