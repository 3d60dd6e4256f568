// What both pages share. All that comes from the server is set as text, never as markup: names come from strangers.

const KEY = "tiffin-token";
let token = sessionStorage.getItem(KEY) ?? "";

/** Return an element with attributes (a name that begins with "on" is a listener) and children: elements, or texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Fetch a path of this server, with the token that was entered. */
export function ask(path, options = {}) {
  const headers = { ...(options.headers ?? {}), ...(token ? { authorization: `Bearer ${token}` } : {}) };
  return fetch(path, { ...options, headers, credentials: "omit" });
}

/** Return the OpenAPI document; where a token is asked for, once one was entered. */
export async function describe() {
  for (;;) {
    const answer = await ask("/openapi.json");
    if (answer.status !== 401) return answer.json();
    await enter(token !== "");
  }
}

function enter(wrong) {
  const field = make("input", { type: "password", id: "token", autocomplete: "off" });
  return new Promise((resolve) => {
    const form = make("form", {
      onsubmit: (event) => {
        event.preventDefault();
        token = field.value.trim();
        sessionStorage.setItem(KEY, token);
        form.closest("section").remove();
        resolve();
      },
    });
    form.append(
      make("label", { for: "token" }, wrong ? "That token is not known here. Another one:" : "This server asks for a token:"),
      field,
      make("button", {}, "Enter"),
    );
    document.getElementById("main").prepend(make("section", {}, form));
    field.focus();
  });
}

/** Return the operations of a document that can be called: path, method, and what is described. */
export function operations(document_) {
  return Object.entries(document_.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, described]) => ({ path, method: method.toUpperCase(), described })),
  );
}

let number = 0;

/** Return a form that tries a call with an example filled in, shows the line for a shell, and the answer. */
export function trial({ path, method, described }) {
  const [type, content] = Object.entries(described.requestBody?.content ?? {})[0] ?? ["", {}];
  const kind = type.split(";")[0];
  const fields = body(kind, content);
  const answer = make("pre", { hidden: "", role: "log", "aria-label": "The answer" });
  const line = make("pre", {});
  const button = make("button", {}, "Call");
  const told = make("p", { class: "soft", role: "status" });
  const show = () => (line.textContent = shell(path, method, kind, fields));
  const form = make("form", {
    oninput: show,
    onsubmit: async (event) => {
      event.preventDefault();
      button.disabled = true;
      answer.hidden = false;
      answer.textContent = "";
      told.textContent = "waiting";
      told.className = "soft";
      const began = performance.now();
      try {
        const response = await ask(path, { method, ...fields.request() });
        await read(response, answer);
        told.textContent = `${response.status}, ${(performance.now() - began).toFixed(1)} ms`;
        told.className = response.ok ? "good" : "bad";
      } catch (error) {
        told.textContent = `No answer: ${error.message}`;
        told.className = "bad";
      }
      button.disabled = false;
    },
  });
  form.append(...fields.elements, button, told, answer, make("p", { class: "soft" }, "The same in a shell:"), line);
  show();
  return form;
}

function body(kind, content) {
  if (kind === "") return { elements: [], request: () => ({}), text: () => "" };
  if (kind === "multipart/form-data") return parts(content.schema ?? {});
  const id = `body-${++number}`;
  if (kind !== "application/json" && kind !== "text/plain") {
    const input = make("input", { type: "file", id });
    const request = () => ({ headers: { "content-type": kind }, body: input.files[0] ?? "" });
    return { elements: [make("label", { for: id }, `A file, ${kind}`), input], request, text: () => "@FILE" };
  }
  const area = make("textarea", { id, spellcheck: "false" });
  area.value = content.example === undefined ? "" : kind === "text/plain" ? content.example : JSON.stringify(content.example);
  return {
    elements: [make("label", { for: id }, kind === "text/plain" ? "Text" : "JSON"), area],
    request: () => ({ headers: { "content-type": kind }, body: area.value }),
    text: () => area.value,
  };
}

function parts(schema) {
  const inputs = Object.entries(schema.properties ?? {}).map(([name, part]) => {
    const id = `part-${++number}`;
    const input = part.format === "binary" ? make("input", { type: "file", id }) : make("textarea", { id });
    return { name, input, label: make("label", { for: id }, name) };
  });
  const request = () => {
    const data = new FormData();
    for (const { name, input } of inputs) {
      const value = input.type === "file" ? input.files[0] : input.value;
      if (value) data.append(name, value);
    }
    return { body: data };
  };
  const elements = inputs.flatMap(({ label, input }) => [label, input]);
  return { elements, request, text: () => "", names: inputs.map(({ name }) => name) };
}

function shell(path, method, kind, fields) {
  const quoted = (text) => `'${text.replaceAll("'", "'\\''")}'`;
  const url = quoted(location.origin + path);
  const key = token ? ' -H "Authorization: Bearer $TOKEN"' : "";
  if (kind === "multipart/form-data") return `curl${key}${fields.names.map((name) => ` -F ${quoted(`${name}=…`)}`).join("")} ${url}`;
  if (kind === "") return `curl${key} -X ${method} ${url}`;
  const data = fields.text() === "@FILE" ? "--data-binary @FILE" : `-d ${quoted(fields.text())}`;
  return `curl${key} ${data} ${url}`;
}

const LONGEST = 100_000;

/** Show an answer as it comes. */
async function read(response, into) {
  const type = response.headers.get("content-type") ?? "";
  if (!type.startsWith("text/") && !type.startsWith("application/json")) {
    into.textContent = `${(await response.blob()).size} bytes, ${type}`;
    return;
  }
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    text += value;
    into.textContent = text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
  }
}

/** Show whether the server is ready, now and later. */
export async function watch() {
  const state = document.getElementById("state");
  try {
    const told = await (await fetch("/readyz")).json();
    state.textContent = told.ready ? "ready" : told.draining ? "draining" : "not ready";
    state.className = `pill ${told.ready ? "good" : "bad"}`;
  } catch {
    state.textContent = "not there";
    state.className = "pill bad";
  }
  setTimeout(watch, 5000);
}
