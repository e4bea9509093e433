"""Makes go-raft/: the folders of a meta group and of a consumer's RAFT group.

usage: make_go_raft.py NATS_SERVER
"""
import asyncio
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile

import nats

HERE = pathlib.Path(__file__).parent
CLIENTS = [34701, 34702, 34703]
ROUTES = ", ".join(f"nats-route://127.0.0.1:{port + 10}" for port in CLIENTS)


def start(server: str, base: pathlib.Path, number: int, port: int) -> subprocess.Popen:
    config = base / f"{number}.conf"
    config.write_text(
        f"server_name: n{number}\nlisten: 127.0.0.1:{port}\n"
        f'jetstream {{ store_dir: "{base}/{number}" }}\n'
        f"cluster {{ name: C, listen: 127.0.0.1:{port + 10}, routes: [{ROUTES}] }}\n"
    )
    return subprocess.Popen([server, "-c", str(config), "-l", str(base / f"{number}.log")])


async def retry(action):
    for _ in range(60):
        try:
            return await action()
        except Exception:  # The cluster elects a leader first.
            await asyncio.sleep(0.5)
    raise TimeoutError


async def write() -> None:
    client = await retry(lambda: nats.connect(f"nats://127.0.0.1:{CLIENTS[0]}"))
    stream = client.jetstream()
    await retry(lambda: stream.add_stream(name="S", subjects=["s.>"], num_replicas=3))
    await stream.add_consumer("S", durable_name="D", ack_policy="explicit")
    for number in range(200):
        await stream.publish(f"s.{number % 5}", b"payload %d" % number)
    await client.close()


def main() -> None:
    base = pathlib.Path(tempfile.mkdtemp())
    servers = [start(sys.argv[1], base, number, port) for number, port in enumerate(CLIENTS)]
    try:
        asyncio.run(write())
    finally:
        for server in servers:
            server.send_signal(signal.SIGTERM)
        for server in servers:
            server.wait(20)
    groups = base / "0" / "jetstream" / "$SYS" / "_js_"
    shutil.rmtree(HERE / "go-raft", ignore_errors=True)
    shutil.copytree(groups / "_meta_", HERE / "go-raft" / "_meta_")
    # Its name is random: the test has to be told.
    group = next(groups.glob("C-R3F-*"))
    print(group.name)
    shutil.copytree(group, HERE / "go-raft" / "group")


main()
