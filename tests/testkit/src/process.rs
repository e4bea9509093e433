//! The server under test as a process.
//!
//! Each server gets a fresh temporary folder with its configuration, its ports file and its
//! output. Ports are chosen by the server (`-1`) and learned from its ports file, so tests may run
//! in parallel. Nothing outlives the [`Server`] value: drop kills the process and removes the
//! folder.

use std::fs::File;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;
use tempfile::TempDir;

use crate::raw::RawClient;
use crate::wait::{DEADLINE, pause, wait_until};

/// The binary to test: `NATS_SERVER_BIN` when set, otherwise `built`, otherwise the debug build.
///
/// Pass `option_env!("CARGO_BIN_EXE_natsd")` where cargo defines it.
pub fn server_binary(built: Option<&str>) -> PathBuf {
    if let Some(path) = std::env::var_os("NATS_SERVER_BIN") {
        return PathBuf::from(path);
    }
    match built {
        Some(path) => PathBuf::from(path),
        None => target_dir().join("debug").join("natsd"),
    }
}

/// Whether the server under test is the Go server, judged by its version line.
pub fn testing_go(binary: &Path) -> bool {
    Command::new(binary)
        .arg("--version")
        .output()
        .is_ok_and(|output| output.stdout.starts_with(b"nats-server: v"))
        && std::env::var_os("NATS_SERVER_BIN").is_some()
}

/// Cargo's target directory, found from the running test binary.
pub fn target_dir() -> PathBuf {
    let executable = std::env::current_exe().unwrap_or_default();
    // Cargo tags only a folder that it made itself; tests lie in `TARGET/PROFILE/deps`.
    let tagged = executable.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    let deps = || executable.ancestors().find(|folder| folder.ends_with("deps"));
    let found = tagged.or_else(|| deps()?.parent()?.parent());
    found.map_or_else(|| PathBuf::from("target"), Path::to_owned)
}

/// How to start a server: binary, configuration, further flags.
#[derive(Debug)]
pub struct Launch {
    binary: PathBuf,
    folder: TempDir,
    config: Option<String>,
    listen: bool,
    bare: bool,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
}

impl Launch {
    /// Prepares a start of `binary` in a fresh folder.
    ///
    /// # Panics
    /// When no temporary folder can be made.
    pub fn new(binary: &Path) -> Self {
        let folder = tempfile::Builder::new().prefix("natsd-").tempdir().expect("temporary folder");
        Self {
            binary: binary.to_owned(),
            folder,
            config: Some(String::new()),
            listen: true,
            bare: false,
            arguments: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Adds configuration text. A random client port on loopback and the ports file are given.
    /// The text `$DIR` stands for the server's own folder.
    #[must_use]
    pub fn config(mut self, text: &str) -> Self {
        let folder = self.folder.path().display().to_string();
        let config = self.config.get_or_insert_default();
        config.push_str(&text.replace("$DIR", &folder));
        config.push('\n');
        self
    }

    /// Gives the server a monitoring port.
    #[must_use]
    pub fn monitoring(self) -> Self {
        self.config("http: \"127.0.0.1:-1\"")
    }

    /// Leaves the client listener to the configuration and flags of the test.
    #[must_use]
    pub fn no_listen(mut self) -> Self {
        self.listen = false;
        self
    }

    /// Writes the configuration file with nothing but the text given; ports file comes by flag.
    #[must_use]
    pub fn no_config_prefix(mut self) -> Self {
        self.bare = true;
        self
    }

    /// Starts without any configuration file; ports come by flags.
    #[must_use]
    pub fn no_config(mut self) -> Self {
        self.config = None;
        self
    }

    /// Adds command line arguments; `$DIR` stands for the server's own folder.
    #[must_use]
    pub fn args(mut self, arguments: &[&str]) -> Self {
        let folder = self.folder.path().display().to_string();
        self.arguments.extend(arguments.iter().map(|text| text.replace("$DIR", &folder)));
        self
    }

    /// Sets an environment variable of the server.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Writes a file into the server's folder before the start and returns its path.
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, content).expect("write a file for the server");
        path
    }

