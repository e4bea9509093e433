//! Runs the built `natsctl` and keeps what it said.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::OnceLock;

use natsd_testkit::{DEADLINE, Launch, Server, server_binary, target_dir, wait_until};
use tempfile::TempDir;

/// Path of the server under test. Where natsd is meant and not built yet, it is built.
pub(crate) fn binary() -> PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    let find = || {
        let binary = server_binary(None);
        if !binary.is_file() {
            let status = Command::new(env!("CARGO"))
                .args(["build", "--quiet", "--package", "natsd", "--target-dir"])
                .arg(target_dir())
                .current_dir(env!("CARGO_MANIFEST_DIR"))
                .status()
                .expect("cargo starts");
            assert!(status.success(), "natsd cannot be built");
        }
        binary
    };
    BINARY.get_or_init(find).clone()
}

/// A running server with this configuration and a random port.
#[track_caller]
pub(crate) fn server(config: &str) -> Server {
    Launch::new(&binary()).config(config).start()
}

/// A `natsctl` to be run.
pub(crate) struct Ctl {
    command: Command,
    input: Option<Vec<u8>>,
    output_is_pipe: bool,
}

/// A `natsctl` whose configuration lies in `folder`, untouched by the user's environment.
pub(crate) fn ctl(folder: &Path) -> Ctl {
    let mut command = Command::new(env!("CARGO_BIN_EXE_natsctl"));
    command
        .env_clear()
        .envs(std::env::var_os("PATH").map(|path| ("PATH", path)))
        .env("HOME", folder)
        .env("XDG_CONFIG_HOME", folder.join("config"))
        .current_dir(folder)
        .stdin(Stdio::null());
    Ctl { command, input: None, output_is_pipe: false }
}

/// A `natsctl` that knows the server's address.
pub(crate) fn connected(server: &Server) -> Ctl {
    ctl(server.folder()).env("NATS_URL", &format!("nats://{}", server.address()))
}

impl Ctl {
    /// Adds arguments.
    pub(crate) fn args<'a>(mut self, arguments: impl AsRef<[&'a str]>) -> Self {
        self.command.args(arguments.as_ref());
        self
    }

    /// Sets a variable.
    pub(crate) fn env(mut self, name: &str, value: &str) -> Self {
        self.command.env(name, value);
        self
    }

    /// Gives it standard input, as a pipe would.
    pub(crate) fn input(mut self, bytes: &[u8]) -> Self {
        self.input = Some(bytes.to_vec());
        self
    }

    /// Lets it write standard output into a pipe, which [`Running::close_output`] closes.
    pub(crate) fn pipe_output(mut self) -> Self {
        self.output_is_pipe = true;
        self
    }

    /// Runs it to its end.
    #[track_caller]
    pub(crate) fn done(self) -> Done {
        Running::spawn(self).wait()
    }
}

/// How a `natsctl` ended.
#[derive(Debug)]
pub(crate) struct Done {
    /// Exit code, absent when a signal ended it.
    pub(crate) code: Option<i32>,
    /// What it wrote to standard output.
    pub(crate) stdout: String,
    /// What it wrote to standard error.
    pub(crate) stderr: String,
}

impl Done {
    /// The same, if it ended with success.
    #[track_caller]
    pub(crate) fn success(self) -> Self {
        assert_eq!(self.code, Some(0), "{}{}", self.stdout, self.stderr);
        self
    }
}

/// Runs it to its end and compares everything.
#[track_caller]
pub(crate) fn check(ctl: Ctl, code: i32, stdout: &str, stderr: &str) {
    let done = ctl.done();
    assert_eq!(
        (done.code, done.stdout.as_str(), done.stderr.as_str()),
        (Some(code), stdout, stderr)
    );
}

/// A `natsctl` that runs; killed when dropped.
pub(crate) struct Running {
    child: Child,
    folder: TempDir,
}

impl Running {
    #[track_caller]
    fn spawn(ctl: Ctl) -> Self {
        let Ctl { mut command, input, output_is_pipe } = ctl;
        let folder = tempfile::tempdir().expect("temporary folder");
        let file = |name: &str| File::create(folder.path().join(name)).expect("a file");
        if input.is_some() {
            command.stdin(Stdio::piped());
        }
        command.stdout(file("stdout")).stderr(file("stderr"));
        if output_is_pipe {
            command.stdout(Stdio::piped());
        }
        let mut child = command.spawn().expect("natsctl starts");
        if let Some(input) = input {
            let mut stdin = child.stdin.take().expect("it was piped");
            stdin.write_all(&input).expect("natsctl reads its input");
        }
        Self { child, folder }
    }

    /// Starts it and waits until its standard error contains `ready`.
    #[track_caller]
    pub(crate) fn start(ctl: Ctl, ready: &str) -> Self {
        let mut running = Self::spawn(ctl);
        wait_until(ready, DEADLINE, || {
            let text = running.read("stderr");
            if let Some(status) = running.exited() {
                panic!("natsctl ended with {status} before {ready:?}:\n{text}");
            }
            text.contains(ready).then_some(())
        });
        running
    }

    /// Waits until its standard error contains `text`.
    #[track_caller]
    pub(crate) fn wait_said(&self, text: &str) {
        wait_until(text, DEADLINE, || self.read("stderr").contains(text).then_some(()));
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.exited().is_some()
    }

    /// Goes away as a reader of its standard output.
    pub(crate) fn close_output(&mut self) {
        drop(self.child.stdout.take().expect("output was piped"));
    }

    fn exited(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().expect("a child can be waited for")
    }

    fn read(&self, name: &str) -> String {
        let bytes = std::fs::read(self.folder.path().join(name)).expect("the file is there");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Waits for its end.
    #[track_caller]
    pub(crate) fn wait(mut self) -> Done {
        let status = wait_until("natsctl to end", DEADLINE, || self.exited());
        Done { code: status.code(), stdout: self.read("stdout"), stderr: self.read("stderr") }
    }

    /// Asks it to end as Ctrl-C does, and waits.
    #[track_caller]
    pub(crate) fn interrupt(self) -> Done {
        let pid = self.child.id().to_string();
        let status = Command::new("kill").args(["-INT", &pid]).status().expect("kill starts");
        assert!(status.success(), "natsctl runs");
        self.wait()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended already where the test went well.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
