//! Puts a server under loads that are too long or too large for a test, and says what it did.
//!
//! `cargo run --release -p natsd-bench --bin soak -- --bin target/release/natsd all`

use anyhow::{Context, Result, bail, ensure};
use clap::{Parser, ValueEnum};
use natsd_base::Prng;
use natsd_testkit::{Launch, Server};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Loads a server and checks what it does.
#[derive(Debug, Parser)]
struct Cli {
    /// The server to load
    #[arg(long)]
    bin: PathBuf,
    /// Seconds of garbage
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    #[arg(value_enum)]
    load: Load,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Load {
    /// 10,000 connections and 1,000,000 subscriptions at once
    Many,
    /// A subscriber that stops reading, beside one that goes on
    Slow,
    /// Garbage on 200 connections
    Garbage,
    /// All of them
    All,
}

#[expect(clippy::print_stdout, reason = "a command line tool reports here")]
fn main() -> Result<()> {
    let cli = Cli::parse();
    let chosen = |load| cli.load == load || cli.load == Load::All;
    if chosen(Load::Many) {
        println!("{}", many(&cli)?);
    }
    if chosen(Load::Slow) {
        println!("{}", slow(&cli)?);
    }
    if chosen(Load::Garbage) {
        println!("{}", garbage(&cli)?);
    }
    Ok(())
}

fn start(cli: &Cli, config: &str) -> Result<Server> {
    Launch::new(&cli.bin).config(config).try_start()
}

fn status_kib(server: &Server, key: &str) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.pid()))?;
    let line = status.lines().find(|line| line.starts_with(key)).context("no such line")?;
    Ok(line.split_whitespace().nth(1).context("no value")?.parse()?)
}

fn resident_kib(server: &Server) -> Result<u64> {
    status_kib(server, "VmRSS:")
}

/// The heap and stacks: resident memory without the pages of the program file, which become
/// resident when their code runs for the first time and are the system's to take back.
fn heap_kib(server: &Server) -> Result<u64> {
    status_kib(server, "RssAnon:")
}

/// A blocking client that knows just enough.
struct Client {
    stream: TcpStream,
}

impl Client {
    fn connect(address: SocketAddr) -> Result<Client> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(60)))?;
        let mut client = Client { stream };
        client.send(b"CONNECT {\"verbose\":false,\"pedantic\":false}\r\nPING\r\n")?;
        client.wait_pong()?;
        Ok(client)
    }

    fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.stream.write_all(bytes)?)
    }

    /// Reads up to the next PONG and returns what came before it.
    fn wait_pong(&mut self) -> Result<Vec<u8>> {
        let mut seen = Vec::new();
        let mut buffer = [0; 65_536];
        loop {
            let count = self.stream.read(&mut buffer)?;
            ensure!(count > 0, "the server closed the connection");
            seen.extend_from_slice(&buffer[..count]);
            if seen.ends_with(b"PONG\r\n") {
                return Ok(seen);
            }
        }
    }

    fn flush(&mut self) -> Result<Vec<u8>> {
        self.send(b"PING\r\n")?;
        self.wait_pong()
    }
}

fn many(cli: &Cli) -> Result<String> {
    const CONNECTIONS: usize = 10_000;
    const PER_CONNECTION: usize = 102;
    let server = start(cli, "max_connections: 20000")?;
    let before = resident_kib(&server)?;
    let begin = Instant::now();
    let mut clients = Vec::with_capacity(CONNECTIONS);
    for _ in 0..CONNECTIONS {
        clients.push(Client::connect(server.address())?);
    }
    let connected = begin.elapsed();
    let with_connections = resident_kib(&server)?;
    let begin = Instant::now();
    for (index, client) in clients.iter_mut().enumerate() {
        let mut text = String::new();
        for sid in 0..PER_CONNECTION {
            text.push_str(&format!("SUB site.{index}.*.dev{sid:03}.> {sid}\r\n"));
        }
        client.send(text.as_bytes())?;
    }
    for client in &mut clients {
        client.flush()?;
    }
    let subscribed = begin.elapsed();
    let with_subscriptions = resident_kib(&server)?;
    // Every connection gets exactly its own message.
    let mut publisher = Client::connect(server.address())?;
    for index in 0..CONNECTIONS {
        let sid = index % PER_CONNECTION;
        publisher.send(format!("PUB site.{index}.t.dev{sid:03}.x 2\r\nok\r\n").as_bytes())?;
    }
    publisher.flush()?;
    for (index, client) in clients.iter_mut().enumerate() {
        let sid = index % PER_CONNECTION;
        let got = client.flush()?;
        let wanted = format!("MSG site.{index}.t.dev{sid:03}.x {sid} 2\r\nok\r\nPONG\r\n");
        ensure!(
            got == wanted.as_bytes(),
            "connection {index} got {:?}",
            String::from_utf8_lossy(&got)
        );
    }
    let subscriptions = CONNECTIONS * PER_CONNECTION;
    Ok(format!(
        "many: {CONNECTIONS} connections in {connected:.1?} at {:.1} KiB each, \
         {subscriptions} subscriptions in {subscribed:.1?} at {} bytes each, all delivered to",
        (with_connections - before) as f64 / CONNECTIONS as f64,
        (with_subscriptions - with_connections) * 1024 / subscriptions as u64,
    ))
}

