//! What is asked of the services: from the last token of a subject and a JSON body to options.
//!
//! Pure: looks at the request only. Keys are read as Go reads them: in any case, and `null` is as
//! good as nothing.
//!
//! Source: Go `server/events.go` (`zReq`, `ConnzEventOptions` and the like, `KickClientReq`).

use natsd_api::monitor::{
    AccountzOptions, GatewayzOptions, HealthzOptions, IpqueueszOptions, JszOptions, LeafzOptions,
    RaftzOptions, RoutezOptions, SubszOptions,
};
use natsd_api::system::{ConnectionRequest, ConnzRequest, EventFilter};
use serde::Deserialize;
use serde_json::{Map, Value};

/// Something to answer, and what is to be heeded.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Question {
    Statsz,
    Identity,
    Varz,
    Connz(ConnzRequest),
    Subsz(SubszOptions),
    Routez(RoutezOptions),
    Gatewayz(GatewayzOptions),
    Leafz(LeafzOptions),
    Accountz(AccountzOptions),
    Jsz(JszOptions),
    Healthz(HealthzOptions),
    Ipqueuesz(IpqueueszOptions),
    Raftz(RaftzOptions),
    Expvarz,
    /// Close the connection of that number.
    Kick(u64),
    /// Tell the connection of that number to go elsewhere.
    LameDuck(u64),
    Reload,
}

/// Reads a request of that kind: the question, and which servers are meant. `None` is for nobody.
/// `is_direct` says whether the subject names this server.
///
/// # Errors
/// When the body cannot be read. Every server says so, whoever is meant.
pub(super) fn parse(
    kind: &str,
    is_direct: bool,
    body: &[u8],
) -> Result<Option<(Question, EventFilter)>, String> {
    match kind {
        // As Go: whoever asks for names gets them all, whatever the body says.
        "IDZ" => return Ok(Some((Question::Identity, EventFilter::default()))),
        "KICK" | "LDM" | "RELOAD" if !is_direct => return Ok(None),
        // As Go: what has no number in it is not answered.
        "KICK" | "LDM" if body.is_empty() => return Ok(None),
        "KICK" | "LDM" => return Ok(read(kind, body).unwrap_or_default()),
        _ => {}
    }
    read(kind, body)
}

fn read(kind: &str, body: &[u8]) -> Result<Option<(Question, EventFilter)>, String> {
    let fields = fields(body)?;
    let Some(question) = question(kind, &fields)? else { return Ok(None) };
    Ok(Some((question, from(&fields)?)))
}

fn question(kind: &str, fields: &Value) -> Result<Option<Question>, String> {
    Ok(Some(match kind {
        "STATSZ" => Question::Statsz,
        "VARZ" => Question::Varz,
        "EXPVARZ" => Question::Expvarz,
        "CONNZ" => Question::Connz(from(fields)?),
        "SUBSZ" => Question::Subsz(from(fields)?),
        "ROUTEZ" => Question::Routez(from(fields)?),
        "GATEWAYZ" => Question::Gatewayz(from(fields)?),
        "LEAFZ" => Question::Leafz(from(fields)?),
        "ACCOUNTZ" => Question::Accountz(from(fields)?),
        "JSZ" => Question::Jsz(from(fields)?),
        "HEALTHZ" => Question::Healthz(from(fields)?),
        "IPQUEUESZ" => Question::Ipqueuesz(from(fields)?),
        "RAFTZ" => Question::Raftz(from(fields)?),
        "KICK" => Question::Kick(from::<ConnectionRequest>(fields)?.cid),
        "LDM" => Question::LameDuck(from::<ConnectionRequest>(fields)?.cid),
        "RELOAD" => Question::Reload,
        _ => return Ok(None),
    }))
}

/// The fields of a body; no body and `null` have none.
fn fields(body: &[u8]) -> Result<Value, String> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    let value = serde_json::from_slice(body).map_err(|error| format!("json: {error}"))?;
    let fields = match value {
        Value::Object(fields) => fields,
        Value::Null => Map::new(),
        other => return Err(format!("json: options are an object, not {other}")),
    };
    let given = fields.into_iter().filter(|(_, value)| !value.is_null());
    Ok(Value::Object(given.map(|(key, value)| (key.to_ascii_lowercase(), value)).collect()))
}

fn from<'a, T: Deserialize<'a>>(fields: &'a Value) -> Result<T, String> {
    T::deserialize(fields).map_err(|error| format!("json: {error}"))
}

#[cfg(test)]
mod tests;
