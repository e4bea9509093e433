"""Writes streams that a Go server stored, and what the server said of them.

usage: make_go_stream.py NATS_SERVER_BINARY PORT [plain] [chacha] [aes] [backup]

go-stream/ has every kind of record, go-blocks/ several blocks, go-compressed/ compressed ones,
go-consumer.dat is a consumer of the first. go-chacha/ and go-aes/ are whole encrypted streams with
a consumer. go-backup-archive.s2 is a backup of such a stream, not encrypted; go-backup-tar.s2
the same from a server before 2.15, made with 2.11.11.
src/block/tests.rs looks at the records, index.db and thw.db of the first, src/file/tests.rs at
all streams that are not encrypted, src/crypt/tests.rs at those that are, src/archive/tests.rs at the backups.
"""
import asyncio
import base64
import calendar
import hashlib
import json
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import nats

HERE = pathlib.Path(__file__).parent
CIPHERS = ("chacha", "aes")


def nanoseconds(text: str) -> int:
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


def hexadecimal(text: str | None) -> str:
    """The bytes, or the SHA-256 of many."""
    content = base64.b64decode(text or "")
    if len(content) > 200:
        return "sha256:" + hashlib.sha256(content).hexdigest()
    return content.hex() or "-"


async def ask(connection, subject: str, body: dict) -> dict:
    reply = await connection.request(f"$JS.API.{subject}", json.dumps(body).encode())
    answer = json.loads(reply.data)
    assert "error" not in answer, answer
    return answer


async def describe(connection, name: str) -> list[str]:
    state = (await ask(connection, f"STREAM.INFO.{name}", {"deleted_details": True}))["state"]
    lines = [f"state {state['messages']} {state['bytes']} {state['first_seq']} {state['last_seq']}"]
    deleted = state.get("deleted", [])
    lines.append(" ".join(["deleted"] + [str(seq) for seq in deleted]))
    for seq in range(state["first_seq"], state["last_seq"] + 1):
        if seq in deleted:
            continue
        message = (await ask(connection, f"STREAM.MSG.GET.{name}", {"seq": seq}))["message"]
        lines.append(" ".join([
            "message", str(seq), str(nanoseconds(message["time"])), message["subject"],
            hexadecimal(message.get("hdrs")), hexadecimal(message.get("data")),
        ]))
    return lines


async def fill_stream(connection) -> list[str]:
    await ask(connection, "STREAM.CREATE.FIXTURE", {
        "name": "FIXTURE", "subjects": ["fixture.>"], "storage": "file", "allow_msg_ttl": True,
        "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0,
    })
    for number in range(1, 41):
        headers = None
        if number % 5 == 0:
            headers = {"Number": str(number)}
        if number % 10 == 0:
            headers["Nats-TTL"] = "1h"
        body = b"" if number == 7 else b"body %d " % number * (number % 4 + 1)
        subject = f"fixture.{number % 3}.leaf"
        await connection.jetstream().publish(subject, body, headers=headers)
    for seq in (3, 4, 11, 12, 13, 25):
        await ask(connection, "STREAM.MSG.DELETE.FIXTURE", {"seq": seq, "no_erase": True})
    for seq in (20, 21):
        await ask(connection, "STREAM.MSG.DELETE.FIXTURE", {"seq": seq})
    return await describe(connection, "FIXTURE")


async def fill_consumer(connection) -> list[str]:
    """Delivers eight messages, acknowledges three, and one of the others again and again."""
    pull = await connection.jetstream().pull_subscribe("fixture.>", durable="C", stream="FIXTURE")
    messages = await pull.fetch(8)
    for message in (messages[0], messages[1], messages[4]):
        await message.ack_sync()
    for _ in range(2):
        await messages[3].nak()
        messages[3] = (await pull.fetch(1))[0]
    info = await ask(connection, "CONSUMER.INFO.FIXTURE.C", {})
    pairs = [info[name] for name in ("ack_floor", "delivered")]
    numbers = [pair[name] for pair in pairs for name in ("consumer_seq", "stream_seq")]
    numbers += [info["num_ack_pending"], info["num_redelivered"]]
    return [" ".join(["consumer"] + [str(number) for number in numbers])]


async def fill_blocks(connection, name: str, compression: str) -> list[str]:
    # The limit of bytes makes blocks of 32 000 bytes.
    first = name.lower()
    await ask(connection, f"STREAM.CREATE.{name}", {
        "name": name, "subjects": [f"{first}.*"], "compression": compression, "storage": "file", "max_msgs_per_subject": 12,
        "retention": "limits", "max_consumers": -1, "max_msgs": -1, "max_bytes": 100000,
        "max_age": 0,
    })
    for number in range(1, 81):
        subject = f"{first}.{number % 7}"
        await connection.jetstream().publish(subject, b"%d" % number * 500)
    await ask(connection, f"STREAM.PURGE.{name}", {"filter": f"{first}.3", "seq": 60})
    for seq in (1, 2, 29, 30, 33, 80):
        await ask(connection, f"STREAM.MSG.DELETE.{name}", {"seq": seq, "no_erase": True})
    return await describe(connection, name)


