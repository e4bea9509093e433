//! `natsctl context`: lists, shows, makes, selects and removes contexts.
//!
//! Source: the files and rules of the `nats` tool; see the module `context`.

use std::io::Write;
use std::process::Command;

use anyhow::{Context as _, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Value, json};

use crate::cli::{ConnectionArgs, Format, FormatArgs};
use crate::context::{Context, Store, redact_url};
use crate::failure::{Failure, note};
use crate::output;

/// Commands on contexts.
#[derive(Debug, Subcommand)]
pub(crate) enum ContextCommand {
    /// List the contexts
    #[command(name = "ls", visible_alias = "list")]
    List(ListArgs),

    /// Show the settings of a context, without its secrets
    #[command(visible_alias = "info")]
    Show(ShowArgs),

    /// Make a context from the connection options given, or change one
    #[command(visible_aliases = ["create", "save"])]
    Add(AddArgs),

    /// Make a copy under another name, changed by the connection options given
    #[command(visible_alias = "cp")]
    Copy(CopyArgs),

    /// Open a context in $VISUAL or $EDITOR
    #[command(visible_alias = "vi")]
    Edit(NameArgs),

    /// Use a context from now on
    #[command(visible_aliases = ["switch", "set"])]
    Select(NameArgs),

    /// Use no context from now on
    Unselect,

    /// Use the context that was selected before
    #[command(alias = "-")]
    Previous,

    /// Remove a context
    #[command(visible_alias = "remove")]
    Rm(RemoveArgs),
}

/// Options of `context ls`.
#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Form of the output
    #[arg(short, long, value_enum, default_value = "table", value_name = "FORM")]
    output: ListForm,

    /// The same as --output json
    #[arg(short, long, conflicts_with_all = ["output", "names"])]
    json: bool,

    /// The same as --output name
    #[arg(long, conflicts_with = "output")]
    names: bool,
}

/// Form of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ListForm {
    /// For people
    Table,
    /// One JSON document
    Json,
    /// One name per line
    Name,
}

/// Options of `context show`.
#[derive(Debug, Args)]
pub(crate) struct ShowArgs {
    /// Name of the context; without, the selected one
    name: Option<String>,

    #[command(flatten)]
    format: FormatArgs,
}

/// A name.
#[derive(Debug, Args)]
pub(crate) struct NameArgs {
    /// Name of the context
    name: String,
}

/// Options of `context add`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  \
    natsctl context add prod --server tls://nats.example.com --creds ~/prod.creds --select\n  \
    natsctl context add prod --description 'the real one'")]
pub(crate) struct AddArgs {
    /// Name of the context
    name: String,

    /// What it is for
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,

    /// Select it
    #[arg(long)]
    select: bool,
}

/// Options of `context copy`.
#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Context to copy
    source: String,

    #[command(flatten)]
    target: AddArgs,
}

/// Options of `context rm`.
#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// Name of the context
    name: String,

    /// Do not ask
    #[arg(short, long)]
    force: bool,
}

/// Runs a command on contexts.
///
/// # Errors
/// When a context is not there, or a file cannot be read or written.
pub(crate) fn run(connection: &ConnectionArgs, command: ContextCommand) -> Result<()> {
    let store = Store::of_user()?;
    match command {
        ContextCommand::List(arguments) => list(&store, &arguments),
        ContextCommand::Show(arguments) => show(&store, &arguments),
        ContextCommand::Add(arguments) => {
            let context = store.find(&arguments.name)?.unwrap_or_else(Context::new);
            save(&store, &arguments, context, connection)
        }
        ContextCommand::Copy(CopyArgs { source, target }) => {
            let context = store.load(&source)?;
            if store.find(&target.name)?.is_some() {
                let name = &target.name;
                return Err(Failure::new(format!("there is a context {name:?} already")).into());
            }
            save(&store, &target, context, connection)
        }
        ContextCommand::Edit(NameArgs { name }) => edit(&store, &name),
        ContextCommand::Select(NameArgs { name }) => {
            store.select(&name)?;
            Ok(output::print_line(&format!("Selected {name}"))?)
        }
        ContextCommand::Unselect => match store.unselect()? {
            Some(name) => Ok(output::print_line(&format!("Unselected {name}"))?),
            None => Err(Failure::new("no context is selected").into()),
        },
        ContextCommand::Previous => {
            let name =
                store.previous()?.ok_or_else(|| Failure::new("no context was selected before"))?;
            store.select(&name)?;
            Ok(output::print_line(&format!("Selected {name}"))?)
        }
        ContextCommand::Rm(arguments) => remove(&store, &arguments),
    }
}