fn slow(cli: &Cli) -> Result<String> {
    const PENDING_MAX: u64 = 8 * 1024 * 1024;
    const MESSAGES: usize = 400_000;
    let mut server = start(cli, "max_pending: 8MB\nwrite_deadline: \"2s\"")?;
    let before = resident_kib(&server)?;
    let mut stuck = Client::connect(server.address())?;
    stuck.send(b"SUB data 1\r\n")?;
    stuck.flush()?;
    let mut healthy = Client::connect(server.address())?;
    healthy.send(b"SUB data 2\r\n")?;
    healthy.flush()?;
    let address = server.address();
    let publisher = std::thread::spawn(move || -> Result<Duration> {
        let mut publisher = Client::connect(address)?;
        let message = format!("PUB data 128\r\n{}\r\n", "x".repeat(128));
        let begin = Instant::now();
        for _ in 0..MESSAGES / 1000 {
            publisher.send(message.repeat(1000).as_bytes())?;
        }
        publisher.flush()?;
        Ok(begin.elapsed())
    });
    let wanted = MESSAGES * ("MSG data 2 128\r\n".len() + 130);
    let begin = Instant::now();
    let (mut got, mut longest_gap) = (0, Duration::ZERO);
    let mut buffer = vec![0; 1 << 20];
    let mut last = Instant::now();
    while got < wanted {
        let count = healthy.stream.read(&mut buffer)?;
        ensure!(count > 0, "the healthy subscriber was closed");
        longest_gap = longest_gap.max(last.elapsed());
        last = Instant::now();
        got += count;
    }
    let took = begin.elapsed();
    let published = publisher.join().expect("the publisher does not panic")?;
    ensure!(server.is_running(), "the server ended");
    // What was sent before the close may still be read; then there is the end.
    let mut read = 0;
    loop {
        match stuck.stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break,
            Err(error) => bail!("the stuck subscriber was not closed: {error}"),
        }
    }
    ensure!(read < wanted, "the stuck subscriber got everything");
    let peak = resident_kib(&server)?;
    Ok(format!(
        "slow: the subscriber that stopped reading was closed, {read} bytes into {wanted}; the other \
         got all {MESSAGES} messages in {took:.1?} (longest gap {longest_gap:.1?}), the publisher \
         took {published:.1?}; limit {PENDING_MAX} bytes, memory {before} KiB before, {peak} KiB after"
    ))
}

const FRAGMENTS: [&[u8]; 16] = [
    b"PUB foo 5\r\nhello\r\n",
    b"PUB foo 999999999\r\n",
    b"HPUB a 10 20\r\nNATS/1.0\r\n\r\n",
    b"SUB > 1\r\n",
    b"SUB foo.* q 2\r\n",
    b"UNSUB 1 1\r\n",
    b"CONNECT {\"verbose\":true,\"headers\":true,\"no_responders\":true}\r\n",
    b"CONNECT {\"user\":\"x\"",
    b"PING\r\n",
    b"PONG\r\n",
    b"-ERR 'x'\r\n",
    b"INFO {}\r\n",
    b"GET / HTTP/1.1\r\n\r\n",
    b"\r\n",
    b"PUB $SYS.REQ.x _INBOX.1 0\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
];

