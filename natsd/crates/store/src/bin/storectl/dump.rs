//! `storectl dump`: the messages of a stream, one a line.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;
use natsd_store::{Disk, Filter, RealDisk, StoredMessage, StreamStore};
use serde_json::json;

use crate::Context;
use crate::assets::Assets;

/// `A..B`, `A..`, `..B` or `A`, both included.
pub(crate) fn parse_range(text: &str) -> Result<(u64, u64), String> {
    let number = |text: &str, none: u64| match text {
        "" => Ok(none),
        text => text.parse().map_err(|_| format!("not a sequence: {text}")),
    };
    let (first, last) = match text.split_once("..") {
        Some((first, last)) => (number(first, 0)?, number(last, u64::MAX)?),
        None => {
            let seq = text.parse().map_err(|_| format!("not a sequence: {text}"))?;
            (seq, seq)
        }
    };
    if first <= last { Ok((first, last)) } else { Err(format!("ends before it begins: {text}")) }
}

pub(crate) fn run(
    context: &Context,
    dir: &Path,
    seq: Option<(u64, u64)>,
    out: &mut dyn Write,
) -> io::Result<bool> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk::read_only());
    let assets = Assets::find(disk.as_ref(), dir)?.assets;
    let [asset] = &assets[..] else {
        let text = format!("{}: not the folder of a stream", dir.display());
        return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
    };
    let failed = |problem: crate::assets::Problem| {
        io::Error::other(format!("{}: {}", problem.path.display(), problem.text))
    };
    let description = asset.describe(context, disk.as_ref()).map_err(failed)?;
    let mut store = asset.scan(context, &disk, &description).map_err(failed)?.store;
    let (mut next, last) = seq.unwrap_or((0, u64::MAX));
    while let Some(message) = store.load_next(Filter::All, next).map_err(io::Error::other)? {
        if message.seq > last {
            break;
        }
        next = message.seq + 1;
        write_message(context, &message, out)?;
    }
    Ok(store.damaged().is_empty())
}

fn write_message(
    context: &Context,
    message: &StoredMessage<'_>,
    out: &mut dyn Write,
) -> io::Result<()> {
    let subject = String::from_utf8_lossy(message.subject);
    if context.json {
        let mut text = json!({
            "seq": message.seq,
            "time": message.timestamp.0,
            "subject": subject,
            "data": BASE64.encode(message.body),
        });
        if !message.headers.is_empty() {
            text["hdrs"] = BASE64.encode(message.headers).into();
        }
        return writeln!(out, "{text}");
    }
    write!(out, "{} {} {subject}", message.seq, message.timestamp.0)?;
    if !message.headers.is_empty() {
        write!(out, " \"{}\"", message.headers.escape_ascii())?;
    }
    writeln!(out, " \"{}\"", message.body.escape_ascii())
}