async def fill_encrypted(connection) -> list[str]:
    """Two blocks, and a consumer that waits for two acknowledgements."""
    await ask(connection, "STREAM.CREATE.SECRET", {
        "name": "SECRET", "subjects": ["secret.*"], "storage": "file", "retention": "limits",
        "max_consumers": -1, "max_msgs": -1, "max_bytes": 100000, "max_age": 0,
    })
    for number in range(1, 24):
        await connection.jetstream().publish(f"secret.{number % 3}", b"%d" % number * 1000)
    await ask(connection, "STREAM.MSG.DELETE.SECRET", {"seq": 2, "no_erase": True})
    await ask(connection, "STREAM.MSG.DELETE.SECRET", {"seq": 5})
    pull = await connection.jetstream().pull_subscribe("secret.>", durable="C", stream="SECRET")
    messages = await pull.fetch(4)
    await messages[0].ack_sync()
    await messages[2].ack_sync()
    return await describe(connection, "SECRET")


async def fill_backup(connection) -> tuple[bytes, list[str]]:
    answer = await fill_encrypted(connection)
    inbox = connection.new_inbox()
    subscription = await connection.subscribe(inbox)
    await ask(connection, "STREAM.SNAPSHOT.SECRET", {"deliver_subject": inbox, "chunk_size": 1024})
    chunks = []
    while (message := await subscription.next_msg()).data:
        chunks.append(message.data)
        if message.reply:
            await message.respond(b"")
    return b"".join(chunks), answer


async def fill_plain(connection) -> dict[str, list[str]]:
    return {
        "FIXTURE": await fill_stream(connection),
        "C": await fill_consumer(connection),
        "BLOCKS": await fill_blocks(connection, "BLOCKS", "none"),
        "COMPRESSED": await fill_blocks(connection, "COMPRESSED", "s2"),
    }


async def fill_with(port: str, fill):
    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    try:
        return await fill(connection)
    finally:
        await connection.close()


def run(binary: str, port: str, folder: str, jetstream: str, fill):
    """What `fill` says of a server with this configuration, after it was stopped."""
    config = pathlib.Path(folder, "server.conf")
    store = f'store_dir: "{folder}"'
    config.write_text(f"listen: 127.0.0.1:{port}\njetstream {{ {store}, {jetstream} }}\n")
    server = subprocess.Popen([binary, "-c", config], stderr=subprocess.PIPE, text=True)
    while "Server is ready" not in server.stderr.readline():
        pass
    try:
        return asyncio.run(fill_with(port, fill))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait()


def keep(folder: str, target: str, answer: list[str]) -> None:
    shutil.rmtree(HERE / target, ignore_errors=True)
    shutil.copytree(folder, HERE / target)
    (HERE / f"{target}.txt").write_text("\n".join(answer) + "\n")


def make_plain(binary: str, port: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        answers = run(binary, port, folder, "", fill_plain)
        streams = pathlib.Path(folder, "jetstream/$G/streams")
        for name, target in (
            ("FIXTURE", "go-stream"), ("BLOCKS", "go-blocks"), ("COMPRESSED", "go-compressed"),
        ):
            keep(streams / name / "msgs", target, answers[name])
        shutil.copy(streams / "FIXTURE/obs/C/o.dat", HERE / "go-consumer.dat")
        (HERE / "go-consumer.txt").write_text("\n".join(answers["C"]) + "\n")


def make_encrypted(binary: str, port: str, cipher: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        config = f'cipher: {cipher}, key: "key of {cipher}"'
        answer = run(binary, port, folder, config, fill_encrypted)
        keep(pathlib.Path(folder, "jetstream/$G/streams/SECRET"), f"go-{cipher}", answer)


def make_backup(binary: str, port: str) -> None:
    version = subprocess.run([binary, "--version"], capture_output=True, text=True).stdout
    kind = "archive" if "v2.15." in version else "tar"
    with tempfile.TemporaryDirectory() as folder:
        backup, answer = run(binary, port, folder, "", fill_backup)
    (HERE / f"go-backup-{kind}.s2").write_bytes(backup)
    (HERE / f"go-backup-{kind}.txt").write_text("\n".join(answer) + "\n")


def main() -> None:
    binary, port, *only = sys.argv[1:]
    if not only or "backup" in only:
        make_backup(binary, port)
    if not only or "plain" in only:
        make_plain(binary, port)
    for cipher in CIPHERS:
        if not only or cipher in only:
            make_encrypted(binary, port, cipher)


main()
