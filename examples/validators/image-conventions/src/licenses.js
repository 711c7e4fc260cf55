import parse from "spdx-expression-parse";

// The parser's work grows with the square of the length, and the text is the caller's.
const longest = 256;

const known = new Map();

// licensesOf parses an SPDX license expression; null if it is none.
export function licensesOf(expression) {
  if (!known.has(expression)) known.set(expression, parsed(expression));
  return known.get(expression);
}

function parsed(expression) {
  try {
    return expression.length > longest ? null : parse(expression);
  } catch {
    return null;
  }
}

// permits says whether a user of what is licensed so can choose licenses that are all
// among the permitted. Exceptions only ever permit more, and are not looked at.
export function permits(licenses, permitted) {
  if (licenses.conjunction === "or") return permits(licenses.left, permitted) || permits(licenses.right, permitted);
  if (licenses.conjunction === "and") return permits(licenses.left, permitted) && permits(licenses.right, permitted);
  return permitted.includes(licenses.license);
}
