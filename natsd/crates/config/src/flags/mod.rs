//! The command line.
//!
//! Flags are read twice around the configuration file: before it because they name it and are
//! defaults to it, after it because they win. `-x`, `--x`, `-x=v` and `-x v` are the same.
//!
//! Source: Go `server/opts.go` (`ConfigureOptions`, `overrideTLS`, `overrideCluster`), `main.go`,
//! `server/server.go` (`ProcessCommandLineArgs`), and Go's package `flag` for the syntax.

mod merge;
mod redact;
mod table;
mod usage;

pub use merge::merge;
pub use redact::redact_args;
pub use usage::{help_tls, usage};

use std::collections::BTreeMap;

use crate::error::{ConfigError, ConfigErrors};
use crate::options::{LogFormat, Options, Port, Tls};
use crate::quote::quote;
use crate::read::{check_files, load_file, split_host_port};
use crate::source::Source;
use crate::url::Url;
use crate::validate::prepare;
use table::{FLAGS, Target, Value, parse_value};

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run a server.
    Run(Box<Run>),
    /// `-t`: the file is valid.
    TestConfig {
        /// The file, as named.
        config_file: String,
        /// Its digest.
        digest: String,
    },
    /// Print the version.
    Version,
    /// Print the usage.
    Help,
    /// Print the help about TLS.
    HelpTls,
    /// Send a signal to a running server.
    Signal {
        /// Which one.
        signal: Signal,
        /// Process number, perhaps with a `*` at the end; empty means the only one there is.
        process: String,
    },
}

/// How to run a server.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Valid options with all defaults.
    pub options: Options,
    /// Warnings of the configuration file, for standard error.
    pub warnings: Vec<ConfigError>,
}

/// What `--signal` can say, with the signal it stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// `stop`: SIGKILL.
    Stop,
    /// `quit`: SIGINT.
    Quit,
    /// `term`: SIGTERM.
    Term,
    /// `reopen`: SIGUSR1.
    Reopen,
    /// `reload`: SIGHUP.
    Reload,
    /// `ldm`: SIGUSR2.
    LameDuck,
}

/// Why there is nothing to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandLineError {
    /// A flag is wrong. Go prints this to standard error without the program's name, then the
    /// usage to standard output, and exits with 0.
    #[error("{0}")]
    Flag(String),
    /// The flags are right but cannot be followed. Go prints the program's name before it, and
    /// exits with 1; the same for `Config`.
    #[error("{0}")]
    Refused(String),
    /// The configuration file is wrong.
    #[error("{0}")]
    Config(#[from] ConfigErrors),
}

impl From<ConfigError> for CommandLineError {
    fn from(error: ConfigError) -> CommandLineError {
        CommandLineError::Refused(error.to_string())
    }
}

/// Reads the arguments after the program's name, and the configuration file they name.
///
/// # Errors
/// When a flag or the file is wrong, or the options do not fit each other.
pub fn parse_command_line<S: AsRef<str>>(
    args: &[S],
    source: &dyn Source,
) -> Result<Command, CommandLineError> {
    let mut command = configure(args, source)?;
    if let Command::Run(run) = &mut command {
        prepare(&mut run.options)?;
    }
    Ok(command)
}

