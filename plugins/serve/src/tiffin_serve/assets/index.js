// The first page: what is served, a call to try, and what happens now.
import { ask, describe, make, operations, trial, watch } from "./common.js";
import { difference, parse, percentile } from "./numbers.js";

const EVERY = 2000;
const KEPT = 60;

function group(found) {
  const groups = new Map();
  for (const one of found) {
    const name = one.described["x-tiffin"]?.group ?? "";
    if (!groups.has(name)) groups.set(name, []);
    groups.get(name).push(one);
  }
  return groups;
}

function section(name, calls) {
  const about = calls[0].described["x-tiffin"] ?? {};
  const labels = Object.entries(about.labels ?? {}).map(([key, value]) => make("span", { class: "pill soft" }, `${key}: ${value}`));
  const head = name
    ? make("div", { class: "head" }, make("h2", {}, name), make("span", { class: "soft" }, about.framework ?? ""), ...labels)
    : null;
  const also = (about.names ?? []).filter((other) => other !== name);
  return make(
    "section",
    {},
    head,
    about.text ? make("p", {}, about.text) : null,
    also.length ? make("p", { class: "soft" }, `Also called ${also.join(", ")}`) : null,
    ...calls.map(call),
  );
}

function call(one) {
  const { path, described } = one;
  const about = described["x-tiffin"] ?? {};
  const values = {};
  const live = make("dl", { class: "live" });
  for (const [key, label] of [["rate", "answers/s"], ["half", "half within"], ["most", "99 % within"], ["batch", "rows a batch"], ["waiting", "rows waiting"]]) {
    if (!about.runner && (key === "batch" || key === "waiting")) continue;
    values[key] = make("dd", {}, "–");
    live.append(make("div", {}, make("dt", {}, label), values[key]));
  }
  const line = document.createElementNS("http://www.w3.org/2000/svg", "polyline");
  const trend = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  trend.setAttribute("class", "trend");
  trend.setAttribute("viewBox", `0 0 ${KEPT - 1} 10`);
  trend.setAttribute("preserveAspectRatio", "none");
  trend.setAttribute("role", "img");
  trend.setAttribute("aria-label", "Answers a second, over the last two minutes");
  trend.append(line);
  Object.assign(one, { values, line, kept: [] });
  return make(
    "div",
    { class: "call" },
    make("h3", {}, `${one.method} ${path}`),
    described.summary ? make("p", {}, described.summary) : null,
    about.takes ? make("p", { class: "soft" }, `takes ${about.takes}`, about.streams ? ", streams its answer" : "") : null,
    live,
    trend,
    make("details", {}, make("summary", {}, "Try it"), trial(one)),
  );
}

function update(one, before, now) {
  const about = one.described["x-tiffin"] ?? {};
  const spent = difference(before, now, "tiffin_http_seconds", (labels) => (about.paths ?? [one.path]).includes(labels.path));
  const seconds = (now.time - before.time) / 1000;
  const rate = spent.count / seconds;
  const show = (key, text) => one.values[key] && (one.values[key].textContent = text);
  const time = (value) => (value === null ? "–" : value < 1 ? `${+(value * 1000).toPrecision(2)} ms` : `${+value.toPrecision(2)} s`);
  show("rate", rate ? rate.toFixed(rate < 10 ? 1 : 0) : "0");
  show("half", time(percentile(spent.buckets, 0.5)));
  show("most", time(percentile(spent.buckets, 0.99)));
  const mine = (labels) => labels.runner === about.runner && labels.method === about.method;
  const rows = difference(before, now, "tiffin_batch_rows", mine);
  show("batch", rows.count ? (rows.sum / rows.count).toFixed(1) : "–");
  const waiting = now.lines.find(({ name, labels }) => name === "tiffin_method_waiting_rows" && mine(labels));
  show("waiting", waiting ? String(waiting.value) : "–");
  one.kept = [...one.kept, rate].slice(-KEPT);
  const most = Math.max(...one.kept, 1);
  const first = KEPT - one.kept.length;
  one.line.setAttribute("points", one.kept.map((value, place) => `${first + place},${(9.5 - (value / most) * 9).toFixed(2)}`).join(" "));
}

async function follow(found, before = null) {
  let now = null;
  try {
    const answer = await ask("/metrics");
    if (answer.ok) now = parse(await answer.text());
  } catch {
    // The server is away; the next look may find it.
  }
  if (now && before) for (const one of found) update(one, before, now);
  setTimeout(() => follow(found, now ?? before), EVERY);
}

watch();
const told = await describe();
document.getElementById("title").textContent = told.info.title;
document.title = told.info.title;
const found = operations(told).filter(({ described }) => described["x-tiffin"]);
const main = document.getElementById("main");
main.append(...[...group(found)].map(([name, calls]) => section(name, calls)));
if (!found.length) main.append(make("section", {}, make("p", {}, "Nothing is served here.")));
main.append(make("p", { class: "soft" }, "Numbers are those of the last two seconds, of all processes of the server."));
follow(found);
