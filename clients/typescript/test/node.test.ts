import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { Code, ConnectError } from "@connectrpc/connect";
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node";
import { type ClientOptions, createPlimsollClient, violationsOf, watchContainers } from "@plimsoll/client";
import { type Running, startPlimsoll, startProxy } from "./server.js";
import { newContainer, tellContainers, tellService } from "./story.js";

let plimsoll: Running;
before(async () => { plimsoll = await startPlimsoll(); });
after(() => plimsoll.stop());

const clients: { [name: string]: Partial<ClientOptions> } = {
  "connect, by fetch": { protocol: "connect" },
  "grpc-web, by fetch": { protocol: "grpc-web" },
  "connect, HTTP/1.1": { transport: (options) => createConnectTransport({ ...options, httpVersion: "1.1" }) },
  "connect, HTTP/2": { transport: (options) => createConnectTransport({ ...options, httpVersion: "2" }) },
  "grpc-web, HTTP/2": { transport: (options) => createGrpcWebTransport({ ...options, httpVersion: "2" }) },
  "grpc": { transport: createGrpcTransport },
};

for (const [name, options] of Object.entries(clients)) {
  test(`containerd.v1 over ${name}`, { timeout: 20_000 }, () =>
    tellContainers(createPlimsollClient({ baseUrl: plimsoll.url, namespace: "containers", ...options })));
  test(`plimsoll.v1 over ${name}`, { timeout: 20_000 }, () =>
    tellService(createPlimsollClient({ baseUrl: plimsoll.url, namespace: "service", ...options })));
}

test("a client keeps to its namespace", { timeout: 20_000 }, async () => {
  const [one, two] = ["one", "two"].map((namespace) => createPlimsollClient({ baseUrl: plimsoll.url, namespace }).containers);
  const container = { id: "here", image: "docker.io/library/busybox:1.37", runtime: "io.containerd.runc.v2", labels: { team: "core" }, spec: newContainer("here").spec };
  await one!.create({ container });
  assert.equal((await one!.list({})).containers.length, 1);
  assert.equal((await two!.list({})).containers.length, 0);
  assert.equal((await two!.list({}, { headers: { "containerd-namespace": "one" } })).containers.length, 1);
});

test("violationsOf takes any error", () => {
  for (const error of [new ConnectError("x", Code.Internal), new TypeError("x"), "x", undefined]) {
    assert.deepEqual(violationsOf(error), { violations: [], count: 0, reason: "", decisionId: "", metadata: {} });
  }
});

test("a watch is taken up again where it broke off", { timeout: 30_000 }, async () => {
  const namespace = "broken";
  const proxy = await startProxy(plimsoll.url);
  const direct = createPlimsollClient({ baseUrl: plimsoll.url, namespace }).service;
  const cut = createPlimsollClient({ baseUrl: proxy.url, namespace }).service;
  try {
    const write = (id: string) => direct.batchCreate({ operations: [{ container: newContainer(id) }] });
    const seen: (string | undefined)[] = [];
    for await (const { step } of watchContainers(cut)) {
      if (step.case === "commit") {
        seen.push(...step.value.events.map((e) => e.container?.id));
      }
      switch (seen.length) {
        case 0: // it has begun
          await write("a");
          break;
        case 1:
          proxy.cut(true);
          await write("b"); // while nobody listens
          await write("c");
          setTimeout(() => proxy.cut(false), 300);
          break;
        case 3:
          proxy.cut(false); // and again, with nobody away for long
          await write("d");
          break;
      }
      if (seen.length === 4) {
        break;
      }
    }
    assert.deepEqual(seen, ["a", "b", "c", "d"]);
  } finally {
    await proxy.stop();
  }
});

test("a watch that cannot begin, or is told no, says so", { timeout: 20_000 }, async () => {
  const { service } = createPlimsollClient({ baseUrl: plimsoll.url });
  const first = (client: typeof service, request: object) => watchContainers(client, request).next();
  await assert.rejects(first(createPlimsollClient({ baseUrl: "http://127.0.0.1:1" }).service, {}), ConnectError);
  await assert.rejects(first(service, { filters: ["=="] }), { code: Code.InvalidArgument });
  const stopped = AbortSignal.abort();
  assert.deepEqual(await watchContainers(service, {}, { signal: stopped }).next(), { done: true, value: undefined });
});
