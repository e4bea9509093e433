//! Clients that people use, against the server: async-nats, nats-py and the NATS client for Node.
//!
//! Every client connects plainly, over TLS, by user and password and by token; publishes,
//! subscribes, shares work in a queue group, asks many requests, sends headers, asks where nobody
//! answers, drains; and comes back after a restart and after lame duck mode.

mod rust;

use natsd_interop::{Foreign, Login};
use natsd_testkit::{Authority, Launch, Server, server_binary};

/// How clients are let in.
#[derive(Debug, Clone, Copy)]
enum Door {
    Plain,
    Tls,
    User,
    Token,
}

const DOORS: [Door; 4] = [Door::Plain, Door::Tls, Door::User, Door::Token];

fn launch() -> Launch {
    Launch::new(&server_binary(None))
}

impl Door {
    /// A server with this door, and how to pass it.
    fn open(self) -> (Server, Login) {
        let launch = launch();
        let mut login = Login::default();
        let server = match self {
            Self::Plain => launch.start(),
            Self::Tls => {
                let authority = Authority::new(launch.folder());
                authority.server();
                login.authority = Some(authority.certificate.clone());
                launch
                    .config("tls { cert_file: \"$DIR/server.pem\", key_file: \"$DIR/server.key\" }")
                    .start()
            }
            Self::User => {
                login.user = Some(("ada".into(), "s3cr3t".into()));
                launch.config("authorization { user: ada, password: s3cr3t }").start()
            }
            Self::Token => {
                login.token = Some("t0k3n".into());
                launch.config("authorization { token: t0k3n }").start()
            }
        };
        let scheme = if login.authority.is_some() { "tls" } else { "nats" };
        login.servers = format!("{scheme}://{}", server.address());
        (server, login)
    }
}

/// Runs the basics of a client at every door.
fn check_basics(client: Foreign) {
    for door in DOORS {
        let (server, login) = door.open();
        let result = client.start("basics", &login).and_then(natsd_interop::Running::finish);
        if let Err(error) = result {
            panic!("{door:?}: {error:#}\nserver log:\n{}", server.log());
        }
    }
}

/// Two servers that do not know each other: clients that leave one find the other.
fn pair() -> (Server, Server, Login) {
    let start = || {
        let config = "lame_duck_duration: \"30s\"\nlame_duck_grace_period: \"100ms\"";
        launch().monitoring().config(config).start()
    };
    let (first, second) = (start(), start());
    let servers = format!("nats://{},nats://{}", first.address(), second.address());
    (first, second, Login { servers, ..Login::default() })
}

/// Puts that server into lame duck mode that has the one client.
fn ask_the_right_one_to_leave(servers: [&Server; 2]) {
    let chosen = servers
        .into_iter()
        .find(|server| server.get("/connz").json()["num_connections"] == 1)
        .expect("one of the servers has the client");
    chosen.signal("USR2");
}

/// The client must come back to the same server after a restart.
fn check_restart(client: Foreign) {
    let (mut server, login) = Door::Plain.open();
    let mut running = client.start("reconnect", &login).expect("start");
    running.wait_ready().expect("ready");
    server.restart();
    running.finish().expect("the client comes back after a restart");
}

/// The client must find the other server when its own asks everybody to leave.
fn check_lame_duck(client: Foreign) {
    let (first, second, login) = pair();
    let mut running = client.start("reconnect", &login).expect("start");
    running.wait_ready().expect("ready");
    ask_the_right_one_to_leave([&first, &second]);
    running.finish().expect("the client survives lame duck mode");
}

#[test]
fn python_basics() {
    check_basics(Foreign::Python);
}

#[test]
fn node_basics() {
    check_basics(Foreign::Node);
}

#[test]
fn python_comes_back() {
    check_restart(Foreign::Python);
    check_lame_duck(Foreign::Python);
}

#[test]
fn node_comes_back() {
    check_restart(Foreign::Node);
    check_lame_duck(Foreign::Node);
}
