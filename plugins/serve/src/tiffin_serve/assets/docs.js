// The description of all calls, of the OpenAPI document.
import { describe, make, operations, trial, watch } from "./common.js";

const words = (schema) => (schema && Object.keys(schema).length ? JSON.stringify(schema, null, 2) : "anything");

function content(told) {
  return Object.entries(told?.content ?? {}).map(([type, { schema }]) =>
    make("details", {}, make("summary", {}, type), make("pre", {}, words(schema))),
  );
}

function section(one) {
  const { path, method, described } = one;
  const answers = Object.entries(described.responses ?? {});
  const rows = answers.map(([status, told]) => make("tr", {}, make("td", {}, status), make("td", {}, told.description ?? "")));
  return make(
    "section",
    { id: `${method} ${path}` },
    make("h3", {}, `${method} ${path}`),
    described.summary ? make("p", {}, described.summary) : null,
    described.description ? make("p", { class: "soft" }, described.description) : null,
    described.requestBody ? make("div", {}, make("p", { class: "soft" }, "Takes"), ...content(described.requestBody)) : null,
    make("div", {}, make("p", { class: "soft" }, "Answers"), ...content(described.responses?.["200"])),
    make("details", {}, make("summary", {}, "What each status means"), make("table", {}, make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Status"), make("th", { scope: "col" }, "Means"))), make("tbody", {}, ...rows))),
    make("details", {}, make("summary", {}, "Try it"), trial(one)),
  );
}

watch();
const told = await describe();
document.getElementById("title").textContent = told.info.title;
document.getElementById("main").append(...operations(told).map(section));
