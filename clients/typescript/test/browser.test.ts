// The client in a browser, on a page of a foreign origin, under the rules of CORS.

import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { type BrowserContext, chromium } from "playwright-core";
import { type Running, startPlimsoll, startWeb } from "./server.js";

let profile: string;
let browser: BrowserContext;
let web: Running; // serves the page
let foreign: string; // the page's origin, by a name that is not of this machine

before(async () => {
  const bundle = await build({
    entryPoints: [fileURLToPath(new URL("page.js", import.meta.url))],
    bundle: true, format: "esm", write: false, logLevel: "error",
  });
  web = await startWeb((request, response) => {
    const isScript = request.url === "/page.js";
    response.setHeader("content-type", isScript ? "text/javascript" : "text/html");
    response.end(isScript ? bundle.outputFiles[0]!.text : '<!doctype html><title>page</title><body><script type="module" src="/page.js"></script>');
  });
  foreign = web.url.replace("127.0.0.1", "console.example.com");
  profile = await mkdtemp(join(tmpdir(), "plimsoll-chromium-"));
  browser = await chromium.launchPersistentContext(profile, {
    executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
    timeout: 30_000,
    args: [
      "--host-resolver-rules=MAP console.example.com 127.0.0.1", "--no-sandbox", "--disable-gpu", "--disable-quic",
      "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
});

after(async () => {
  await browser?.close();
  await web?.stop();
  await rm(profile, { recursive: true, force: true, maxRetries: 3 });
});

/** Opens the page from origin, with a server of these flags, and returns what it says. */
async function visit(origin: string, ...flags: string[]): Promise<string> {
  const plimsoll = await startPlimsoll(...flags);
  const page = await browser.newPage();
  try {
    await page.goto(`${origin}/?server=${encodeURIComponent(plimsoll.url)}`);
    await page.waitForFunction("document.title === 'done'", undefined, { timeout: 30_000 });
    return (await page.textContent("body"))!.trim();
  } finally {
    await page.close();
    await plimsoll.stop();
  }
}

const allOK = ["connect tellContainers: ok", "connect tellService: ok", "grpc-web tellContainers: ok", "grpc-web tellService: ok"].join("\n");

function assertRefused(result: string) {
  const lines = result.split("\n");
  assert.equal(lines.length, 4, result);
  for (const line of lines) {
    assert.match(line, /: ConnectError: .*Failed to fetch/);
  }
}

test("a page of a configured origin", { timeout: 60_000 }, async () => {
  assert.equal(await visit(foreign, "--cors-origins", foreign), allOK);
});

test("a page of this machine, configured", { timeout: 60_000 }, async () => {
  assert.equal(await visit(web.url, "--cors-origins", foreign, "--cors-origins", web.url), allOK);
});

test("a page of another origin than the configured one", { timeout: 60_000 }, async () => {
  assertRefused(await visit(foreign, "--cors-origins", web.url));
});

test("any page, without --cors-origins", { timeout: 60_000 }, async () => {
  assertRefused(await visit(foreign));
  assertRefused(await visit(web.url));
});
