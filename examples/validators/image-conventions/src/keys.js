// The keys that the OCI image specification defines, and what their values must look like:
// https://github.com/opencontainers/image-spec/blob/v1.1.1/annotations.md

import { evaluate } from "./licenses.js";
import { quote } from "./text.js";

// A value that is wrong is a violation where the specification says what it is, and a
// warning where it says what it SHOULD be.
const violation = (msg, fix) => ({ kind: "violation", msg, fix });
const warning = (msg, fix) => ({ kind: "warning", msg, fix });

const anything = () => null;

const checks = {
  created: checkTime,
  authors: anything,
  url: checkURL,
  documentation: checkURL,
  source: checkURL,
  version: anything,
  revision: anything,
  vendor: anything,
  licenses: checkLicenses,
  "ref.name": checkReferenceName,
  title: anything,
  description: anything,
  "base.digest": checkDigest,
  "base.name": checkBaseName,
};

export const knownKeys = Object.keys(checks);

// checkValue returns what is wrong with the value of a known key, null if nothing is.
export function checkValue(name, value) {
  return checks[name](value);
}

// What keys of Label Schema are called today.
export const replacements = {
  "build-date": "created",
  url: "url",
  "vcs-url": "source",
  version: "version",
  "vcs-ref": "revision",
  vendor: "vendor",
  name: "title",
  description: "description",
  usage: "documentation",
};

// https://www.rfc-editor.org/rfc/rfc3339#section-5.6
const time =
  /^(\d{4})-(\d\d)-(\d\d)[Tt]([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d+)?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)$/;

function checkTime(value) {
  const [, year, month, day] = time.exec(value)?.map(Number) ?? [];
  if (day >= 1 && day <= daysOf(year, month)) return null;
  return violation(`${quote(value)} is not a time as of RFC 3339`, "write one such as 2025-03-14T15:09:26Z");
}

function daysOf(year, month) {
  const leap = (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0;
  return [31, leap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31][month - 1] ?? 0;
}

// A scheme, a host without a space, and what it may be followed by, after RFC 3986.
const url = /^[a-z][a-z0-9+.-]*:\/\/[^\s\/?#"<>\\^`{|}]+([\/?#][^\s"<>\\^`{|}]*)?$/i;

function checkURL(value) {
  if (url.test(value)) return null;
  return violation(`${quote(value)} is not a URL`, "write one such as https://example.org/app");
}

function checkLicenses(value) {
  if (evaluate(value, () => true)) return null;
  return violation(`${quote(value)} is not an SPDX license expression`,
    "write one such as Apache-2.0 OR MIT, with ids from https://spdx.org/licenses/");
}

// https://github.com/opencontainers/image-spec/blob/v1.1.1/considerations.md#ebnf
const referenceName = /^[A-Za-z0-9]+(([-._:@+]|--)[A-Za-z0-9]+)*(\/[A-Za-z0-9]+(([-._:@+]|--)[A-Za-z0-9]+)*)*$/;

function checkReferenceName(value) {
  if (referenceName.test(value)) return null;
  return warning(`${quote(value)} is not the name of a reference`, "use letters, digits and single -._:@+/ between them");
}

// https://github.com/opencontainers/image-spec/blob/v1.1.1/descriptor.md#digests
const digest = /^[a-z0-9]+([+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+$/;
const registered = { sha256: /^[0-9a-f]{64}$/, sha512: /^[0-9a-f]{128}$/, blake3: /^[0-9a-f]{64}$/ };

function checkDigest(value) {
  const [algorithm, encoded] = value.split(":");
  if (digest.test(value) && (registered[algorithm] ?? /^/).test(encoded)) return null;
  return violation(`${quote(value)} is not a digest`, "write sha256: and 64 hexadecimal digits in lower case");
}

// The host of a fully qualified reference has a dot or a port, or is localhost.
const qualified = /^(localhost|[^\/]+[.:][^\/]*)\/./;

function checkBaseName(value) {
  if (qualified.test(value)) return null;
  return warning(`${quote(value)} does not name its registry`, "write it as docker.io/library/debian:12");
}
