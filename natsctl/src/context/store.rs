//! The folder of context files and the choice among them.
//!
//! Files change only by writing a new one beside and renaming it over the old, so that a reader
//! sees one or the other, never half of one.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::Context;
use crate::failure::Failure;

/// The folder that holds `context/NAME.json`, `context.txt` and `previous-context.txt`.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    folder: PathBuf,
}

impl Store {
    /// The user's store: `$XDG_CONFIG_HOME/nats`, else `~/.config/nats`.
    ///
    /// # Errors
    /// When neither variable is set.
    pub(crate) fn of_user() -> Result<Self> {
        let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
        let folder = match (set("XDG_CONFIG_HOME"), set("HOME")) {
            (Some(config), _) => PathBuf::from(config),
            (None, Some(home)) => PathBuf::from(home).join(".config"),
            (None, None) => {
                return Err(Failure::new("cannot find the folder of contexts")
                    .hint("set HOME or XDG_CONFIG_HOME, or use --no-context")
                    .into());
            }
        };
        Ok(Self { folder: folder.join("nats") })
    }

    /// A store in a given folder.
    #[cfg(test)]
    pub(super) fn at(folder: &Path) -> Self {
        Self { folder: folder.to_owned() }
    }

    /// Names of all contexts, sorted.
    ///
    /// # Errors
    /// When the folder is there and cannot be read.
    pub(crate) fn names(&self) -> Result<Vec<String>> {
        let folder = self.folder.join("context");
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => {
                return Err(error).with_context(|| format!("read folder {}", folder.display()));
            }
        };
        let mut names = Vec::new();
        for entry in entries {
            let file_name = entry?.file_name();
            let name = file_name.to_str().and_then(|name| name.strip_suffix(".json"));
            names.extend(name.filter(|name| check_name(name).is_ok()).map(str::to_owned));
        }
        names.sort_unstable();
        Ok(names)
    }

    /// Path of a context's file, whether it is there or not.
    ///
    /// # Errors
    /// When the name is not allowed.
    pub(crate) fn path(&self, name: &str) -> Result<PathBuf> {
        check_name(name)?;
        Ok(self.folder.join("context").join(format!("{name}.json")))
    }

    /// Reads a context; `None` when there is no file of that name.
    ///
    /// # Errors
    /// When the file cannot be read or is not a context.
    pub(crate) fn find(&self, name: &str) -> Result<Option<Context>> {
        let path = self.path(name)?;
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("read {}", path.display())),
        };
        let context = serde_json::from_slice(&text)
            .with_context(|| format!("context {name:?} in {} is damaged", path.display()))?;
        Ok(Some(context))
    }

    /// Reads a context that must be there.
    ///
    /// # Errors
    /// As [`Store::find`], and when there is none of that name.
    pub(crate) fn load(&self, name: &str) -> Result<Context> {
        self.find(name)?.ok_or_else(|| self.unknown(name).into())
    }

    fn unknown(&self, name: &str) -> Failure {
        let failure = Failure::new(format!("there is no context {name:?}"));
        match self.names() {
            Ok(names) if !names.is_empty() => {
                failure.hint(format!("known contexts: {}", names.join(", ")))
            }
            _ => failure.hint(format!("make it: natsctl context add {name} --server URL")),
        }
    }

    /// Writes a context.
    ///
    /// # Errors
    /// When the name is not allowed or the file cannot be written.
    pub(crate) fn save(&self, name: &str, context: &Context) -> Result<()> {
        let path = self.path(name)?;
        let mut text = serde_json::to_vec_pretty(context).context("context to JSON")?;
        text.push(b'\n');
        write_file(&path, &text)
    }

    /// Name of the selected context.
    ///
    /// # Errors
    /// When the file of the choice is there and cannot be read.
    pub(crate) fn selected(&self) -> Result<Option<String>> {
        read_name(&self.folder.join("context.txt"))
    }

    /// Name of the context that was selected before.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(crate) fn previous(&self) -> Result<Option<String>> {
        read_name(&self.folder.join("previous-context.txt"))
    }

    /// Selects a context, remembering the one before.
    ///
    /// # Errors
    /// When there is no such context or the choice cannot be written.
    pub(crate) fn select(&self, name: &str) -> Result<()> {
        self.load(name)?;
        if let Some(before) = self.selected()?.filter(|before| before != name) {
            write_file(&self.folder.join("previous-context.txt"), before.as_bytes())?;
        }
        write_file(&self.folder.join("context.txt"), name.as_bytes())
    }

    /// Selects no context, and returns the one that was selected.
    ///
    /// # Errors
    /// When the choice cannot be written.
    pub(crate) fn unselect(&self) -> Result<Option<String>> {
        let before = self.selected()?;
        if let Some(before) = &before {
            write_file(&self.folder.join("previous-context.txt"), before.as_bytes())?;
            fs::remove_file(self.folder.join("context.txt")).context("forget the choice")?;
        }
        Ok(before)
    }

    /// Removes a context. The selected one stays unless it is the only one.
    ///
    /// # Errors
    /// When it is selected, not there, or cannot be removed.
    pub(crate) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name)?;
        if !path.is_file() {
            return Err(self.unknown(name).into());
        }
        if self.selected()?.as_deref() == Some(name) {
            if self.names()?.len() > 1 {
                return Err(Failure::new(format!("context {name:?} is the selected one"))
                    .hint("select another first, or: natsctl context unselect")
                    .into());
            }
            self.unselect()?;
        }
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }
}

/// Checks a name as the `nats` tool does.
fn check_name(name: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains("..") || name.contains(['/', '\\']) {
        return Err(Failure::usage(format!("{name:?} cannot be the name of a context")));
    }
    Ok(())
}

fn read_name(path: &Path) -> Result<Option<String>> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned()).filter(|name| !name.is_empty())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Replaces a file: a new one beside it (mode 0600 from the first byte), synced, then renamed.
fn write_file(path: &Path, content: &[u8]) -> Result<()> {
    let write = || -> io::Result<()> {
        let folder = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
        make_folder(folder)?;
        let mut fresh = tempfile::Builder::new().prefix(".natsctl-").tempfile_in(folder)?;
        fresh.write_all(content)?;
        fresh.as_file().sync_all()?;
        fresh.persist(path).map_err(|error| error.error)?;
        fs::File::open(folder)?.sync_all()
    };
    write().with_context(|| format!("write {}", path.display()))
}

/// Makes a folder that only the user may enter; one that is there keeps its mode.
fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}