fn garbage(cli: &Cli) -> Result<String> {
    const CONNECTIONS: u64 = 200;
    // The ring of closed connections would fill up and look like a leak.
    let mut server = start(cli, "max_closed_clients: 100\nmax_pending: 4MB")?;
    let mut warm = Client::connect(server.address())?;
    warm.send(b"SUB warm 1\r\n")?;
    warm.flush()?;
    let address = server.address();
    let cold = heap_kib(&server)?;
    for _ in 0..10 {
        let served: Vec<_> =
            (0..CONNECTIONS).map(|id| std::thread::spawn(move || behave(address, id))).collect();
        for thread in served {
            thread.join().expect("a client does not panic")?;
        }
    }
    let (before, resident_before) = (heap_kib(&server)?, resident_kib(&server)?);
    let deadline = Instant::now() + Duration::from_secs(cli.seconds);
    let threads: Vec<_> = (0..CONNECTIONS)
        .map(|seed| std::thread::spawn(move || spray(address, seed, deadline)))
        .collect();
    let (mut sent, mut opened, mut peak) = (0, 0, 0);
    while Instant::now() < deadline {
        std::thread::park_timeout(Duration::from_millis(200));
        peak = peak.max(heap_kib(&server)?);
    }
    for thread in threads {
        let (bytes, connections) = thread.join().expect("a sprayer does not panic");
        sent += bytes;
        opened += connections;
    }
    ensure!(server.is_running(), "the server ended");
    ensure!(!server.log().contains("panicked"), "a task of the server panicked");
    warm.send(b"PUB warm 2\r\nok\r\n")?;
    let answer = warm.flush()?;
    ensure!(answer.windows(9).any(|part| part == b"MSG warm "), "no delivery any more");
    let after = settled_heap_kib(&server, before + HEAP_GROWTH_MAX_KIB / 4)?;
    let resident = resident_kib(&server)?;
    ensure!(after <= before + HEAP_GROWTH_MAX_KIB, "heap {before} KiB before, {after} KiB after");
    Ok(format!(
        "garbage: {sent} bytes on {CONNECTIONS} connections at once, {opened} in all, {} s; still \
         serving; heap {cold} KiB cold, {before} KiB after ten times as many good connections, {peak} KiB at \
         most, {after} KiB after; resident {resident_before} KiB before, {resident} KiB after",
        cli.seconds
    ))
}

/// What the heap may have grown by, once the allocator has given back what it kept: a step of
/// its own bookkeeping, not a connection's worth a thousand times.
const HEAP_GROWTH_MAX_KIB: u64 = 1024;

/// The heap as soon as it is at most `goal_kib`, or after half a minute.
fn settled_heap_kib(server: &Server, goal_kib: u64) -> Result<u64> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let heap = heap_kib(server)?;
        if heap <= goal_kib || Instant::now() > deadline {
            return Ok(heap);
        }
        std::thread::park_timeout(Duration::from_millis(200));
    }
}

/// One connection that subscribes, publishes, gets its message and leaves.
fn behave(address: SocketAddr, id: u64) -> Result<()> {
    let mut client = Client::connect(address)?;
    client.send(format!("SUB good.{id} 1\r\nPUB good.{id} 1000\r\n").as_bytes())?;
    client.send(&[b'x'; 1000])?;
    client.send(b"\r\n")?;
    client.flush()?;
    Ok(())
}

/// Sends garbage on one connection after another. Returns bytes and connections.
fn spray(address: SocketAddr, seed: u64, deadline: Instant) -> (u64, u64) {
    let mut prng = Prng::from_seed(seed);
    let (mut sent, mut opened) = (0, 0);
    let mut buffer = [0; 65_536];
    while Instant::now() < deadline {
        let Ok(mut stream) = TcpStream::connect(address) else { continue };
        opened += 1;
        let _ = stream.set_read_timeout(Some(Duration::from_millis(1)));
        let _ = stream.set_write_timeout(Some(Duration::from_secs(5)));
        for _ in 0..50 {
            let mut chunk = Vec::new();
            for _ in 0..=prng.below(8) {
                chunk.extend_from_slice(FRAGMENTS[prng.below(FRAGMENTS.len())]);
            }
            // Most chunks are broken somewhere, some are pure noise.
            for _ in 0..prng.below(3) {
                let at = prng.below(chunk.len());
                chunk[at] = prng.next_u64().to_le_bytes()[0];
            }
            if prng.below(20) == 0 {
                chunk = (0..prng.below(5000)).map(|_| prng.next_u64().to_le_bytes()[0]).collect();
            }
            if stream.write_all(&chunk).is_err() {
                break;
            }
            sent += chunk.len() as u64;
            match stream.read(&mut buffer) {
                Ok(0) => break,
                Ok(_) => {}
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
                Err(_) => break,
            }
        }
    }
    (sent, opened)
}
