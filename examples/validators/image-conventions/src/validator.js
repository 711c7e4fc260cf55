// What a container says about its image: the keys org.opencontainers.image.* among its
// labels, where containerd puts an image's labels, and its spec's annotations.
//
// validate and validateSettings are what engine.c calls.

import { checkValue, knownKeys, replacements } from "./keys.js";
import { evaluate, isLicense } from "./licenses.js";
import { nearest, quote } from "./text.js";

const prefix = "org.opencontainers.image.";
const labelSchema = "org.label-schema.";

// A verdict lists so many findings of a kind; Plimsoll takes no more than some hundred.
const most = 32;

// What containerd allows a label. Checks of annotations, which may be of any length, would
// run out of fuel.
const longest = 4096;

class Report {
  violations = [];
  warnings = [];

  violation(code, field, msg, fix) {
    this.#add(this.violations, { code, field, msg, fix });
  }

  warning(code, field, msg, fix) {
    this.#add(this.warnings, { code, field, msg, fix });
  }

  #add(list, finding) {
    if (list.length < most) list.push(finding);
    else list[most] = { code: "report.truncated", msg: "and more of them" };
  }
}

function validate({ operation, object, settings }) {
  const report = new Report();
  if (operation === "DELETE") return report; // removing a container makes nothing worse
  const said = {};
  for (const [where, map] of Object.entries(placesOf(object))) {
    for (const [key, value] of Object.entries(map)) {
      const field = `${where}[${quote(key)}]`;
      if (key.startsWith(prefix)) {
        const name = key.slice(prefix.length);
        checkKey(report, field, name, value, settings);
        if (typeof value === "string" && value.trim() !== "") said[name] = true;
      } else if (key.startsWith(labelSchema)) {
        checkLabelSchema(report, field, key.slice(labelSchema.length));
      }
    }
  }
  for (const name of settings.require ?? []) {
    if (!said[name]) {
      report.violation("image.missing", "labels", `the image does not say ${prefix}${name}`,
        `build it with: LABEL ${prefix}${name}=…`);
    }
  }
  return report;
}

// placesOf returns the maps to look at, by the paths they have in a container. A spec that
// is no OCI spec has no annotations; whether it may be is for others to say.
function placesOf(object) {
  const annotations = object.spec?.annotations;
  const isMap = annotations !== null && typeof annotations === "object" && !Array.isArray(annotations);
  return { labels: object.labels, "spec.annotations": isMap ? annotations : {} };
}

function checkKey(report, field, name, value, settings) {
  if (!knownKeys.includes(name)) {
    const meant = nearest(name, knownKeys);
    report.warning("image.unknown_key", field, `the OCI image specification does not know ${quote(prefix + name)}`,
      meant ? `write ${prefix}${meant}` : "use a prefix of your own");
    return;
  }
  if (typeof value !== "string") {
    report.violation("image.value", field, "the value is not text", "write a string");
    return;
  }
  if (value === "") return; // which the specification allows
  if (value.length > longest) {
    report.violation("image.value", field, "the value is longer than containerd lets labels be", `write at most ${longest} characters`);
    return;
  }
  const wrong = checkValue(name, value);
  if (wrong) report[wrong.kind](`image.${name}`, field, wrong.msg, wrong.fix);
  else checkSettings(report, field, name, value, settings);
}

// checkSettings applies what is not in the specification, but asked for.
function checkSettings(report, field, name, value, settings) {
  if (name === "version" && settings.semver && !semver.test(value)) {
    report.violation("image.version", field, `${quote(value)} is not a semantic version`, "write one such as 1.4.0");
  }
  if (name === "source" && settings.sources && !settings.sources.some((from) => isBelow(value, from))) {
    report.violation("image.source", field, `${quote(value)} is not among the places that sources may come from`,
      `build from ${settings.sources.join(" or ")}`);
  }
  const permits = (id) => settings.licenses.some((permitted) => permitted.toLowerCase() === id);
  if (name === "licenses" && settings.licenses && !evaluate(value, permits)) {
    report.violation("image.licenses", field, `${quote(value)} does not leave a choice of permitted licenses`,
      `permitted are ${settings.licenses.join(", ")}`);
  }
}

// The expression that semver.org suggests.
const semver =
  /^(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?(?:\+([0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$/;

// isBelow says whether a URL is another one, or below it: https://example.org/team does not
// cover https://example.org/teammates, nor does it cover a way out of it.
function isBelow(url, base) {
  const from = base.endsWith("/") ? base : base + "/";
  const way = url.slice(from.length);
  return url === base || url === from || (url.startsWith(from) && !/(^|[\/\\])(\.|%2e){1,2}($|[\/\\?#])/i.test(way));
}

function checkLabelSchema(report, field, name) {
  const now = replacements[name];
  report.warning("image.label_schema", field, `${labelSchema}${name} is of Label Schema, which is no longer kept up`,
    now ? `write ${prefix}${now}` : "leave it out");
}

// validateSettings finds what the schema of the settings cannot say.
function validateSettings(settings) {
  const report = new Report();
  (settings.require ?? []).forEach((name, i) => {
    if (!knownKeys.includes(name)) {
      const meant = nearest(name, knownKeys);
      report.violation("settings.require", `require[${i}]`, `there is no ${quote(prefix + name)}`,
        meant ? `write ${meant}` : `write one of ${knownKeys.join(", ")}`);
    }
  });
  (settings.licenses ?? []).forEach((id, i) => {
    if (!isLicense(id)) {
      report.violation("settings.licenses", `licenses[${i}]`, `${quote(id)} is not the id of one SPDX license`,
        "take ids from https://spdx.org/licenses/");
    }
  });
  return report;
}

Object.assign(globalThis, { validate, validateSettings });
