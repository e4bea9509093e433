//! The header that a proxy sends before a client's own bytes: PROXY protocol, versions 1 and 2.
//!
//! Source: Go `server/client_proxyproto.go`; the HAProxy specification of the protocol.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V1_PREFIX: &[u8; 6] = b"PROXY ";
/// Longest line of version 1, CRLF included.
const V1_LINE_BYTES_MAX: usize = 107;
const V2_FIXED_BYTES: usize = 16;
/// Bytes that tell the versions of the header from a client's own first bytes.
const DETECT_BYTES: usize = 6;

/// What the start of a connection on a port behind proxies is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyHeader {
    /// A proxied connection; `consumed` bytes were the header.
    Proxied {
        /// Address of the client.
        source: SocketAddr,
        /// Bytes that the header took.
        consumed: usize,
    },
    /// The proxy itself, checking the server's health.
    Local {
        /// Bytes that the header took.
        consumed: usize,
    },
    /// No header: the bytes are the client's.
    Absent,
    /// More bytes are needed.
    Incomplete,
}

/// Why a header is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// The header breaks the protocol.
    #[error("invalid PROXY protocol header: {0}")]
    Invalid(&'static str),
    /// The header asks for a transport that is not TCP.
    #[error("unsupported PROXY protocol feature: {0}")]
    Unsupported(&'static str),
}

/// Parses the header at the start of `input`.
///
/// # Errors
/// When the input starts like a header and is none, or names something other than TCP.
pub fn parse(input: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let Some(start) = input.first_chunk::<DETECT_BYTES>() else {
        return Ok(ProxyHeader::Incomplete);
    };
    if start == V1_PREFIX {
        parse_v1(input)
    } else if V2_SIGNATURE.starts_with(start) {
        parse_v2(input)
    } else {
        Ok(ProxyHeader::Absent)
    }
}

fn parse_v1(input: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let seen = &input[..input.len().min(V1_LINE_BYTES_MAX)];
    let Some(end) = memchr::memmem::find(seen, b"\r\n") else {
        return if seen.len() == V1_LINE_BYTES_MAX {
            Err(ProxyError::Invalid("v1 line too long"))
        } else {
            Ok(ProxyHeader::Incomplete)
        };
    };
    let consumed = end + 2;
    let line = core::str::from_utf8(&seen[V1_PREFIX.len().min(end)..end])
        .map_err(|_| ProxyError::Invalid("invalid v1 format"))?;
    let parts: Vec<&str> = line.split_ascii_whitespace().collect();
    let (protocol, source, destination, source_port, destination_port) = match parts[..] {
        ["UNKNOWN", ..] => return Ok(ProxyHeader::Local { consumed }),
        [protocol, source, destination, source_port, destination_port] => {
            (protocol, source, destination, source_port, destination_port)
        }
        _ => return Err(ProxyError::Invalid("invalid v1 format")),
    };
    let address = |text: &str| -> Result<IpAddr, ProxyError> {
        text.parse().map_err(|_| ProxyError::Invalid("invalid address"))
    };
    let (source, destination) = (address(source)?, address(destination)?);
    let port = |text: &str, error| text.parse::<u16>().map_err(|_| ProxyError::Invalid(error));
    let source_port = port(source_port, "invalid source port")?;
    port(destination_port, "invalid dest port")?;
    match protocol {
        "TCP4" if source.is_ipv6() || destination.is_ipv6() => {
            return Err(ProxyError::Invalid("TCP4 with IPv6 address"));
        }
        "TCP6" if source.is_ipv4() || destination.is_ipv4() => {
            return Err(ProxyError::Invalid("TCP6 with IPv4 address"));
        }
        "TCP4" | "TCP6" => {}
        _ => return Err(ProxyError::Invalid("invalid protocol")),
    }
    Ok(ProxyHeader::Proxied { source: SocketAddr::new(source, source_port), consumed })
}

fn parse_v2(input: &[u8]) -> Result<ProxyHeader, ProxyError> {
    let known = input.len().min(V2_SIGNATURE.len());
    if input[..known] != V2_SIGNATURE[..known] {
        return Err(ProxyError::Invalid("invalid signature"));
    }
    let Some((fixed, rest)) = input.split_first_chunk::<V2_FIXED_BYTES>() else {
        return Ok(ProxyHeader::Incomplete);
    };
    let [.., version_command, family_transport, high, low] = *fixed;
    if version_command & 0xf0 != 0x20 {
        return Err(ProxyError::Invalid("invalid version"));
    }
    let length = usize::from(u16::from_be_bytes([high, low]));
    let Some(body) = rest.get(..length) else {
        return Ok(ProxyHeader::Incomplete);
    };
    let consumed = V2_FIXED_BYTES + length;
    match version_command & 0x0f {
        0 => return Ok(ProxyHeader::Local { consumed }),
        1 => {}
        _ => return Err(ProxyError::Invalid("unknown command")),
    }
    if family_transport & 0x0f != 1 {
        return Err(ProxyError::Unsupported("only STREAM protocol supported"));
    }
    let short = ProxyError::Invalid("address data too short");
    let port = |at: usize| {
        body.get(at..at + 2).and_then(|bytes| bytes.try_into().ok()).map(u16::from_be_bytes)
    };
    let source = match family_transport & 0xf0 {
        0x10 if length >= 12 => {
            body.first_chunk::<4>().map(|ip| IpAddr::from(Ipv4Addr::from(*ip))).zip(port(8))
        }
        0x20 if length >= 36 => {
            body.first_chunk::<16>().map(|ip| IpAddr::from(Ipv6Addr::from(*ip))).zip(port(32))
        }
        0x10 | 0x20 => None,
        0x00 => return Ok(ProxyHeader::Local { consumed }),
        _ => return Err(ProxyError::Unsupported("unsupported address family")),
    };
    let (ip, port) = source.ok_or(short)?;
    Ok(ProxyHeader::Proxied { source: SocketAddr::new(ip, port), consumed })
}

#[cfg(test)]
mod tests;
