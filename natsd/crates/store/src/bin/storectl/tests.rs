use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use clap::CommandFactory;

use crate::Cli;
use crate::guard::store_dir_of;
use crate::progress::Progress;

/// Keeps what is written.
#[derive(Clone, Default)]
struct Terminal(Arc<Mutex<Vec<u8>>>);

impl Write for Terminal {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Terminal {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

#[test]
fn progress_is_one_line_that_goes_away() {
    let terminal = Terminal::default();
    let progress = Progress::new(Some(Box::new(terminal.clone())));
    progress.clear();
    assert_eq!(terminal.text(), "");
    progress.begin("1 of 2: A > S\x1b[31m".to_owned());
    // It is not written more often than somebody can read.
    for number in 1..1000 {
        progress.open(Path::new(&format!("/A/streams/S/msgs/{number}.blk")));
    }
    let text = terminal.text();
    assert!(text.starts_with("\r1 of 2: A > S[31m\x1b[K"), "{text:?}");
    assert!(text.matches('\r').count() < 100, "{text:?}");
    progress.clear();
    progress.open(Path::new("/A/streams/S/msgs/index.db"));
    progress.open(Path::new("/A/streams/S/msgs/17.blk"));
    let text = terminal.text();
    assert!(text.ends_with("\r\x1b[K\r1 of 2: A > S[31m, block 17\x1b[K"), "{text:?}");
    progress.clear();
    progress.begin("x".repeat(500));
    let last = terminal.text().rsplit('\r').next().unwrap().to_owned();
    assert_eq!(last, format!("{}\x1b[K", "x".repeat(79)));
}

#[test]
fn the_store_directory_of_a_folder_is_found() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path().canonicalize().unwrap();
    let cases = [
        ("store/jetstream/A/streams/S/msgs", "store", Some("store")),
        ("store/jetstream/A/streams/S/msgs", "store/jetstream", Some("store")),
        ("store/jetstream/A/streams/S/msgs", "store/jetstream/A/streams/S", Some("store")),
        ("store/jetstream/A/_js_/G/msgs", "store/jetstream/A/_js_/G", Some("store")),
        (
            "store/jetstream/A/streams/S/batches/B/msgs",
            "store/jetstream/A/streams/S/batches/B",
            Some("store"),
        ),
        ("new/natsd-journal/0", "new", Some("new")),
        ("jetstream/jetstream/A/streams/S", "jetstream", Some("jetstream")),
        ("jetstream/jetstream/A/streams/S", "jetstream/jetstream/A/streams/S", Some("jetstream")),
        ("else/jetstream/copies/S/msgs", "else/jetstream/copies/S", None),
        ("copies/S/msgs", "copies/S", None),
        ("copies", "copies/absent", None),
    ];
    for (folder, dir, expected) in cases {
        std::fs::create_dir_all(root.join(folder)).unwrap();
        let expected = expected.map(|expected| root.join(expected));
        assert_eq!(store_dir_of(&root.join(dir)), expected, "{dir}");
    }
    // Through a link.
    let link = root.join("link");
    std::os::unix::fs::symlink(root.join("store/jetstream/A/streams/S"), &link).unwrap();
    assert_eq!(store_dir_of(&link), Some(root.join("store")));
    let volume = root.join("volume");
    std::fs::create_dir_all(volume.join("streams/S/msgs")).unwrap();
    std::os::unix::fs::symlink(&volume, root.join("store/jetstream/B")).unwrap();
    let linked = root.join("store/jetstream/B/streams/S");
    assert_eq!(store_dir_of(&linked), Some(root.join("store")));
}

#[test]
fn the_options_are_sound_and_name_no_key() {
    let mut command = Cli::command();
    command.clone().debug_assert();
    let help = command.render_long_help().to_string();
    for part in ["--key-file", "--previous-key-file", "NATSD_STORE_PREVIOUS_KEY", "takes no lock"] {
        assert!(help.contains(part), "no {part} in {help}");
    }
    for wrong in ["--key", "--previous-key"] {
        let parsed = command.try_get_matches_from_mut(["storectl", "list", "x", wrong, "secret"]);
        assert!(parsed.is_err(), "{wrong}");
    }
}