/// As `parse_command_line`, without defaults and validation.
///
/// # Errors
/// When a flag or the file is wrong.
pub fn configure<S: AsRef<str>>(
    args: &[S],
    source: &dyn Source,
) -> Result<Command, CommandLineError> {
    let flags = Flags::parse(args)?;
    if flags.is_set(Target::Version) {
        return Ok(Command::Version);
    }
    if flags.is_set(Target::Help) {
        return Ok(Command::Help);
    }
    if flags.is_set(Target::HelpTls) {
        return Ok(Command::HelpTls);
    }
    match flags.positional.first() {
        Some(word) if word.eq_ignore_ascii_case("version") => return Ok(Command::Version),
        Some(word) if word.eq_ignore_ascii_case("help") => return Ok(Command::Help),
        Some(word) => {
            let message = format!("unrecognized command: {}", quote(word));
            return Err(CommandLineError::Refused(message));
        }
        None => {}
    }
    if let Some(signal) = flags.text(Target::Signal) {
        return parse_signal(signal, source).map_err(CommandLineError::Refused);
    }
    // The flag's own default; a file may say otherwise.
    let mut options = Options { logtime: true, ..Options::empty() };
    flags.apply(&mut options);
    let is_test = flags.is_set(Target::TestConfig);
    let mut warnings = Vec::new();
    if let Some(path) = flags.text(Target::Config) {
        let loaded = load_file(path, options, source)?;
        if is_test {
            if !loaded.warnings.is_empty() {
                return Err(ConfigErrors::list(Vec::new(), loaded.warnings).into());
            }
            return Ok(Command::TestConfig {
                config_file: path.to_string(),
                digest: loaded.options.config_digest,
            });
        }
        options = loaded.options;
        warnings = loaded.warnings;
        flags.apply(&mut options);
    } else if is_test {
        return Err(CommandLineError::Refused(
            "must specify [-c, --config] option to check configuration file syntax".to_string(),
        ));
    }
    finish(&flags, &mut options, source).map_err(CommandLineError::Refused)?;
    Ok(Command::Run(Box::new(Run { options, warnings })))
}

/// The flags that were given.
struct Flags {
    /// In the order of the command line.
    given: Vec<(Target, Value)>,
    /// By name, the last one of each; Go visits them in this order.
    by_name: BTreeMap<&'static str, Target>,
    positional: Vec<String>,
}

impl Flags {
    fn parse<S: AsRef<str>>(args: &[S]) -> Result<Flags, CommandLineError> {
        let fail = |message: String| Err(CommandLineError::Flag(message));
        let mut flags =
            Flags { given: Vec::new(), by_name: BTreeMap::new(), positional: Vec::new() };
        let mut rest = args.iter().map(AsRef::as_ref);
        while let Some(arg) = rest.next() {
            let Some(name) = arg.strip_prefix('-').filter(|name| !name.is_empty()) else {
                flags.positional.push(arg.to_string());
                break;
            };
            if arg == "--" {
                break;
            }
            let name = name.strip_prefix('-').unwrap_or(name);
            if name.starts_with(['-', '=']) {
                return fail(format!("bad flag syntax: {arg}"));
            }
            let (name, value) = match name.split_once('=') {
                Some((name, value)) => (name, Some(value)),
                None => (name, None),
            };
            let Some(flag) = FLAGS.iter().find(|flag| flag.name == name) else {
                return fail(format!("flag provided but not defined: -{name}"));
            };
            let value = match value {
                None if flag.kind.is_switch() => "true",
                None => match rest.next() {
                    Some(value) => value,
                    None => return fail(format!("flag needs an argument: -{name}")),
                },
                Some(value) => value,
            };
            match parse_value(flag.kind, value) {
                Ok(parsed) => flags.given.push((flag.target, parsed)),
                Err(reason) if flag.kind.is_switch() => {
                    return fail(format!(
                        "invalid boolean value {} for -{name}: {reason}",
                        quote(value)
                    ));
                }
                Err(reason) => {
                    return fail(format!(
                        "invalid value {} for flag -{name}: {reason}",
                        quote(value)
                    ));
                }
            }
            flags.by_name.insert(flag.name, flag.target);
        }
        flags.positional.extend(rest.map(str::to_string));
        Ok(flags)
    }

    fn value(&self, target: Target) -> Option<&Value> {
        self.given.iter().rev().find(|(found, _)| *found == target).map(|(_, value)| value)
    }

    fn is_set(&self, target: Target) -> bool {
        matches!(self.value(target), Some(Value::Switch(true)))
    }

    /// A text that is not empty.
    fn text(&self, target: Target) -> Option<&str> {
        match self.value(target) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text),
            _ => None,
        }
    }

    fn apply(&self, options: &mut Options) {
        for (target, value) in &self.given {
            apply(*target, value, options);
        }
    }
}

