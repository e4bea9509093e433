//! Lets requests through that Go takes and our HTTP library does not.
//!
//! People type `curl 'host:8222/subsz?test=foo.>'`: strictly, `>` has to be written `%3E` there, and
//! hyper refuses the whole request. This stream escapes such bytes in request lines before hyper
//! sees them. It follows requests line by line and stops for good at the first one that has a body,
//! because it does not know where the next request begins.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes read at once.
const CHUNK: usize = 2048;
/// Bytes of a header line that are looked at: enough for the names that matter.
const NAME_MAX: usize = 32;

/// Where in the stream of requests the next byte is.
#[derive(Debug)]
enum Place {
    RequestLine,
    /// In a line of the head; its first bytes.
    HeaderLine(Vec<u8>),
    /// Behind the head of a request with a body: everything passes as it is.
    Passing,
}

/// A stream of requests with escaped request lines.
#[derive(Debug)]
pub(crate) struct Lenient<S> {
    inner: S,
    place: Place,
    has_body: bool,
    /// Read and escaped, from `taken` on not yet handed on.
    ready: Vec<u8>,
    taken: usize,
}

impl<S> Lenient<S> {
    pub(crate) fn new(inner: S) -> Lenient<S> {
        let place = Place::RequestLine;
        Lenient { inner, place, has_body: false, ready: Vec::new(), taken: 0 }
    }

    fn take_in(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            match &mut self.place {
                Place::Passing => {}
                Place::RequestLine if byte == b'\n' => self.place = Place::HeaderLine(Vec::new()),
                Place::RequestLine => {
                    if let Some(escape) = escape(byte) {
                        self.ready.extend_from_slice(escape);
                        continue;
                    }
                }
                Place::HeaderLine(line) if byte == b'\n' => {
                    let line = std::mem::take(line);
                    self.end_line(&line);
                }
                Place::HeaderLine(line) => {
                    if line.len() < NAME_MAX && byte != b'\r' {
                        line.push(byte.to_ascii_lowercase());
                    }
                }
            }
            self.ready.push(byte);
        }
    }

    fn end_line(&mut self, line: &[u8]) {
        self.has_body |= [&b"content-length:"[..], b"transfer-encoding:", b"upgrade:"]
            .iter()
            .any(|name| line.starts_with(name));
        self.place = match (line.is_empty(), self.has_body) {
            (false, _) => Place::HeaderLine(Vec::new()),
            (true, false) => Place::RequestLine,
            (true, true) => Place::Passing,
        };
    }
}

/// How a byte that must not stand in a request line is written there.
fn escape(byte: u8) -> Option<&'static [u8]> {
    match byte {
        b'"' => Some(b"%22"),
        b'<' => Some(b"%3C"),
        b'>' => Some(b"%3E"),
        b'\\' => Some(b"%5C"),
        b'^' => Some(b"%5E"),
        b'`' => Some(b"%60"),
        b'{' => Some(b"%7B"),
        b'|' => Some(b"%7C"),
        b'}' => Some(b"%7D"),
        _ => None,
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Lenient<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        out: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.taken == this.ready.len() {
            this.ready = Vec::new();
            this.taken = 0;
            if matches!(this.place, Place::Passing) {
                return Pin::new(&mut this.inner).poll_read(cx, out);
            }
            let mut chunk = [0u8; CHUNK];
            let mut read = ReadBuf::new(&mut chunk);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut read))?;
            this.take_in(read.filled());
        }
        let rest = &this.ready[this.taken..];
        let count = rest.len().min(out.remaining());
        out.put_slice(&rest[..count]);
        this.taken += count;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Lenient<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[cfg(test)]
mod tests;
