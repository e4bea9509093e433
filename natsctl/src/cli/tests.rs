//! The command line is sound and keeps natscli's spellings.

use clap::CommandFactory;

use super::*;

#[test]
fn declarations_are_sound() {
    Cli::command().debug_assert();
}

#[test]
fn spellings_of_natscli_are_understood() {
    for line in [
        "pub s body -H A:1 --header B:2 --count 3 --sleep 5ms -q --reply r --templates",
        "publish s --force-stdin",
        "sub a b --queue q --count 1 -r --wait 1s",
        "sub a --headers-only --delta-time",
        "subscribe a --max-wait 1s -t",
        "req s b --replies 2 --reply-timeout 1s --raw",
        "request s --wait-for-empty --timeout 3s",
        "reply s b --queue q --count 1",
        "reply s --echo",
        "reply s --command date",
        "rtt 3 -j",
        "rtt --json",
        "bench pub s --clients 2 --msgs 10 --size 4KB --no-progress -o csv",
        "bench service request s --msgs 1",
        "bench service serve s",
        "server ping 3 -s nats://a:1,b:2 --user u --password p",
        "srv info",
        "ctx ls --names",
        "context add x -s host --description text --select --tls-first",
        "--context x --trace --inbox-prefix _I.me --connection-name n rtt",
        "completion fish",
    ] {
        let words = std::iter::once("natsctl").chain(line.split(' '));
        if let Err(error) = Cli::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn wrong_usage_is_refused() {
    for line in [
        "",
        "pub",
        "sub",
        "nonsense",
        "pub s b --count x",
        "rtt --timeout 5",
        "sub a --wait soon",
        "rtt -o csv",
        "rtt -j -o json",
        "reply s --echo --command date",
        "bench pub s --msgs 0",
        "bench pub s --clients 0",
    ] {
        let words = std::iter::once("natsctl").chain(line.split_whitespace());
        let error = Cli::try_parse_from(words).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}
