//! Runs NATS clients of other languages as processes.
//!
//! Installs them below the target directory on first use, from the registries and with the
//! versions that `py/requirements.txt` and `js/package-lock.json` pin. Never touches the sources.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

/// How long one scenario of one client may take.
const SCENARIO_TIME: Duration = Duration::from_secs(60);

/// A client of another language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// nats-py.
    Python,
    /// `@nats-io/transport-node`.
    Node,
}

/// Where to connect and who to be.
#[derive(Debug, Clone, Default)]
pub struct Login {
    /// Server URLs, separated by commas.
    pub servers: String,
    /// Authority's certificate, for TLS.
    pub authority: Option<PathBuf>,
    /// User and password.
    pub user: Option<(String, String)>,
    /// Token.
    pub token: Option<String>,
}

/// A scenario that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    name: String,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
    errors: ChildStderr,
}

impl Foreign {
    /// Starts a scenario.
    ///
    /// # Errors
    /// When the client cannot be installed or started.
    pub fn start(self, scenario: &str, login: &Login) -> Result<Running> {
        let mut command = match self {
            Self::Python => {
                let mut command = Command::new("python3");
                command.arg(sources().join("py/client.py")).env("PYTHONPATH", installed_python()?);
                command
            }
            Self::Node => {
                let mut command = Command::new("node");
                command.arg(installed_node()?.join("client.mjs"));
                command
            }
        };
        command.arg(scenario).env("SERVERS", &login.servers);
        if let Some(authority) = &login.authority {
            command.env("CA", authority);
        }
        if let Some((user, password)) = &login.user {
            command.env("USER_NAME", user).env("PASSWORD", password);
        }
        if let Some(token) = &login.token {
            command.env("TOKEN", token);
        }
        let name = format!("{self:?} client, scenario {scenario}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let stdout = child.stdout.take().context("stdout is piped")?;
        let errors = child.stderr.take().context("stderr is piped")?;
        Ok(Running { child, name, lines: BufReader::new(stdout).lines(), errors })
    }
}

impl Running {
    /// Waits for the line `ready`.
    ///
    /// # Errors
    /// When the client ends instead; the text holds what it said.
    pub fn wait_ready(&mut self) -> Result<()> {
        for line in self.lines.by_ref() {
            if line? == "ready" {
                return Ok(());
            }
        }
        let complaint = self.complaint();
        bail!("{} ended before it was ready:\n{complaint}", self.name);
    }

    /// Waits for a good end.
    ///
    /// # Errors
    /// When the client fails or takes too long; the text holds what it said.
    pub fn finish(mut self) -> Result<()> {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                if status.success() {
                    return Ok(());
                }
                let complaint = self.complaint();
                bail!("{} failed with {status}:\n{complaint}", self.name);
            }
            if start.elapsed() > SCENARIO_TIME {
                self.child.kill()?;
                let complaint = self.complaint();
                bail!("{} takes too long:\n{complaint}", self.name);
            }
            natsd_testkit::pause();
        }
    }

    fn complaint(&mut self) -> String {
        let mut text = String::new();
        // Best effort: what can be read is shown beside the failure itself.
        let _ = self.errors.read_to_string(&mut text);
        text
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn sources() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The folder with nats-py in it.
fn installed_python() -> Result<PathBuf> {
    static FOLDER: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    install_once(&FOLDER, "python", &["py/requirements.txt"], |folder| {
        let mut command = Command::new("python3");
        command
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .arg("--target")
            .arg(folder)
            .arg("-r")
            .arg(sources().join("py/requirements.txt"));
        command
    })
}

/// The folder with the script and its `node_modules`.
fn installed_node() -> Result<PathBuf> {
    static FOLDER: OnceLock<std::result::Result<PathBuf, String>> = OnceLock::new();
    let folder =
        install_once(&FOLDER, "node", &["js/package.json", "js/package-lock.json"], |folder| {
            let mut command = Command::new("npm");
            command.args(["ci", "--no-audit", "--no-fund"]).current_dir(folder);
            command
        })?;
    let script = folder.join("client.mjs");
    std::fs::copy(sources().join("js/client.mjs"), &script).context("copy the script")?;
    Ok(folder)
}

/// Installs into a folder named after what is pinned, unless it is there.
fn install_once(
    once: &OnceLock<std::result::Result<PathBuf, String>>,
    kind: &str,
    pins: &[&str],
    command: impl FnOnce(&Path) -> Command,
) -> Result<PathBuf> {
    once.get_or_init(|| install(kind, pins, command).map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|text| anyhow::anyhow!(text))
}

fn install(kind: &str, pins: &[&str], command: impl FnOnce(&Path) -> Command) -> Result<PathBuf> {
    let mut pinned = Vec::new();
    for pin in pins {
        pinned.extend(std::fs::read(sources().join(pin)).with_context(|| format!("read {pin}"))?);
    }
    let parent = natsd_testkit::target_dir().join("interop");
    let folder = parent.join(format!("{kind}-{:016x}", fingerprint(&pinned)));
    if folder.is_dir() {
        return Ok(folder);
    }
    std::fs::create_dir_all(&parent)?;
    let fresh = tempfile::Builder::new().prefix("install-").tempdir_in(&parent)?;
    for pin in pins {
        let name = Path::new(pin).file_name().context("a file name")?;
        std::fs::copy(sources().join(pin), fresh.path().join(name))?;
    }
    let output =
        command(fresh.path()).output().with_context(|| format!("install the {kind} client"))?;
    if !output.status.success() {
        bail!(
            "the {kind} client cannot be installed:\n{}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let fresh = fresh.keep();
    if std::fs::rename(&fresh, &folder).is_err() {
        // Another test process was faster: its folder is as good.
        std::fs::remove_dir_all(&fresh)?;
    }
    Ok(folder)
}

/// FNV-1a: names a folder, nothing more.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
