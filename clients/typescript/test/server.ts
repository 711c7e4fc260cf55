// Starts and stops what the tests need, each on a free port.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type RequestListener } from "node:http";
import { connect, createServer as createTcpServer, type AddressInfo, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const binary = fileURLToPath(new URL("../plimsoll", import.meta.url));

export interface Running {
  url: string;
  stop(): Promise<void>;
}

/** Runs `plimsoll dev`, which has samples in the namespace default, until stop. */
export async function startPlimsoll(...flags: string[]): Promise<Running> {
  const child = spawn(binary, ["dev", "--listen", "127.0.0.1:0", "--shutdown-timeout", "2s", ...flags], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  let output = "";
  let url: string | undefined;
  for await (const line of createInterface({ input: child.stdout })) {
    output += line + "\n";
    url ??= /listens on (\S+):/.exec(line)?.[1];
    if (line.includes("Ctrl-C")) {
      break; // it is ready, with its samples
    }
  }
  const stop = async () => {
    child.kill("SIGTERM");
    await exited;
  };
  if (url === undefined) {
    await stop();
    throw new Error(`plimsoll did not start:\n${output}`);
  }
  return { url, stop };
}

export async function startWeb(listener: RequestListener): Promise<Running> {
  const server = createServer(listener).listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };
}

/** A way to a server that can be cut. */
export interface Proxy extends Running {
  /** Ends all connections; while down, new ones as well. */
  cut(down: boolean): void;
}

export async function startProxy(target: string): Promise<Proxy> {
  const { hostname, port } = new URL(target);
  const sockets = new Set<Socket>();
  let isDown = false;
  const server = createTcpServer((client) => {
    if (isDown) {
      client.destroy();
      return;
    }
    const upstream = connect(Number(port), hostname);
    for (const [from, to] of [[client, upstream], [upstream, client]] as const) {
      sockets.add(from);
      from.pipe(to);
      from.on("error", () => {}); // being cut is one
      from.on("close", () => {
        sockets.delete(from);
        to.destroy();
      });
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const cut = (down: boolean) => {
    isDown = down;
    for (const socket of sockets) {
      socket.destroy();
    }
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    cut,
    stop: async () => {
      cut(true);
      server.close();
      await once(server, "close");
    },
  };
}
