//! Every flag: its names, and what its value looks like.
//!
//! Source: Go `server/opts.go` (`ConfigureOptions`); Go's packages `flag` and `strconv`.

use super::{LogFormat, Port};

/// What a flag is for; several names have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target {
    Help,
    HelpTls,
    Version,
    TestConfig,
    Config,
    Signal,
    Port,
    ServerName,
    Host,
    ClientAdvertise,
    Debug,
    Trace,
    VerboseTrace,
    DebugTrace,
    DebugVerboseTrace,
    Logtime,
    LogtimeUtc,
    LogFormat,
    User,
    Pass,
    Auth,
    HttpPort,
    HttpsPort,
    Pid,
    PortsFileDir,
    Log,
    LogSizeLimit,
    Syslog,
    RemoteSyslog,
    Profile,
    Routes,
    Cluster,
    ClusterAdvertise,
    NoAdvertise,
    ConnectRetries,
    ClusterName,
    Tls,
    TlsVerify,
    TlsCert,
    TlsKey,
    TlsCaCert,
    MaxTracedMsgLen,
    JetStream,
    StoreDir,
}

/// What the value of a flag looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Switch,
    Text,
    Number,
    Port,
    Format,
}

impl Kind {
    /// Needs no value.
    pub(super) fn is_switch(self) -> bool {
        self == Kind::Switch
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Switch(bool),
    Text(String),
    Number(i64),
    Port(Port),
    Format(LogFormat),
}

pub(super) struct Flag {
    pub(super) name: &'static str,
    pub(super) target: Target,
    pub(super) kind: Kind,
}

const fn flag(name: &'static str, kind: Kind, target: Target) -> Flag {
    Flag { name, target, kind }
}

pub(super) const FLAGS: &[Flag] = &[
    flag("h", Kind::Switch, Target::Help),
    flag("help", Kind::Switch, Target::Help),
    flag("help_tls", Kind::Switch, Target::HelpTls),
    flag("v", Kind::Switch, Target::Version),
    flag("version", Kind::Switch, Target::Version),
    flag("t", Kind::Switch, Target::TestConfig),
    flag("c", Kind::Text, Target::Config),
    flag("config", Kind::Text, Target::Config),
    flag("sl", Kind::Text, Target::Signal),
    flag("signal", Kind::Text, Target::Signal),
    flag("p", Kind::Port, Target::Port),
    flag("port", Kind::Port, Target::Port),
    flag("n", Kind::Text, Target::ServerName),
    flag("name", Kind::Text, Target::ServerName),
    flag("server_name", Kind::Text, Target::ServerName),
    flag("a", Kind::Text, Target::Host),
    flag("addr", Kind::Text, Target::Host),
    flag("net", Kind::Text, Target::Host),
    flag("client_advertise", Kind::Text, Target::ClientAdvertise),
    flag("D", Kind::Switch, Target::Debug),
    flag("debug", Kind::Switch, Target::Debug),
    flag("V", Kind::Switch, Target::Trace),
    flag("trace", Kind::Switch, Target::Trace),
    flag("VV", Kind::Switch, Target::VerboseTrace),
    flag("DV", Kind::Switch, Target::DebugTrace),
    flag("DVV", Kind::Switch, Target::DebugVerboseTrace),
    flag("T", Kind::Switch, Target::Logtime),
    flag("logtime", Kind::Switch, Target::Logtime),
    flag("logtime_utc", Kind::Switch, Target::LogtimeUtc),
    flag("log_format", Kind::Format, Target::LogFormat),
    flag("user", Kind::Text, Target::User),
    flag("pass", Kind::Text, Target::Pass),
    flag("auth", Kind::Text, Target::Auth),
    flag("m", Kind::Port, Target::HttpPort),
    flag("http_port", Kind::Port, Target::HttpPort),
    flag("ms", Kind::Port, Target::HttpsPort),
    flag("https_port", Kind::Port, Target::HttpsPort),
    flag("P", Kind::Text, Target::Pid),
    flag("pid", Kind::Text, Target::Pid),
    flag("ports_file_dir", Kind::Text, Target::PortsFileDir),
    flag("l", Kind::Text, Target::Log),
    flag("log", Kind::Text, Target::Log),
    flag("log_size_limit", Kind::Number, Target::LogSizeLimit),
    flag("s", Kind::Switch, Target::Syslog),
    flag("syslog", Kind::Switch, Target::Syslog),
    flag("r", Kind::Text, Target::RemoteSyslog),
    flag("remote_syslog", Kind::Text, Target::RemoteSyslog),
    flag("profile", Kind::Port, Target::Profile),
    flag("routes", Kind::Text, Target::Routes),
    flag("cluster", Kind::Text, Target::Cluster),
    flag("cluster_listen", Kind::Text, Target::Cluster),
    flag("cluster_advertise", Kind::Text, Target::ClusterAdvertise),
    flag("no_advertise", Kind::Switch, Target::NoAdvertise),
    flag("connect_retries", Kind::Number, Target::ConnectRetries),
    flag("cluster_name", Kind::Text, Target::ClusterName),
    flag("tls", Kind::Switch, Target::Tls),
    flag("tlsverify", Kind::Switch, Target::TlsVerify),
    flag("tlscert", Kind::Text, Target::TlsCert),
    flag("tlskey", Kind::Text, Target::TlsKey),
    flag("tlscacert", Kind::Text, Target::TlsCaCert),
    flag("max_traced_msg_len", Kind::Number, Target::MaxTracedMsgLen),
    flag("js", Kind::Switch, Target::JetStream),
    flag("jetstream", Kind::Switch, Target::JetStream),
    flag("sd", Kind::Text, Target::StoreDir),
    flag("store_dir", Kind::Text, Target::StoreDir),
];

/// The value of a text; the error is Go's reason.
pub(super) fn parse_value(kind: Kind, text: &str) -> Result<Value, &'static str> {
    match kind {
        Kind::Text => Ok(Value::Text(text.to_string())),
        Kind::Switch => match text {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(Value::Switch(true)),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(Value::Switch(false)),
            _ => Err("parse error"),
        },
        Kind::Number => parse_number(text).map(Value::Number),
        Kind::Port => crate::read::port(parse_number(text)?)
            .map(Value::Port)
            .map_err(|_| "value out of range"),
        Kind::Format => match text {
            "text" => Ok(Value::Format(LogFormat::Text)),
            "json" => Ok(Value::Format(LogFormat::Json)),
            _ => Err("must be 'text' or 'json'"),
        },
    }
}

/// A number as in Go's source: decimal, `0x`, `0o`, `0b` or a leading zero, perhaps with `_`.
fn parse_number(text: &str) -> Result<i64, &'static str> {
    let (is_negative, digits) = match text.as_bytes().first() {
        Some(b'-') => (true, &text[1..]),
        Some(b'+') => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, lower.as_str()),
    };
    // Underscores separate digits; the number needs its prefix then.
    let digits = match radix {
        10 => digits.to_string(),
        _ => digits.replace('_', ""),
    };
    if digits.is_empty() || !digits.chars().all(|digit| digit.is_digit(radix)) {
        return Err("parse error");
    }
    let number = i128::from_str_radix(&digits, radix).map_err(|_| "value out of range")?;
    i64::try_from(if is_negative { -number } else { number }).map_err(|_| "value out of range")
}
