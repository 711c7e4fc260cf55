// SPDX license expressions: https://spdx.github.io/spdx-spec/v2.3/SPDX-license-expressions/
//
// The lists of ids are those that npm itself uses. Its parser is not: its work grows with
// the square of the length, and what it would be given here is the caller's.

import exceptionIds from "spdx-exceptions";
import licenseIds from "spdx-license-ids";
import deprecatedIds from "spdx-license-ids/deprecated.json";

// Ids are the same in any case.
const licenses = new Set([...licenseIds, ...deprecatedIds].map((id) => id.toLowerCase()));
const exceptions = new Set(exceptionIds.map((id) => id.toLowerCase()));

const reference = /^(documentref-[a-z0-9.-]+:)?licenseref-[a-z0-9.-]+$/;

// isLicense says whether a text is the id of one license, or a reference to one.
export function isLicense(id) {
  return licenses.has(id.toLowerCase()) || reference.test(id.toLowerCase());
}

// How long an expression may be: JavaScript pays some ten thousand instructions for a token.
const longest = 1024;

// evaluate says whether somebody who may use what permits(id) permits may use what is
// licensed by an expression; null if it is none. Exceptions only ever permit more, and are
// not looked at.
export function evaluate(expression, permits) {
  if (expression.length > longest) return null;
  const outer = []; // what the open parentheses are in
  let at = { any: false, all: true }; // of the alternatives so far, and of the parts of this one
  let wanted = "license";
  for (const token of expression.match(/[()+]|[^\s()+]+/g) ?? []) {
    if (wanted === "license" && token === "(") {
      outer.push(at);
      at = { any: false, all: true };
    } else if (wanted === "license" && isLicense(token)) {
      at.all &&= permits(token.toLowerCase());
      wanted = "plus";
    } else if (wanted === "plus" && token === "+") {
      wanted = "with";
    } else if ((wanted === "plus" || wanted === "with") && /^(WITH|with)$/.test(token)) {
      wanted = "exception";
    } else if (wanted === "exception" && exceptions.has(token.toLowerCase())) {
      wanted = "operator";
    } else if (wanted === "license" || wanted === "exception") {
      return null;
    } else if (/^(AND|and)$/.test(token)) {
      wanted = "license";
    } else if (/^(OR|or)$/.test(token)) {
      at = { any: at.any || at.all, all: true };
      wanted = "license";
    } else if (token === ")" && outer.length > 0) {
      const inner = at.any || at.all;
      at = outer.pop();
      at.all &&= inner;
      wanted = "operator";
    } else {
      return null;
    }
  }
  if (wanted === "license" || wanted === "exception" || outer.length > 0) return null;
  return at.any || at.all;
}
