"""One NATS client for the interoperability test: does a scenario and exits with 0 when all was well.

Reads SERVERS (comma separated), and when set CA, USER_NAME, PASSWORD, TOKEN from the environment.
"""
import asyncio
import os
import ssl
import sys

import nats
from nats.errors import NoRespondersError

PATIENCE = 10


def options():
    chosen = {
        "servers": os.environ["SERVERS"].split(","),
        "reconnect_time_wait": 0.1,
        "max_reconnect_attempts": -1,
        "connect_timeout": PATIENCE,
    }
    if ca := os.environ.get("CA"):
        chosen["tls"] = ssl.create_default_context(cafile=ca)
    if user := os.environ.get("USER_NAME"):
        chosen["user"], chosen["password"] = user, os.environ["PASSWORD"]
    if token := os.environ.get("TOKEN"):
        chosen["token"] = token
    return chosen


async def within(what, awaitable):
    try:
        return await asyncio.wait_for(awaitable, PATIENCE)
    except (asyncio.TimeoutError, TimeoutError):
        raise SystemExit(f"gave up waiting for: {what}")


async def round_trip(client, subject):
    subscription = await client.subscribe(subject)
    await client.publish(subject, b"hello")
    message = await within("own message", subscription.next_msg(PATIENCE))
    assert message.data == b"hello", message
    await subscription.unsubscribe()


async def queue_groups(client):
    counts = [0, 0]
    done = asyncio.Event()

    def member(index):
        async def handle(_):
            counts[index] += 1
            if sum(counts) == 200:
                done.set()

        return handle

    for index in range(2):
        await client.subscribe("work.*", queue="workers", cb=member(index))
    await settle(client)
    for number in range(200):
        await client.publish(f"work.{number}", b"x")
    await within("200 messages in the queue group", done.wait())
    await settle(client)
    assert sum(counts) == 200 and min(counts) > 20, counts


async def requests(client):
    async def answer(message):
        await message.respond(message.data + b"!")

    await client.subscribe("service", queue="q", cb=answer)
    for number in range(200):
        reply = await client.request("service", str(number).encode(), timeout=PATIENCE)
        assert reply.data == f"{number}!".encode(), reply
    replies = await asyncio.gather(*[client.request("service", b"x", timeout=PATIENCE) for _ in range(200)])
    assert all(reply.data == b"x!" for reply in replies)


async def headers(client):
    async def answer(message):
        await message.respond(message.headers["Name"].encode())

    await client.subscribe("headers", cb=answer)
    reply = await client.request("headers", b"", timeout=PATIENCE, headers={"Name": "value: with colon"})
    assert reply.data == b"value: with colon", reply
    subscription = await client.subscribe("both")
    await client.publish("both", b"body", headers={"A": "1", "B": "2"})
    message = await within("a message with headers", subscription.next_msg(PATIENCE))
    assert (message.headers, message.data) == ({"A": "1", "B": "2"}, b"body"), message


async def settle(client):
    """Waits until the server has done all that this client sent.

    A request that nobody answers comes back. (The client's flush does not do: its PING overtakes.)
    """
    try:
        await client.request("nobody.is.here", b"", timeout=PATIENCE)
    except NoRespondersError:
        return
    raise SystemExit("a request without responders was answered")


async def drain(client):
    other = await nats.connect(**options())
    received = []

    async def handle(message):
        await asyncio.sleep(0)
        received.append(message.data)

    await client.subscribe("drained", cb=handle)
    await settle(client)
    for number in range(500):
        await other.publish("drained", str(number).encode())
    await settle(other)
    await within("the drain", client.drain())
    assert len(received) == 500, len(received)
    assert client.is_closed
    await other.close()


async def basics():
    client = await nats.connect(**options())
    await round_trip(client, "one")
    await queue_groups(client)
    await requests(client)
    await headers(client)
    await settle(client)
    await drain(client)


async def reconnect():
    again = asyncio.Event()

    async def reconnected():
        again.set()

    client = await nats.connect(reconnected_cb=reconnected, **options())
    subscription = await client.subscribe("kept")
    await settle(client)
    print("ready", flush=True)
    await within("the connection to come back", again.wait())
    await round_trip(client, "after")
    await client.publish("kept", b"still here")
    message = await within("a message on the old subscription", subscription.next_msg(PATIENCE))
    assert message.data == b"still here", message
    await client.close()


asyncio.run({"basics": basics, "reconnect": reconnect}[sys.argv[1]]())
