//! Options of a file with options of code or flags over them.
//!
//! Source: Go `server/opts.go` (`MergeOptions`).

use super::parse_routes;
use crate::options::{Options, Port};

/// The options of the file, but for those that `flags` sets.
///
/// Only the options that Go merges; a switch can be set but not taken back.
#[must_use]
pub fn merge(file: Options, flags: &Options) -> Options {
    let mut options = file;
    let ports = [
        (&mut options.port, flags.port),
        (&mut options.http_port, flags.http_port),
        (&mut options.prof_port, flags.prof_port),
    ];
    for (port, flag) in ports {
        if flag != Port::Unset {
            *port = flag;
        }
    }
    if !flags.host.is_empty() {
        options.host.clone_from(&flags.host);
    }
    let texts = [
        (&mut options.client_advertise, &flags.client_advertise),
        (&mut options.username, &flags.username),
        (&mut options.password, &flags.password),
        (&mut options.token, &flags.token),
        (&mut options.http_base_path, &flags.http_base_path),
        (&mut options.log_file, &flags.log_file),
        (&mut options.pid_file, &flags.pid_file),
        (&mut options.ports_file_dir, &flags.ports_file_dir),
        (&mut options.store_dir, &flags.store_dir),
        (&mut options.cluster.listen_flag, &flags.cluster.listen_flag),
        (&mut options.cluster.advertise, &flags.cluster.advertise),
    ];
    for (text, flag) in texts {
        if flag.is_some() {
            text.clone_from(flag);
        }
    }
    options.dont_listen |= flags.dont_listen;
    options.debug |= flags.debug;
    options.trace |= flags.trace;
    options.logtime |= flags.logtime;
    options.cluster.no_advertise |= flags.cluster.no_advertise;
    options.jetstream.enabled |= flags.jetstream.enabled;
    if flags.cluster.connect_retries != 0 {
        options.cluster.connect_retries = flags.cluster.connect_retries;
    }
    // Routes that are no URLs were refused when the flag was read.
    if let Some(text) = &flags.routes_flag
        && let Ok(routes) = parse_routes(text)
    {
        options.routes = routes;
        options.routes_flag = Some(text.clone());
    }
    options
}