fn list(store: &Store, arguments: &ListArgs) -> Result<()> {
    let form = match (arguments.json, arguments.names) {
        (true, _) => ListForm::Json,
        (_, true) => ListForm::Name,
        _ => arguments.output,
    };
    let names = store.names()?;
    if form == ListForm::Name {
        let lines: String = names.iter().map(|name| format!("{name}\n")).collect();
        return Ok(output::print(lines.as_bytes())?);
    }
    let selected = store.selected()?;
    let mut contexts = Vec::new();
    for name in names {
        let context = store.load(&name)?;
        let is_selected = selected.as_deref() == Some(name.as_str());
        contexts.push((name, context, is_selected));
    }
    if form == ListForm::Json {
        let all: Value = contexts
            .iter()
            .map(|(name, context, is_selected)| {
                json!({"name": name, "description": context.description,
                       "url": redact_url(&context.url), "selected": is_selected})
            })
            .collect();
        return Ok(output::print_json(&all)?);
    }
    if contexts.is_empty() {
        note("there are no contexts; natsctl context add NAME --server URL makes one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = contexts
        .into_iter()
        .map(|(name, context, is_selected)| {
            let mark = if is_selected { "*" } else { "" };
            vec![format!("{name}{mark}"), redact_url(&context.url), context.description]
        })
        .collect();
    Ok(output::print_line(&output::table(&["Name", "Server", "Description"], &rows, &[]))?)
}

fn show(store: &Store, arguments: &ShowArgs) -> Result<()> {
    let name = match &arguments.name {
        Some(name) => name.clone(),
        None => store.selected()?.ok_or_else(|| {
            Failure::new("no context is selected").hint("name one: natsctl context show NAME")
        })?,
    };
    let context = store.load(&name)?;
    if arguments.format.format() == Format::Json {
        let mut document = serde_json::to_value(context.redacted()).context("context to JSON")?;
        document["name"] = name.into();
        return Ok(output::print_json(&document)?);
    }
    let path = store.path(&name)?.display().to_string();
    let settings = context.shown();
    let mut pairs = vec![("name", name)];
    pairs.extend(settings.iter().map(|(key, value)| (key.as_str(), value.clone())));
    pairs.push(("file", path));
    Ok(output::print_line(&output::facts(&pairs))?)
}

fn save(
    store: &Store,
    arguments: &AddArgs,
    mut context: Context,
    connection: &ConnectionArgs,
) -> Result<()> {
    apply(&mut context, connection);
    if let Some(description) = &arguments.description {
        context.description.clone_from(description);
    }
    store.save(&arguments.name, &context)?;
    if arguments.select {
        store.select(&arguments.name)?;
    }
    Ok(output::print_line(&format!("Saved {}", store.path(&arguments.name)?.display()))?)
}

/// Sets in the context what is given by flags.
fn apply(context: &mut Context, connection: &ConnectionArgs) {
    for (field, flag) in [
        (&mut context.url, &connection.server),
        (&mut context.user, &connection.user),
        (&mut context.password, &connection.password),
        (&mut context.token, &connection.token),
        (&mut context.creds, &connection.creds),
        (&mut context.nkey, &connection.nkey),
        (&mut context.cert, &connection.tlscert),
        (&mut context.key, &connection.tlskey),
        (&mut context.ca, &connection.tlsca),
        (&mut context.inbox_prefix, &connection.inbox_prefix),
    ] {
        if let Some(value) = flag {
            field.clone_from(value);
        }
    }
    context.tls_first |= connection.tlsfirst;
    if context.url.is_empty() {
        "nats://127.0.0.1:4222".clone_into(&mut context.url);
    }
}

/// Edits a copy, and takes it over only when it is still a context.
fn edit(store: &Store, name: &str) -> Result<()> {
    let context = store.load(name)?;
    let set = |name| std::env::var(name).ok().filter(|value: &String| !value.trim().is_empty());
    let editor = set("VISUAL").or_else(|| set("EDITOR")).ok_or_else(|| {
        Failure::new("no editor is known").hint("set EDITOR, or use natsctl context add")
    })?;
    let words = crate::program::parse(&editor).map_err(Failure::usage)?.0;
    let (program, arguments) = words.split_first().context("the editor has a name")?;
    let mut copy = tempfile::Builder::new().prefix("natsctl-").suffix(".json").tempfile()?;
    copy.write_all(format!("{:#}\n", serde_json::to_value(&context)?).as_bytes())?;
    let status = Command::new(program)
        .args(arguments)
        .arg(copy.path())
        .status()
        .map_err(|error| Failure::new(format!("cannot start {program:?}: {error}")))?;
    if !status.success() {
        return Err(
            Failure::new(format!("the editor failed with {status}; nothing changed")).into()
        );
    }
    let text = std::fs::read(copy.path()).context("read what was edited")?;
    let edited: Context = serde_json::from_slice(&text).map_err(|error| {
        Failure::new(format!("not a context any more, nothing changed: {error}"))
    })?;
    store.save(name, &edited)?;
    Ok(output::print_line(&format!("Saved {}", store.path(name)?.display()))?)
}

fn remove(store: &Store, arguments: &RemoveArgs) -> Result<()> {
    let name = &arguments.name;
    store.load(name)?;
    if !arguments.force {
        use std::io::IsTerminal;
        if !std::io::stdin().is_terminal() {
            return Err(Failure::usage("removing a context needs a confirmation")
                .hint("--force removes it without one")
                .into());
        }
        note(&format!("Remove context {name}? [y/N]"));
        let mut answer = String::new();
        std::io::stdin().read_line(&mut answer)?;
        if !matches!(answer.trim(), "y" | "Y" | "yes") {
            return Err(Failure::new("nothing removed").into());
        }
    }
    store.remove(name)?;
    Ok(output::print_line(&format!("Removed {name}"))?)
}

#[cfg(test)]
mod tests;