    /// The server's folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Starts the server and waits until it serves.
    ///
    /// # Panics
    /// When it exits or does not become ready; the text holds its output.
    #[track_caller]
    pub fn start(self) -> Server {
        match self.try_start() {
            Ok(server) => server,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// As [`Launch::start`], with the failure as an error.
    ///
    /// # Errors
    /// When the process cannot be started, exits, or writes no ports file in time.
    pub fn try_start(self) -> Result<Server> {
        let (child, config_path) = self.spawn()?;
        let mut server =
            Server { child: Some(child), config_path, ports: Value::Null, launch: self };
        server.wait_ready()?;
        Ok(server)
    }

    /// Runs the process until it exits, for starts that must fail or that only print.
    ///
    /// # Panics
    /// When it cannot be started or does not exit in time.
    #[track_caller]
    pub fn finish(self) -> Finished {
        let (mut child, _) = self.spawn().expect("start the server");
        let status = wait_exit(&mut child, DEADLINE);
        let status = status.unwrap_or_else(|| {
            kill_and_reap(&mut child);
            panic!(
                "still running after {DEADLINE:?}:\n{}",
                read(&self.folder.path().join("stderr"))
            )
        });
        Finished {
            code: status.code(),
            stdout: read(&self.folder.path().join("stdout")),
            stderr: read(&self.folder.path().join("stderr")),
            folder: self.folder,
        }
    }

    fn spawn(&self) -> Result<(Child, PathBuf)> {
        let folder = self.folder.path();
        let config_path = folder.join("server.conf");
        let mut command = Command::new(&self.binary);
        if let Some(config) = self.config.as_ref().filter(|_| self.bare) {
            std::fs::write(&config_path, config)?;
            command.arg("-c").arg(&config_path).arg("--ports_file_dir").arg(folder);
        } else if let Some(config) = &self.config {
            let mut text = String::new();
            if self.listen {
                text.push_str("listen: \"127.0.0.1:-1\"\n");
            }
            text.push_str(&format!("ports_file_dir: {:?}\n", folder.display().to_string()));
            text.push_str(config);
            std::fs::write(&config_path, text)?;
            command.arg("-c").arg(&config_path);
        } else {
            command.arg("--ports_file_dir").arg(folder);
            if self.listen {
                command.args(["-a", "127.0.0.1", "-p", "-1"]);
            }
        }
        command
            .args(&self.arguments)
            // What a server keeps per user belongs to this server alone.
            .env("XDG_RUNTIME_DIR", folder)
            .env("XDG_STATE_HOME", folder)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::create(folder.join("stdout"))?)
            .stderr(File::options().create(true).append(true).open(folder.join("stderr"))?);
        let child = command.spawn().with_context(|| format!("start {}", self.binary.display()))?;
        Ok((child, config_path))
    }
}

/// A process that has exited.
#[derive(Debug)]
pub struct Finished {
    /// Exit code, absent when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
    /// Its folder, for looking at what it left behind.
    pub folder: TempDir,
}

/// Runs `binary` with plain arguments (no configuration is added) until it exits.
///
/// # Panics
/// As [`Launch::finish`].
#[track_caller]
pub fn run(binary: &Path, arguments: &[&str]) -> Finished {
    let folder = tempfile::Builder::new().prefix("natsd-").tempdir().expect("temporary folder");
    let (stdout, stderr) = (folder.path().join("stdout"), folder.path().join("stderr"));
    let text = folder.path().display().to_string();
    let mut child = Command::new(binary)
        .args(arguments.iter().map(|argument| argument.replace("$DIR", &text)))
        .stdin(Stdio::null())
        .stdout(File::create(&stdout).expect("stdout file"))
        .stderr(File::create(&stderr).expect("stderr file"))
        .spawn()
        .expect("start the server");
    let Some(status) = wait_exit(&mut child, DEADLINE) else {
        kill_and_reap(&mut child);
        panic!("{arguments:?} still running after {DEADLINE:?}:\n{}", read(&stderr));
    };
    Finished { code: status.code(), stdout: read(&stdout), stderr: read(&stderr), folder }
}

/// A running server.
#[derive(Debug)]
pub struct Server {
    child: Option<Child>,
    config_path: PathBuf,
    ports: Value,
    launch: Launch,
}

impl Server {
    fn wait_ready(&mut self) -> Result<()> {
        let start = Instant::now();
        let pid = self.pid();
        loop {
            if let Some(ports) = read_ports(self.folder(), pid) {
                self.ports = ports;
                return Ok(());
            }
            let child = self.child.as_mut().context("server was stopped")?;
            if let Some(status) = child.try_wait()? {
                bail!("server exited with {status} at start:\n{}", self.log());
            }
            if start.elapsed() > DEADLINE {
                bail!("server wrote no ports file within {DEADLINE:?}:\n{}", self.log());
            }
            pause();
        }
    }

