// watchContainers against servers that do what a real one does only in bad times.

import assert from "node:assert/strict";
import { test } from "node:test";
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient, createRouterTransport, type HandlerContext } from "@connectrpc/connect";
import { ContainerService, watchContainers, type WatchRequest, type WatchResponse, WatchResponseSchema } from "@plimsoll/client";

type Step = MessageInitShape<typeof WatchResponseSchema>["step"];
const part = (id: string, last = false): Step => ({ case: "snapshot", value: { containers: [{ id }], last } });
const message = (revision: bigint, step: Step = { case: "bookmark", value: {} }) => create(WatchResponseSchema, { revision, step });

/** A server that answers each watch with the next of these, and keeps what it was asked. */
function serverOf(...watches: ((context: HandlerContext) => AsyncIterable<WatchResponse>)[]) {
  const requests: WatchRequest[] = [];
  const transport = createRouterTransport((router) => {
    router.service(ContainerService, {
      watch: (request, context) => {
        requests.push(request);
        return watches[requests.length - 1]!(context);
      },
    });
  });
  return { requests, service: createClient(ContainerService, transport) };
}

async function* unavailable(...messages: WatchResponse[]) {
  yield* messages;
  throw new ConnectError("gone", Code.Unavailable);
}

test("half a snapshot is not passed on, and is begun again", { timeout: 10_000 }, async () => {
  const { requests, service } = serverOf(
    () => unavailable(message(0n, part("a")), message(0n, part("b"))),
    () => unavailable(message(0n, part("a")), message(7n, part("c", true))),
    () => unavailable(message(7n), message(9n)),
  );
  const seen: [bigint, string[]][] = [];
  for await (const { revision, step } of watchContainers(service, { snapshot: true, filters: ["id"] })) {
    seen.push([revision, step.case === "snapshot" ? step.value.containers.map((c) => c.id) : []]);
    if (revision === 9n) {
      break;
    }
  }
  assert.deepEqual(seen, [[0n, ["a"]], [7n, ["c"]], [7n, []], [9n, []]]);
  assert.deepEqual(requests.map((r) => [r.snapshot, r.afterRevision, r.filters]), [
    [true, undefined, ["id"]], [true, undefined, ["id"]], [false, 7n, ["id"]],
  ]);
});

test("a connection that falls silent is given up", { timeout: 10_000 }, async () => {
  const { requests, service } = serverOf(
    async function* (context) {
      yield message(5n);
      await new Promise((resolve) => context.signal.addEventListener("abort", resolve));
    },
    () => unavailable(message(6n)),
  );
  for await (const { revision } of watchContainers(service, { bookmarkInterval: { seconds: 1n } })) {
    if (revision === 6n) {
      break;
    }
  }
  assert.deepEqual(requests.map((r) => r.afterRevision), [undefined, 5n]);
});

test("what the server objects to is thrown, after it has begun too", { timeout: 10_000 }, async () => {
  const { service } = serverOf(
    () => unavailable(message(5n)),
    async function* () { throw new ConnectError("compacted", Code.OutOfRange); },
  );
  const watch = watchContainers(service);
  assert.equal((await watch.next()).value?.revision, 5n);
  await assert.rejects(watch.next(), { code: Code.OutOfRange });
});

test("a watch ends when it is told to, also while it waits", { timeout: 10_000 }, async () => {
  const { requests, service } = serverOf(() => unavailable(message(5n)));
  const stop = new AbortController();
  for await (const _ of watchContainers(service, {}, { signal: stop.signal })) {
    setTimeout(() => stop.abort(), 50); // before it would try again
  }
  assert.equal(requests.length, 1);
});
