//! The `natsd` binary: flags, configuration, wiring and signals. Composition root, no logic.

use natsd_base::{os_error, quote};
use natsd_config::flags::{self, Command, CommandLineError, Run};
use natsd_config::{ConfigErrors, Options, RealSource, Unsupported, load_file, unsupported};
use natsd_server::process::{self, OwnedFile, Signal};
use natsd_server::{HttpListeners, Log, PortsFile, Server};
use std::io::IsTerminal;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tracing::{error, info, warn};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

/// The name in messages and of the version: scripts look for it.
const PROGRAM: &str = "nats-server";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match flags::parse_command_line(&args, &RealSource) {
        Ok(command) => execute(command),
        Err(CommandLineError::Flag(message)) => fail(&format!("{message} (see {PROGRAM} --help)")),
        Err(CommandLineError::Refused(message)) => fail(&format!("{PROGRAM}: {message}")),
        Err(CommandLineError::Config(errors)) => fail_config(&errors),
        Err(other) => fail(&format!("{PROGRAM}: {other}")),
    }
}

#[expect(clippy::print_stdout, clippy::print_stderr, reason = "what a program is asked to print")]
fn execute(command: Command) -> ExitCode {
    match command {
        Command::Run(run) => match serve(*run) {
            Ok(()) => return ExitCode::SUCCESS,
            Err(error) => return fail(&format!("{PROGRAM}: {error}")),
        },
        Command::TestConfig { config_file, digest } => {
            eprintln!("{PROGRAM}: configuration file {config_file} is valid ({digest})");
            // Valid for Go, but this server would not start with it, or start with less.
            if let Ok(loaded) = load_file(&config_file, Options::empty(), &RealSource) {
                missing(&loaded.options, |_| true)
                    .iter()
                    .for_each(|line| eprintln!("{PROGRAM}: warning: {line}"));
            }
        }
        Command::Version => println!("{PROGRAM}: v{}", natsd_server::VERSION),
        Command::Help => println!("{}", flags::usage()),
        Command::HelpTls => println!("{}", flags::help_tls()),
        Command::Signal { signal, process } => {
            let (name, signal) = match signal {
                flags::Signal::Stop => ("stop", Signal::KILL),
                flags::Signal::Quit => ("quit", Signal::INT),
                flags::Signal::Term => ("term", Signal::TERM),
                flags::Signal::Reopen => ("reopen", Signal::USR1),
                flags::Signal::Reload => ("reload", Signal::HUP),
                flags::Signal::LameDuck => ("ldm", Signal::USR2),
            };
            if let Err(error) = process::send_signal(name, signal, &process) {
                return fail(&format!("{PROGRAM}: {error}"));
            }
        }
    }
    ExitCode::SUCCESS
}

#[expect(clippy::print_stderr, reason = "there is no log yet")]
fn fail(message: &str) -> ExitCode {
    eprintln!("{}", message.trim_end());
    ExitCode::FAILURE
}

/// A person gets the wrong lines shown; a script gets Go's one line for each.
fn fail_config(errors: &ConfigErrors) -> ExitCode {
    let plain = format!("{PROGRAM}: {errors}");
    if std::io::stderr().is_terminal() {
        fail(&format!("{}\n{}", plain.trim_end(), natsd_config::render(errors, &RealSource)))
    } else {
        fail(&plain)
    }
}

/// Runs a server until a signal ends it.
fn serve(run: Run) -> anyhow::Result<()> {
    let Run { options, warnings } = run;
    refuse_unsupported(&options)?;
    let log = Log::install(&options)?;
    for warning in warnings {
        warn!("{warning}");
    }
    log_missing(&options);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let result = runtime.block_on(run_server(options, &log));
    stop_runtime(runtime);
    result
}

/// Connections that are still closing must not hold up the end of the process.
fn stop_runtime(runtime: Runtime) {
    runtime.shutdown_timeout(std::time::Duration::from_secs(1));
}

/// What the configuration asks for and this server cannot do yet, a line each.
fn missing(options: &Options, chosen: impl Fn(&Unsupported) -> bool) -> Vec<String> {
    let lines = unsupported(options).into_iter().filter(chosen).map(|one| {
        let place = one.position.as_ref().map(|at| format!("{at}: ")).unwrap_or_default();
        format!("{place}{} is not supported yet: {}", quote(&one.key), one.remedy)
    });
    lines.collect()
}

/// Ends the start when the configuration asks for something that this server cannot do yet.
fn refuse_unsupported(options: &Options) -> anyhow::Result<()> {
    let lines = missing(options, |one| one.fatal);
    anyhow::ensure!(lines.is_empty(), "{}", lines.join("\n"));
    Ok(())
}

/// Says loudly what this server runs without.
fn log_missing(options: &Options) {
    missing(options, |one| !one.fatal).iter().for_each(|line| error!("{line}"));
}