    /// Process id.
    ///
    /// # Panics
    /// When the server was stopped.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("server is running").id()
    }

    /// Whether the process still runs.
    ///
    /// # Panics
    /// When the operating system cannot say.
    pub fn is_running(&mut self) -> bool {
        let child = self.child.as_mut();
        child.is_some_and(|child| child.try_wait().expect("child can be waited for").is_none())
    }

    /// The server's folder: configuration, ports file, output, and whatever a test puts there.
    pub fn folder(&self) -> &Path {
        self.launch.folder.path()
    }

    /// Path of the configuration file.
    pub fn config_path(&self) -> &Path {
        &self.config_path
    }

    /// Everything written to standard error and output so far.
    pub fn log(&self) -> String {
        read(&self.folder().join("stderr")) + &read(&self.folder().join("stdout"))
    }

    /// Waits until the log has a line that contains `text`, and returns that line.
    #[track_caller]
    pub fn wait_log(&self, text: &str) -> String {
        let found = wait_for(DEADLINE, || {
            self.log().lines().find(|line| line.contains(text)).map(str::to_owned)
        });
        found.unwrap_or_else(|| panic!("no line with {text:?} in the log:\n{}", self.log()))
    }

    /// Waits until a file in the server's folder contains `text`.
    #[track_caller]
    pub fn wait_file(&self, name: &str, text: &str) {
        let path = self.folder().join(name);
        let found = wait_for(DEADLINE, || read(&path).contains(text).then_some(()));
        assert!(found.is_some(), "no {text:?} in {name}:\n{}", read(&path));
    }

    /// The ports file as the server wrote it.
    pub fn ports(&self) -> &Value {
        &self.ports
    }

