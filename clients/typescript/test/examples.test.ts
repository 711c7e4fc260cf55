import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startPlimsoll } from "./server.js";

test("the tour of docs/clients.md", { timeout: 30_000 }, async () => {
  const plimsoll = await startPlimsoll();
  try {
    const tour = fileURLToPath(new URL("../examples/tour.js", import.meta.url));
    const { stdout } = await promisify(execFile)(process.execPath, [tour, plimsoll.url], { timeout: 20_000 });
    assert.equal(stdout, [
      "web docker.io/library/nginx:1.29 { team: 'core' }",
      "worker docker.io/library/busybox:1.37 { team: 'core' }",
      "POLICY_DENIED",
      'labels.team: label "team" cannot be "nobody" in namespace "default"; set labels.team to one of core, payments, platform',
      "watching 3 containers",
      "changed [ 'labels.tier' ]",
      "",
    ].join("\n"));
  } finally {
    await plimsoll.stop();
  }
});
