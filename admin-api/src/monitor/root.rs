//! The page at the root of the monitoring port.

use super::respond;
use crate::AdminBackend;
use axum::http::StatusCode;
use axum::response::Response;

/// Endpoints with what they show.
const LINKS: &[(&str, &str)] = &[
    ("varz", "Server"),
    ("connz", "Connections"),
    ("subsz", "Subscriptions"),
    ("accountz", "Accounts"),
    ("accstatz", "Traffic by account"),
    ("jsz", "JetStream"),
    ("routez", "Routes"),
    ("gatewayz", "Gateways"),
    ("leafz", "Leaf nodes"),
    ("raftz", "RAFT groups"),
    ("healthz", "Health"),
    ("ipqueuesz", "Internal queues"),
    ("stacksz", "Threads"),
    ("debug/vars", "Process"),
];

/// Answers with the page.
pub(super) fn answer(backend: &dyn AdminBackend, base_path: &str) -> Response {
    backend.count_request("/");
    respond(StatusCode::OK, "text/html; charset=utf-8", page(backend, base_path))
}

/// The page. Links are relative, so that they hold behind a proxy that adds a prefix.
fn page(backend: &dyn AdminBackend, base_path: &str) -> String {
    let identity = backend.identity();
    let name = escape(&identity.server_name);
    let base = format!(".{}", escape(base_path.trim_end_matches('/')));
    let links: String = LINKS
        .iter()
        .map(|(path, title)| {
            format!("<li><a href=\"{base}/{path}\">{title}</a> <code>/{path}</code></li>\n")
        })
        .collect();
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <title>NATS monitoring: {name}</title>\n<style>\n\
         body {{ font: 16px/1.6 system-ui, sans-serif; margin: 2rem auto; max-width: 40rem; \
         color: #223; background: #fff }}\n\
         ul {{ list-style: none; padding: 0 }}\n\
         a {{ color: #175ddc; text-decoration: none }}\n\
         a:hover {{ text-decoration: underline }}\n\
         code {{ color: #778; font-size: 85% }}\n\
         </style>\n</head>\n<body>\n<h1>NATS monitoring</h1>\n\
         <p>{name}, {product} {version}, behaves as nats-server {compatible}</p>\n\
         <ul>\n{links}</ul>\n</body>\n</html>\n",
        product = escape(&identity.product),
        version = escape(&identity.product_version),
        compatible = escape(&identity.compatible_version),
    )
}

/// Text that is safe between tags; what is not ASCII becomes a reference.
fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, character| {
        match character {
            '<' | '>' | '&' | '"' | '\'' => out += &format!("&#{};", u32::from(character)),
            character if character.is_ascii() => out.push(character),
            character => out += &format!("&#{};", u32::from(character)),
        }
        out
    })
}
