"""Writes go-stream/ and go-stream.txt: a stream that a Go server stored, and what it said of it.

usage: make_go_stream.py NATS_SERVER_BINARY PORT

The records are looked at by src/block/tests.rs, the set in index.db by src/sequence_set/tests.rs
and thw.db by src/wheel/tests.rs.
"""
import asyncio
import base64
import calendar
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


def nanoseconds(text: str) -> int:
    whole, _, fraction = text.rstrip("Z").partition(".")
    seconds = calendar.timegm(time.strptime(whole, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


def hexadecimal(text: str | None) -> str:
    return base64.b64decode(text or "").hex() or "-"


async def fill(port: str) -> list[str]:
    connection = await nats.connect(f"nats://127.0.0.1:{port}")
    stream = connection.jetstream()

    async def ask(subject: str, body: dict) -> dict:
        reply = await connection.request(f"$JS.API.{subject}", json.dumps(body).encode())
        answer = json.loads(reply.data)
        assert "error" not in answer, answer
        return answer

    await ask("STREAM.CREATE.FIXTURE", {
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
        await stream.publish(f"fixture.{number % 3}.leaf", body, headers=headers)
    for seq in (3, 4, 11, 12, 13, 25):
        await ask("STREAM.MSG.DELETE.FIXTURE", {"seq": seq, "no_erase": True})
    for seq in (20, 21):
        await ask("STREAM.MSG.DELETE.FIXTURE", {"seq": seq})
    state = (await ask("STREAM.INFO.FIXTURE", {"deleted_details": True}))["state"]
    lines = [f"state {state['messages']} {state['bytes']} {state['first_seq']} {state['last_seq']}"]
    lines.append("deleted " + " ".join(str(seq) for seq in state["deleted"]))
    for seq in range(1, 41):
        if seq in state["deleted"]:
            continue
        message = (await ask("STREAM.MSG.GET.FIXTURE", {"seq": seq}))["message"]
        lines.append(" ".join([
            "message", str(seq), str(nanoseconds(message["time"])), message["subject"],
            hexadecimal(message.get("hdrs")), hexadecimal(message.get("data")),
        ]))
    await connection.close()
    return lines


def main() -> None:
    binary, port = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "-js", "-sd", folder, "-a", "127.0.0.1", "-p", port]
        server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        while "Server is ready" not in server.stderr.readline():
            pass
        try:
            lines = asyncio.run(fill(port))
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()
        messages = pathlib.Path(folder, "jetstream/$G/streams/FIXTURE/msgs")
        shutil.rmtree(HERE / "go-stream", ignore_errors=True)
        shutil.copytree(messages, HERE / "go-stream")
        (HERE / "go-stream.txt").write_text("\n".join(lines) + "\n")


main()
