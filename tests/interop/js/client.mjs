// One NATS client for the interoperability test: does a scenario and exits with 0 when all was well.
//
// Reads SERVERS (comma separated), and when set CA, USER_NAME, PASSWORD, TOKEN from the environment.
import assert from "node:assert/strict";
import { connect, errors, headers } from "@nats-io/transport-node";

const PATIENCE = 10_000;
const text = new TextEncoder();

function options() {
  const { SERVERS, CA, USER_NAME, PASSWORD, TOKEN } = process.env;
  return {
    servers: SERVERS.split(","),
    reconnectTimeWait: 100,
    reconnectJitter: 0,
    reconnectJitterTLS: 0,
    maxReconnectAttempts: -1,
    timeout: PATIENCE,
    ...(CA ? { tls: { caFile: CA } } : {}),
    ...(USER_NAME ? { user: USER_NAME, pass: PASSWORD } : {}),
    ...(TOKEN ? { token: TOKEN } : {}),
  };
}

async function within(what, promise) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`gave up waiting for: ${what}`)), PATIENCE);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The next message of a subscription. */
async function next(what, subscription) {
  const { value } = await within(what, subscription[Symbol.asyncIterator]().next());
  return value;
}

async function roundTrip(client, subject) {
  const subscription = client.subscribe(subject, { max: 1 });
  client.publish(subject, "hello");
  assert.equal((await next("own message", subscription)).string(), "hello");
}

async function queueGroups(client) {
  const counts = [0, 0];
  await within("200 messages in the queue group", new Promise((resolve) => {
    for (const index of [0, 1]) {
      client.subscribe("work.*", {
        queue: "workers",
        callback: () => {
          counts[index] += 1;
          if (counts[0] + counts[1] === 200) resolve();
        },
      });
    }
    for (let number = 0; number < 200; number++) client.publish(`work.${number}`, "x");
  }));
  await client.flush();
  assert.equal(counts[0] + counts[1], 200);
  assert.ok(Math.min(...counts) > 20, `an even spread: ${counts}`);
}

async function requests(client) {
  client.subscribe("service", {
    queue: "q",
    callback: (_, message) => message.respond(`${message.string()}!`),
  });
  for (let number = 0; number < 200; number++) {
    const reply = await client.request("service", String(number), { timeout: PATIENCE });
    assert.equal(reply.string(), `${number}!`);
  }
  const replies = await Promise.all(
    Array.from({ length: 200 }, () => client.request("service", "x", { timeout: PATIENCE })),
  );
  assert.ok(replies.every((reply) => reply.string() === "x!"));
}

async function withHeaders(client) {
  client.subscribe("headers", {
    callback: (_, message) => message.respond(message.headers.get("Name")),
  });
  const sent = headers();
  sent.set("Name", "value: with colon");
  const reply = await client.request("headers", "", { timeout: PATIENCE, headers: sent });
  assert.equal(reply.string(), "value: with colon");
  const subscription = client.subscribe("both", { max: 1 });
  const both = headers();
  both.append("A", "1");
  both.append("A", "2");
  client.publish("both", "body", { headers: both });
  const message = await next("a message with headers", subscription);
  assert.deepEqual(message.headers.values("A"), ["1", "2"]);
  assert.equal(message.string(), "body");
}

async function noResponders(client) {
  await assert.rejects(
    client.request("nobody.is.here", "", { timeout: PATIENCE }),
    (error) => error instanceof errors.RequestError && error.isNoResponders(),
  );
}

async function drain(client) {
  const other = await connect(options());
  let received = 0;
  client.subscribe("drained", { callback: () => (received += 1) });
  await client.flush();
  for (let number = 0; number < 500; number++) other.publish("drained", text.encode(String(number)));
  await other.flush();
  await within("the drain", client.drain());
  assert.equal(received, 500);
  assert.ok(client.isClosed());
  await other.close();
}

async function basics() {
  const client = await connect(options());
  await roundTrip(client, "one");
  await queueGroups(client);
  await requests(client);
  await withHeaders(client);
  await noResponders(client);
  await drain(client);
}

async function reconnect() {
  const client = await connect(options());
  const subscription = client.subscribe("kept", { max: 1 });
  await client.flush();
  const again = (async () => {
    for await (const { type } of client.status()) {
      if (type === "reconnect") return;
    }
    throw new Error("the connection was closed");
  })();
  console.log("ready");
  await within("the connection to come back", again);
  await roundTrip(client, "after");
  client.publish("kept", "still here");
  assert.equal((await next("a message on the old subscription", subscription)).string(), "still here");
  await client.close();
}

const scenarios = { basics, reconnect };
try {
  await scenarios[process.argv[2]]();
} catch (error) {
  console.error(error);
  process.exit(1);
}