async fn run_server(options: Options, log: &Log) -> anyhow::Result<()> {
    info!("Starting {PROGRAM}");
    warn_of_plain_passwords(&options);
    let mut signals = Signals::listen()?;
    let server = Server::start(options).await?;
    let pid_file = server.options().pid_file.as_ref().map(|path| {
        process::write_pid_file(Path::new(path)).map_err(|error| {
            anyhow::anyhow!("Could not write pidfile: open {path}: {}", os_error(&error))
        })
    });
    let pid_file = pid_file.transpose()?;
    let http = natsd_server::serve_http(&server, natsd_web::index_html()).await?;
    // Like Go's, it outlives the process; only a start that fails leaves nothing behind.
    pid_file.into_iter().for_each(OwnedFile::keep);
    info!("Server is ready");
    let mut ports_file = PortsFile::default();
    ports_file.update(&server, &http.monitoring_urls());
    let (reload_hook, mut reload_requests) = tokio::sync::mpsc::channel(1);
    server.set_reload_hook(reload_hook);
    let lame_duck = async |server: Arc<Server>| server.lame_duck().await;
    let mut retiring = None;
    loop {
        tokio::select! {
            // Cancel safe: signals are kept until they are received.
            event = signals.next() => match event {
                Event::Interrupt => break,
                // As Go: a server that retires is not hurried.
                Event::Terminate if server.is_lame_duck() => {}
                Event::Terminate => break,
                Event::Reopen => log.reopen(),
                // What went wrong is in the log.
                Event::Reload => drop(reload(&server, log, &http, &mut ports_file)),
                Event::LameDuck if retiring.is_none() => {
                    retiring = Some(tokio::spawn(lame_duck(server.clone())));
                }
                Event::LameDuck => {}
            },
            // Cancel safe: a request stays in the channel until it is received.
            Some(request) = reload_requests.recv() => {
                // Who asked may be gone by now.
                let _ = request.send(reload(&server, log, &http, &mut ports_file));
            }
            _ = async { retiring.as_mut().expect("checked by the guard").await },
                if retiring.is_some() => break,
        }
    }
    drop(ports_file);
    server.shutdown().await;
    http.wait_stopped().await;
    Ok(())
}

/// Go warns of every password that is readable in the configuration.
fn warn_of_plain_passwords(options: &Options) {
    let single = options.password.iter().chain(&options.token);
    let users = options.users.iter().map(|user| &user.password);
    let is_plain = |text: &&String| !text.is_empty() && !natsd_auth::is_bcrypt(text);
    if single.chain(users).any(|text| is_plain(&text)) {
        warn!("Plaintext passwords detected, use nkeys or bcrypt");
    }
}

/// Reads flags and file again, as at the start, and puts them into force if they can be.
fn reload(
    server: &Server,
    log: &Log,
    http: &HttpListeners,
    ports_file: &mut PortsFile,
) -> Result<(), String> {
    let options = read_again(server);
    let reloaded =
        options.and_then(|options| server.reload(options, log).map_err(|error| error.to_string()));
    let reloaded = reloaded.map_err(|error| error.trim_end().to_owned());
    match &reloaded {
        Ok(()) => ports_file.update(server, &http.monitoring_urls()),
        Err(error) => error!("Failed to reload server configuration: {error}"),
    }
    reloaded
}

fn read_again(server: &Server) -> Result<Options, String> {
    if server.options().config_file.is_none() {
        let needs_file = "can only reload config when a file is provided using -c or --config";
        return Err(needs_file.to_owned());
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    match flags::parse_command_line(&args, &RealSource) {
        Ok(Command::Run(run)) => Ok(run.options),
        Ok(_) => Err("the command line does not run a server".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

enum Event {
    Interrupt,
    Terminate,
    Reopen,
    LameDuck,
    Reload,
}

struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
    reopen: tokio::signal::unix::Signal,
    lame_duck: tokio::signal::unix::Signal,
    reload: tokio::signal::unix::Signal,
}

impl Signals {
    fn listen() -> std::io::Result<Signals> {
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            reopen: signal(SignalKind::user_defined1())?,
            lame_duck: signal(SignalKind::user_defined2())?,
            reload: signal(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) -> Event {
        let (event, name) = tokio::select! {
            _ = self.interrupt.recv() => (Event::Interrupt, "interrupt"),
            _ = self.terminate.recv() => (Event::Terminate, "terminated"),
            _ = self.reopen.recv() => (Event::Reopen, "user defined signal 1"),
            _ = self.lame_duck.recv() => (Event::LameDuck, "user defined signal 2"),
            _ = self.reload.recv() => (Event::Reload, "hangup"),
        };
        info!("Trapped \"{name}\" signal");
        event
    }
}