/// Sets the option of a flag; those that need more than that are for `finish`.
fn apply(target: Target, value: &Value, options: &mut Options) {
    match value {
        Value::Switch(flag) => apply_switch(target, *flag, options),
        Value::Number(number) => match target {
            Target::ConnectRetries => options.cluster.connect_retries = *number,
            Target::LogSizeLimit => options.log_size_limit = *number,
            Target::MaxTracedMsgLen => {
                options.max_traced_msg_len = u64::try_from(*number).unwrap_or_default();
            }
            _ => {}
        },
        Value::Port(port) => match target {
            Target::Port => options.port = *port,
            Target::HttpPort => options.http_port = *port,
            Target::HttpsPort => options.https_port = *port,
            Target::Profile => options.prof_port = *port,
            _ => {}
        },
        Value::Format(format) => options.log_format = *format,
        Value::Text(text) => apply_text(target, text, options),
    }
}

fn apply_switch(target: Target, flag: bool, options: &mut Options) {
    match target {
        Target::Debug => options.debug = flag,
        Target::Trace => options.trace = flag,
        Target::Logtime => options.logtime = flag,
        Target::LogtimeUtc => options.logtime_utc = flag,
        Target::Syslog => options.syslog = flag,
        Target::NoAdvertise => options.cluster.no_advertise = flag,
        Target::Tls => options.tls_flag = flag,
        Target::TlsVerify => options.tls_verify_flag = flag,
        Target::JetStream => options.jetstream.enabled = flag,
        _ => {}
    }
}

fn apply_text(target: Target, text: &str, options: &mut Options) {
    let value = (!text.is_empty()).then(|| text.to_string());
    match target {
        Target::ServerName => options.server_name = value,
        Target::Host => options.host = text.to_string(),
        Target::ClientAdvertise => options.client_advertise = value,
        Target::User => options.username = value,
        Target::Pass => options.password = value,
        Target::Auth => options.token = value,
        Target::Pid => options.pid_file = value,
        Target::PortsFileDir => options.ports_file_dir = value,
        Target::Log => options.log_file = value,
        Target::RemoteSyslog => options.remote_syslog = value,
        Target::Routes => options.routes_flag = value,
        Target::Cluster => options.cluster.listen_flag = value,
        Target::ClusterAdvertise => options.cluster.advertise = value,
        Target::ClusterName => options.cluster.name = value,
        Target::TlsCert => options.tls_cert_flag = value,
        Target::TlsKey => options.tls_key_flag = value,
        Target::TlsCaCert => options.tls_ca_cert_flag = value,
        Target::StoreDir => options.store_dir = value,
        _ => {}
    }
}

/// Flags that change more than one option.
fn finish(flags: &Flags, options: &mut Options, source: &dyn Source) -> Result<(), String> {
    let mut is_tls_wanted = false;
    let mut is_tls_off = false;
    for target in flags.by_name.values() {
        match target {
            Target::Tls if !options.tls_flag => {
                options.tls = None;
                is_tls_off = true;
            }
            Target::Tls
            | Target::TlsVerify
            | Target::TlsCert
            | Target::TlsKey
            | Target::TlsCaCert => is_tls_wanted = true,
            Target::VerboseTrace => {
                let flag = flags.is_set(*target);
                (options.trace, options.trace_verbose) = (flag, flag);
            }
            Target::DebugVerboseTrace => {
                let flag = flags.is_set(*target);
                (options.debug, options.trace, options.trace_verbose) = (flag, flag, flag);
            }
            Target::DebugTrace => {
                let flag = flags.is_set(*target);
                (options.debug, options.trace) = (flag, flag);
            }
            Target::Cluster => override_cluster(options)?,
            Target::Routes => {
                options.routes = match &options.routes_flag {
                    Some(text) => parse_routes(text)?,
                    None => Vec::new(),
                };
            }
            _ => {}
        }
    }
    if is_tls_wanted && !is_tls_off {
        override_tls(options, source)?;
    }
    let cluster = &options.cluster;
    if options.routes_flag.is_some()
        && cluster.listen_flag.is_none()
        && cluster.host.is_empty()
        && !cluster.port.is_set()
    {
        return Err("solicited routes require cluster capabilities, e.g. --cluster".to_string());
    }
    Ok(())
}

