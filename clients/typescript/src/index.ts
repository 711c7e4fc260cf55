// A client of Plimsoll: generated code for its APIs, and the few things around it that
// every caller needs. Messages of plimsoll.v1 are exported as they are; those of
// containerd.v1, several of which have the same names, as containerdV1.

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { type Any, AnySchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError, createClient, type Interceptor, type Transport } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";
import { Containers } from "./gen/containerd/v1/containers_pb.js";
import { ErrorInfoSchema } from "./gen/google/rpc/error_details_pb.js";
import { ContainerService, WatchRequestSchema, type WatchResponse } from "./gen/plimsoll/v1/container_service_pb.js";
import { DecisionService } from "./gen/plimsoll/v1/decision_service_pb.js";
import { VerdictSchema, type Violation } from "./gen/plimsoll/v1/verdict_pb.js";

export * from "./gen/plimsoll/v1/container_pb.js";
export * from "./gen/plimsoll/v1/container_service_pb.js";
export * from "./gen/plimsoll/v1/decision_pb.js";
export * from "./gen/plimsoll/v1/decision_service_pb.js";
export * from "./gen/plimsoll/v1/verdict_pb.js";
export * as containerdV1 from "./gen/containerd/v1/containers_pb.js";
export * as rpc from "./gen/google/rpc/error_details_pb.js";

/** What a transport is made with. */
export interface TransportOptions {
  baseUrl: string;
  interceptors: Interceptor[];
  useBinaryFormat: true;
}

export interface ClientOptions {
  /** Where the server is, such as `https://plimsoll.example.com`. */
  baseUrl: string;
  /** The namespace of all calls that set no `containerd-namespace` header themselves. Default: the server's. */
  namespace?: string;
  /** What to speak, over fetch. Default: `connect`. */
  protocol?: "connect" | "grpc-web";
  /** Makes the transport, instead of protocol: such as `createGrpcTransport` of @connectrpc/connect-node. */
  transport?: (options: TransportOptions) => Transport;
}

export interface PlimsollClient {
  /** plimsoll.v1.ContainerService: containers in full, pages, watches, reviews, batches, history. */
  service: Client<typeof ContainerService>;
  /** plimsoll.v1.DecisionService: what was decided, and why. */
  decisions: Client<typeof DecisionService>;
  /** containerd.v1.Containers: containerd's own API. */
  containers: Client<typeof Containers>;
}

/** Makes clients of the APIs. It works in browsers and in Node. */
export function createPlimsollClient(options: ClientOptions): PlimsollClient {
  const { namespace, protocol = "connect" } = options;
  const newTransport = options.transport ?? { connect: createConnectTransport, "grpc-web": createGrpcWebTransport }[protocol];
  const transport = newTransport({
    baseUrl: options.baseUrl,
    interceptors: namespace === undefined ? [] : [inNamespace(namespace)],
    // The server's JSON of specs is not that of protobuf: a payload is in it as it is.
    useBinaryFormat: true,
  });
  return {
    service: createClient(ContainerService, transport),
    decisions: createClient(DecisionService, transport),
    containers: createClient(Containers, transport),
  };
}

function inNamespace(namespace: string): Interceptor {
  return (next) => (request) => {
    if (!request.header.has("containerd-namespace")) {
      request.header.set("containerd-namespace", namespace);
    }
    return next(request);
  };
}

/** What the server says of an error. */
export interface Violations {
  /** What policies and validators found; empty if the error is no denial. */
  violations: Violation[];
  /** How many they found: in gRPC and gRPC-Web there may be more than are listed. */
  count: number;
  /** Why the call failed, such as `POLICY_DENIED` or `NOT_FOUND`; empty if the server did not say. */
  reason: string;
  /** The ID of the decision; empty if there was none. */
  decisionId: string;
  /** All that goes with the reason. */
  metadata: { [key: string]: string };
}

/** Reads the details of an error that a call threw. It takes any error. */
export function violationsOf(error: unknown): Violations {
  const e = ConnectError.from(error);
  const verdict = e.findDetails(VerdictSchema)[0];
  const info = e.findDetails(ErrorInfoSchema).find((info) => info.domain === "plimsoll");
  return {
    violations: verdict?.violations ?? [],
    count: verdict?.violationCount ?? 0,
    reason: info?.reason ?? "",
    decisionId: verdict?.decisionId ?? info?.metadata["decision_id"] ?? "",
    metadata: info?.metadata ?? {},
  };
}

const ociSpecType = "types.containerd.io/opencontainers/runtime-spec/1/Spec";

/** Packs an OCI runtime spec for Container.spec. */
export function packSpec(spec: object): Any {
  return create(AnySchema, { typeUrl: ociSpecType, value: new TextEncoder().encode(JSON.stringify(spec)) });
}

/** Unpacks what packSpec packs; undefined if it is something else. */
export function unpackSpec(spec: Any | undefined): unknown {
  return spec?.typeUrl === ociSpecType ? JSON.parse(new TextDecoder().decode(spec.value)) : undefined;
}

/** The codes of connections that broke, and of servers that are about to be back. */
const passing = [Code.Unavailable, Code.Unknown, Code.Internal, Code.Aborted, Code.DeadlineExceeded, Code.Canceled];

const firstDelay = 100; // ms
const longestDelay = 10_000;

/**
 * Watches containers. A watch whose connection breaks, or falls silent, is taken up
 * again after the last revision that was received, so that nothing is lost and nothing
 * comes twice. A snapshot is passed on once all of it is there.
 *
 * It throws what the server objects to, and whatever keeps the watch from beginning at
 * all. With OUT_OF_RANGE changes were missed for good: begin again with a snapshot. It
 * ends, quietly, when signal is aborted.
 */
export async function* watchContainers(
  service: Client<typeof ContainerService>,
  request: MessageInitShape<typeof WatchRequestSchema> = {},
  { signal }: { signal?: AbortSignal } = {},
): AsyncGenerator<WatchResponse, void> {
  const next = { ...create(WatchRequestSchema, request) };
  // Bookmarks come at this interval, so that silence means that nobody is there.
  const silence = 3000 * Math.max(1, Number(next.bookmarkInterval?.seconds ?? 10));
  let begun = false;
  let delay = firstDelay;
  while (!signal?.aborted) {
    const connection = new AbortController();
    const hangUp = () => connection.abort();
    signal?.addEventListener("abort", hangUp);
    let timer = setTimeout(hangUp, silence);
    try {
      const snapshot: WatchResponse[] = [];
      for await (const response of service.watch(next, { signal: connection.signal })) {
        clearTimeout(timer);
        begun = true;
        delay = firstDelay;
        snapshot.push(response);
        if (response.step.case !== "snapshot" || response.step.value.last) {
          next.afterRevision = response.revision;
          next.snapshot = false;
          yield* snapshot.splice(0);
        }
        timer = setTimeout(hangUp, silence);
      }
    } catch (error) {
      if (!signal?.aborted && (!begun || !passing.includes(ConnectError.from(error).code))) {
        throw error;
      }
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", hangUp);
      hangUp(); // also if the caller has stopped listening
    }
    await pause(delay, signal);
    delay = Math.min(2 * delay, longestDelay);
  }
}

function pause(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener("abort", done);
    if (signal?.aborted) {
      done();
    }
  });
}