    /// Address of a listener by its key in the ports file, such as `nats` or `monitoring`.
    ///
    /// # Panics
    /// When the server has no such listener.
    #[track_caller]
    pub fn address_of(&self, kind: &str) -> SocketAddr {
        let url = self.ports[kind][0]
            .as_str()
            .unwrap_or_else(|| panic!("no listener {kind:?} in the ports file: {}", self.ports));
        let address = url.rsplit('/').next().unwrap_or_default();
        // A server that listens everywhere is spoken to on loopback.
        let address = address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "127.0.0.1");
        address.parse().unwrap_or_else(|error| panic!("address {url:?}: {error}"))
    }

    /// Address for NATS clients.
    #[track_caller]
    pub fn address(&self) -> SocketAddr {
        self.address_of("nats")
    }

    /// Address of the monitoring port.
    #[track_caller]
    pub fn monitoring(&self) -> SocketAddr {
        self.address_of("monitoring")
    }

    /// GETs a monitoring path.
    ///
    /// # Panics
    /// When the request fails.
    #[track_caller]
    pub fn get(&self, path: &str) -> crate::Response {
        match crate::get(self.monitoring(), path) {
            Ok(response) => response,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Opens a connection and reads its INFO; sends nothing.
    #[track_caller]
    pub fn open(&self) -> RawClient {
        RawClient::open(self.address())
    }

    /// Opens a connection and completes a quiet CONNECT.
    #[track_caller]
    pub fn client(&self) -> RawClient {
        RawClient::connect(self.address(), r#"{"verbose":false,"pedantic":false}"#)
    }

    /// Opens a connection and completes CONNECT with the given JSON.
    #[track_caller]
    pub fn client_with(&self, connect: &str) -> RawClient {
        RawClient::connect(self.address(), connect)
    }

    /// Replaces the configuration file (the given listeners and ports file stay).
    ///
    /// # Panics
    /// When the file cannot be written.
    pub fn rewrite_config(&self, text: &str) {
        let folder = self.folder().display().to_string();
        let mut whole = String::new();
        if self.launch.listen {
            whole.push_str("listen: \"127.0.0.1:-1\"\n");
        }
        whole.push_str(&format!("ports_file_dir: {folder:?}\n"));
        whole.push_str(&text.replace("$DIR", &folder));
        std::fs::write(&self.config_path, whole).expect("rewrite configuration");
    }

    /// Sends a signal by its name, such as `HUP` or `USR2`.
    ///
    /// # Panics
    /// When the process is gone.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let status = Command::new("kill")
            .arg(format!("-{name}"))
            .arg(self.pid().to_string())
            .status()
            .expect("run kill");
        assert!(status.success(), "cannot send SIG{name} to the server");
    }

    /// Waits for the process to exit by itself.
    #[track_caller]
    pub fn wait_exit(&mut self) -> ExitStatus {
        self.wait_exit_within(DEADLINE)
    }

    /// Waits for the process to exit by itself, with a deadline of the test's own.
    #[track_caller]
    pub fn wait_exit_within(&mut self, deadline: Duration) -> ExitStatus {
        let child = self.child.as_mut().expect("server is running");
        match wait_exit(child, deadline) {
            Some(status) => {
                self.child = None;
                status
            }
            None => panic!("server still runs after {deadline:?}:\n{}", self.log()),
        }
    }

    /// Asks the server to stop (SIGINT) and waits for it.
    #[track_caller]
    pub fn stop(&mut self) -> ExitStatus {
        self.signal("INT");
        self.wait_exit()
    }

    /// Kills the process without notice.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            kill_and_reap(&mut child);
        }
    }

    /// Starts the same server again after [`Server::stop`] or [`Server::kill`], on the same
    /// client port, with the configuration file as it is now plus that port.
    #[track_caller]
    pub fn restart(&mut self) {
        let address = self.address();
        self.kill();
        let mut text = read(&self.config_path);
        text = text.replace("listen: \"127.0.0.1:-1\"", &format!("listen: \"{address}\""));
        std::fs::write(&self.config_path, text).expect("rewrite configuration");
        let child = Command::new(&self.launch.binary)
            .arg("-c")
            .arg(&self.config_path)
            .args(&self.launch.arguments)
            .env("XDG_RUNTIME_DIR", self.folder())
            .env("XDG_STATE_HOME", self.folder())
            .envs(self.launch.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(
                File::options()
                    .append(true)
                    .open(self.folder().join("stderr"))
                    .expect("stderr file"),
            )
            .spawn()
            .expect("start the server again");
        self.child = Some(child);
        if let Err(error) = self.wait_ready() {
            panic!("{error:#}");
        }
    }

    /// Waits until the monitoring endpoint `path` satisfies `probe`.
    #[track_caller]
    pub fn wait_monitor<T>(
        &self,
        path: &str,
        what: &str,
        mut probe: impl FnMut(&Value) -> Option<T>,
    ) -> T {
        wait_until(what, DEADLINE, || probe(&self.get(path).json()))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The ports file of process `pid` once it is complete.
fn read_ports(folder: &Path, pid: u32) -> Option<Value> {
    let suffix = format!("_{pid}.ports");
    let entry = std::fs::read_dir(folder)
        .ok()?
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().ends_with(&suffix))?;
    serde_json::from_str(&std::fs::read_to_string(entry.path()).ok()?).ok()
}

fn wait_for<T>(deadline: Duration, mut probe: impl FnMut() -> Option<T>) -> Option<T> {
    let start = Instant::now();
    loop {
        if let Some(value) = probe() {
            return Some(value);
        }
        if start.elapsed() > deadline {
            return None;
        }
        pause();
    }
}

fn wait_exit(child: &mut Child, deadline: Duration) -> Option<ExitStatus> {
    wait_for(deadline, || child.try_wait().expect("child can be waited for"))
}

fn kill_and_reap(child: &mut Child) {
    // Both fail only when the process is gone already, which is what is wanted.
    let _ = child.kill();
    let _ = child.wait();
}

fn read(path: &Path) -> String {
    std::fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}