/// Reads URLs that are separated by commas. Differs from Go, which lets broken ones pass.
///
/// # Errors
/// When one of them is no URL.
pub fn parse_routes(text: &str) -> Result<Vec<Url>, String> {
    text.split(',').map(|url| Url::parse(url.trim()).map_err(|error| error.to_string())).collect()
}

/// Certificates of flags replace those of the file; its other TLS options stay.
fn override_tls(options: &mut Options, source: &dyn Source) -> Result<(), String> {
    if options.tls_cert_flag.is_none() {
        return Err("TLS Server certificate must be present and valid".to_string());
    }
    if options.tls_key_flag.is_none() {
        return Err("TLS Server private key must be present and valid".to_string());
    }
    let file = options.tls.take().unwrap_or_default();
    let tls = Tls {
        cert_file: options.tls_cert_flag.clone(),
        key_file: options.tls_key_flag.clone(),
        ca_file: options.tls_ca_cert_flag.clone(),
        verify: options.tls_verify_flag,
        verify_and_map: file.verify_and_map,
        timeout: file.timeout,
        connection_rate_limit: file.connection_rate_limit,
        pinned_certs: file.pinned_certs,
        handshake_first: file.handshake_first,
        ..Tls::default()
    };
    check_files(source, &tls)?;
    options.tls = Some(tls);
    Ok(())
}

/// The flag `--cluster` says address, port and credentials of routes; empty turns them off.
fn override_cluster(options: &mut Options) -> Result<(), String> {
    let cluster = &mut options.cluster;
    let Some(text) = cluster.listen_flag.clone() else {
        cluster.port = Port::Unset;
        return Ok(());
    };
    // A port of -1 is no URL.
    let random = text.strip_suffix(":-1").map(|prefix| format!("{prefix}:0"));
    let url = Url::parse(random.as_deref().unwrap_or(&text)).map_err(|error| error.to_string())?;
    let (host, port) =
        split_host_port(&url.host).map_err(|reason| format!("address {}: {reason}", url.host))?;
    cluster.host = host.to_string();
    cluster.port = match random {
        Some(_) => Port::Random,
        None => match port.parse() {
            Ok(0) => Port::Unset,
            Ok(number) => Port::Fixed(number),
            Err(_) if port.is_empty() => return Err("unexpected newline".to_string()),
            Err(_) => return Err(format!("invalid port {port}")),
        },
    };
    // Without credentials in the flag those of the file do not count either.
    (cluster.username, cluster.password) = match url.user {
        Some(user) => {
            let Some(password) = user.password else {
                return Err("expected cluster password to be set".to_string());
            };
            (Some(user.username), Some(password))
        }
        None => (None, None),
    };
    Ok(())
}

/// Reads `reload`, `reload=123` or `reload=/run/natsd.pid`.
fn parse_signal(text: &str, source: &dyn Source) -> Result<Command, String> {
    let parts: Vec<&str> = text.split('=').collect();
    let process = match parts.as_slice() {
        [_] => String::new(),
        // A file's content wins over the text itself.
        [_, process] => match source.read(process) {
            Ok(bytes) => String::from_utf8_lossy(&bytes).trim().to_string(),
            Err(_) => (*process).to_string(),
        },
        [_, _, rest @ ..] => {
            return Err(format!("invalid signal parameters: [{}]", rest.join(" ")));
        }
        [] => String::new(),
    };
    let digits = process.strip_suffix('*').unwrap_or(&process);
    if !digits.is_empty() && digits.parse::<u32>().is_err() {
        return Err(format!("invalid pid: {digits}"));
    }
    let signal = match parts[0] {
        "stop" => Signal::Stop,
        "quit" => Signal::Quit,
        "term" => Signal::Term,
        "reopen" => Signal::Reopen,
        "reload" => Signal::Reload,
        "ldm" => Signal::LameDuck,
        other => return Err(format!("unknown signal {}", quote(other))),
    };
    Ok(Command::Signal { signal, process })
}

#[cfg(test)]
mod tests;
