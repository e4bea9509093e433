//! Texts that explain the flags and the `tls` block.

use crate::options::{CipherSuite, CurvePreference};

/// Every flag in one line each.
#[must_use]
pub fn usage() -> &'static str {
    "
Usage: natsd [flags]
       natsd version | help

Server:
    -a, --addr, --net <host>         address to listen on (0.0.0.0)
    -p, --port <port>                port for clients, -1 for any (4222)
    -n, --name, --server_name <name> name of this server (its id)
    -P, --pid <file>                 write the process number to a file
    -m, --http_port <port>           port for monitoring
    -ms, --https_port <port>         port for monitoring with TLS
    -c, --config <file>              configuration file
    -t                               check the configuration file and exit
    -sl, --signal <name>[=<pid>]     tell a running server to stop, quit, term, reopen, reload
                                     or ldm (lame duck mode); pid is a number or a pid file
        --client_advertise <addr>    address that clients are told
        --ports_file_dir <dir>       write the open ports to <dir>/<program>_<pid>.ports

Logging:
    -l, --log <file>                 log to a file
    -T, --logtime                    start lines with the time (true)
        --logtime_utc                that time is in UTC
        --log_format <text|json>     how lines are written (text)
        --log_size_limit <bytes>     rotate the log file at this size
    -s, --syslog                     log to syslog
    -r, --remote_syslog <url>        log to a syslog server (udp://localhost:514)
    -D, --debug                      log at debug level
    -V, --trace                      log the protocol
    -VV                              log the protocol, the system account's too
    -DV                              -D and -V
    -DVV                             -D and -VV
        --max_traced_msg_len <n>     bytes of a message that traces show (all)

JetStream:
    -js, --jetstream                 run JetStream
    -sd, --store_dir <dir>           directory to store in

Authorization:
        --user <name>                user that clients need
        --pass <password>            password that clients need
        --auth <token>               token that clients need

TLS:
        --tls                        use TLS for clients
        --tlscert <file>             certificate of this server
        --tlskey <file>              key of that certificate
        --tlsverify                  ask clients for a certificate
        --tlscacert <file>           authority that client certificates must be from

Cluster:
        --cluster, --cluster_listen <url>  address for routes
        --cluster_name <name>        name of the cluster
        --cluster_advertise <addr>   address that other servers are told
        --routes <url,url>           routes to connect to
        --no_advertise               do not tell clients of the other servers
        --connect_retries <n>        tries to connect to a learned route

Profiling:
        --profile <port>             port for profiling

Help:
    -h, --help                       this text
        --help_tls                   about the tls block
    -v, --version                    print the version
"
}

/// The `tls` block, with the names it accepts.
#[must_use]
pub fn help_tls() -> String {
    let mut text = "
The tls block of a configuration file:

    tls {
        cert_file:       \"./certs/server-cert.pem\"
        key_file:        \"./certs/server-key.pem\"
        ca_file:         \"./certs/ca.pem\"   # whom to trust
        verify:          true                # ask clients for a certificate
        verify_and_map:  true                # and take their user from it
        timeout:         2s                  # for the handshake
        min_version:     \"1.3\"
        handshake_first: auto                # before INFO
        pinned_certs:    [\"<sha256 of a public key, in hex>\"]

        cipher_suites: [
            \"TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256\"
        ]
        curve_preferences: [
            \"X25519\"
            \"CurveP256\"
        ]
    }

Cipher suites:
"
    .to_string();
    for suite in CipherSuite::ALL {
        text.push_str("    ");
        text.push_str(suite.name);
        if suite.insecure {
            text.push_str(" (needs allow_insecure_cipher_suites)");
        }
        text.push('\n');
    }
    text.push_str("\nCurves:\n");
    for (name, _) in CurvePreference::ALL {
        text.push_str("    ");
        text.push_str(name);
        text.push('\n');
    }
    text
}
