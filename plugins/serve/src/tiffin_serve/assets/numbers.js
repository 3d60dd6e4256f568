// What /metrics says, in Prometheus' text format, and what has changed between two looks.

const LINE = /^(\w+)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

/** Return the lines of the text: name, labels, value; and when that was. */
export function parse(text) {
  const lines = [];
  for (const line of text.split("\n")) {
    const found = LINE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL)) {
      labels[name] = value.replace(/\\(.)/g, (_, letter) => (letter === "n" ? "\n" : letter));
    }
    lines.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return { time: performance.now(), lines };
}

function sum(told, name, wanted) {
  return told.lines.filter((line) => line.name === name && wanted(line.labels)).reduce((all, line) => all + line.value, 0);
}

function buckets(told, name, wanted) {
  const found = new Map();
  for (const line of told.lines) {
    if (line.name !== `${name}_bucket` || !wanted(line.labels)) continue;
    found.set(line.labels.le, (found.get(line.labels.le) ?? 0) + line.value);
  }
  return found;
}

/** Return by how much a histogram has grown: count, sum, and pairs of a bound and how many are at or below it. */
export function difference(before, now, name, wanted) {
  const old = buckets(before, name, wanted);
  const grown = [...buckets(now, name, wanted)].map(([bound, count]) => [bound === "+Inf" ? Infinity : Number(bound), count - (old.get(bound) ?? 0)]);
  const by = (part) => Math.max(0, sum(now, `${name}_${part}`, wanted) - sum(before, `${name}_${part}`, wanted));
  return { count: by("count"), sum: by("sum"), buckets: grown };
}

/** Return the bound below which so large a part lies, null where there is nothing. */
export function percentile(pairs, part) {
  const all = pairs.at(-1)?.[1] ?? 0;
  if (all <= 0) return null;
  const at = pairs.findIndex(([, count]) => count >= part * all);
  return Number.isFinite(pairs[at][0]) ? pairs[at][0] : pairs[at - 1]?.[0] ?? null;
}
