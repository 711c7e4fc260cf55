// quote writes a value for a message, cut when it is long.
export function quote(value) {
  const characters = Array.from(value.slice(0, 200)); // by code points, not to cut one in two
  const text = characters.length > 80 ? characters.slice(0, 80).join("") + "…" : value;
  return JSON.stringify(text.replace(/[\ud800-\udfff]/gu, "\ufffd")); // halves of surrogates
}

// nearest returns the name that differs least from what was written, if by no more than
// two letters.
export function nearest(written, names) {
  const [best] = names.map((name) => [distance(written, name), name]).sort(([a], [b]) => a - b);
  return best[0] <= 2 ? best[1] : null;
}

// distance is how many letters have to be put in, taken out or replaced.
function distance(a, b) {
  if (Math.abs(a.length - b.length) > 2) return Infinity;
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
