// What every transport must do, in Node and in browsers: nothing here is of Node.

import { create } from "@bufbuild/protobuf";
import { FieldMaskSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError } from "@connectrpc/connect";
import {
  BatchMode, BatchResult_Outcome, ContainerSchema, type Event, Operation, packSpec, type PlimsollClient, rpc, unpackSpec, violationsOf,
  watchContainers,
} from "@plimsoll/client";

export const runtime = "io.containerd.runc.v2";
export const image = "docker.io/library/busybox:1.37";

const spec = {
  ociVersion: "1.3.0",
  process: { user: { uid: 1000, gid: 1000 }, args: ["sh"], cwd: "/", noNewPrivileges: true },
  root: { path: "rootfs", readonly: true },
  linux: {
    namespaces: ["pid", "ipc", "uts", "mount", "network"].map((type) => ({ type })),
    resources: { devices: [{ allow: false, access: "rwm" }] },
    maskedPaths: [
      "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
      "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/sys/devices/virtual/powercap", "/proc/scsi",
    ],
    readonlyPaths: ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"],
  },
};

/** A container that the built-in rules admit. */
export function newContainer(id: string) {
  return create(ContainerSchema, { id, image, runtime: { name: runtime }, labels: { team: "core" }, spec: packSpec(spec) });
}

function equal(got: unknown, want: unknown, what: string) {
  // Of objects, the order of members does not matter.
  const sorted = (_: string, v: unknown) =>
    v !== null && typeof v === "object" && !Array.isArray(v) ? Object.fromEntries(Object.entries(v).sort()) : v;
  const [a, b] = [JSON.stringify(got, sorted), JSON.stringify(want, sorted)];
  if (a !== b) {
    throw new Error(`${what}: got ${a}, want ${b}`);
  }
}

/** Calls what must fail, and returns its error. */
async function failure(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    return ConnectError.from(error);
  }
  throw new Error("a call succeeded that must fail");
}

/** containerd.v1: a container's life, and denials. It leaves nothing behind. */
export async function tellContainers({ containers }: PlimsollClient) {
  const container = { id: "story", image, runtime, labels: { team: "core" }, spec: packSpec(spec) };
  let revision: string | null = null;
  const created = await containers.create({ container }, { onHeader: (header) => { revision = header.get("plimsoll-revision"); } });
  equal(unpackSpec(created.container?.spec), spec, "the spec");
  equal(Number(revision) > 0, true, "a revision in the headers");

  equal((await containers.get({ id: "story" })).container?.image, image, "Get");
  equal((await containers.list({ filter: "labels.team==core" })).containers.map((c) => c.id), ["story"], "List");
  const updated = await containers.update({
    container: { id: "story", labels: { team: "payments" } },
    updateMask: create(FieldMaskSchema, { paths: ["labels.team"] }),
  });
  equal(updated.container?.labels, { team: "payments" }, "Update");

  const again = await failure(containers.create({ container }));
  equal([again.code, violationsOf(again).reason, violationsOf(again).violations], [Code.AlreadyExists, "ALREADY_EXISTS", []], "a second Create");
  const conflict = await failure(containers.delete({ id: "story" }, { headers: { "plimsoll-if-revision": String(revision) } }));
  equal([conflict.code, violationsOf(conflict).reason], [Code.Aborted, "CONFLICT"], "Delete at an old revision");

  const denied = await failure(containers.create({
    container: { ...container, id: "denied", labels: {}, image: "evil.example.com/tools:1", spec: packSpec({ ...spec, process: { ...spec.process, cwd: "srv" } }) },
  }));
  const { violations, count, reason, decisionId } = violationsOf(denied);
  equal([denied.code, reason], [Code.PermissionDenied, "POLICY_DENIED"], "a denial");
  equal(violations.length, count, "all violations of the denial");
  for (const field of ["image", "labels.team", "spec.process.cwd"]) {
    equal(violations.some((v) => v.field === field && v.message !== "" && v.source !== undefined), true, `a violation of ${field}`);
  }
  equal(denied.metadata.get("plimsoll-decision"), decisionId, "the decision's ID in the headers");
  equal(denied.findDetails(rpc.BadRequestSchema).length, 1, "google.rpc.BadRequest");

  await containers.delete({ id: "story" }, { headers: { "plimsoll-dry-run": "true" } });
  await containers.delete({ id: "story" });
  equal((await failure(containers.get({ id: "story" }))).code, Code.NotFound, "Get after Delete");
}

/** plimsoll.v1: pages, review, batches, history, and a watch of it all. It leaves nothing behind. */
export async function tellService({ service }: PlimsollClient) {
  // What the watch should see: one created beforehand, and then what follows.
  equal((await service.batchCreate({ operations: [{ container: newContainer("s-0") }], mode: BatchMode.ATOMIC })).committed, true, "BatchCreate");
  const stop = new AbortController();
  const events: Event[] = [];
  let snapshot: string[] | undefined;
  let changes: Promise<void> | undefined;
  for await (const { step } of watchContainers(service, { snapshot: true, filters: ["id~=^s-"] }, { signal: stop.signal })) {
    if (step.case === "snapshot" && step.value.last) {
      snapshot = step.value.containers.map((c) => c.id);
      changes = change().catch((error) => {
        stop.abort(); // there is nothing to wait for
        throw error;
      });
    } else if (step.case === "commit") {
      events.push(...step.value.events);
    }
    if (events.length === 5) {
      stop.abort();
    }
  }
  await changes;
  equal(snapshot, ["s-0"], "the snapshot of the watch");
  equal(
    events.map((e) => `${Operation[e.operation]} ${e.container?.id}`).sort(),
    ["CREATE s-1", "DELETE s-0", "DELETE s-1", "UPDATE s-0", "UPDATE s-1"],
    "the events of the watch",
  );

  async function change() {
    const review = await service.review({ operation: { case: "create", value: { container: { ...newContainer("s-1"), labels: {} } } } });
    equal([review.allowed, review.verdict?.violations.map((v) => v.field)], [false, ["labels.team"]], "Review");
    const failed = await service.batchCreate({
      operations: [{ container: newContainer("s-1") }, { container: { ...newContainer("s-2"), labels: {} } }],
      mode: BatchMode.ATOMIC,
    });
    equal([failed.committed, failed.results.map((r) => r.outcome)], [false, [BatchResult_Outcome.ADMITTED, BatchResult_Outcome.DENIED]], "a batch that is denied");
    await service.batchCreate({ operations: [{ container: newContainer("s-1") }] });
    await service.batchUpdate({
      operations: ["s-0", "s-1"].map((id) => ({ container: { id, labels: { tier: "1" } }, updateMask: { paths: ["labels.tier"] } })),
    });
    equal((await service.getContainer({ id: "s-0" })).container?.labels, { team: "core", tier: "1" }, "GetContainer");
    const ids: string[] = [];
    let pageToken = "";
    do {
      const page = await service.listContainers({ filters: ["id~=^s-"], pageSize: 1, pageToken });
      ids.push(...page.containers.map((c) => c.id));
      pageToken = page.nextPageToken;
    } while (pageToken !== "");
    equal(ids, ["s-0", "s-1"], "ListContainers, page by page");
    await service.batchDelete({ operations: ids.map((id) => ({ id })) });
    const { events } = await service.getHistory({ id: "s-1" });
    equal(events.slice(0, 3).map((e) => e.operation), [Operation.DELETE, Operation.UPDATE, Operation.CREATE], "GetHistory");
  }
}

