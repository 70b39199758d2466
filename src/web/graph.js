// What an expression is worth now, and what was asked of whom: the page to which alerts of rules link. Everything that
// comes from the API enters the document as text, never as HTML.
"use strict";

const SHOWN = 500;
const main = document.getElementById("main");

function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const note = (kind, text) => el("p", { className: `note ${kind}`, role: kind === "error" ? "alert" : "status" }, text);

function labels(metric) {
  const pairs = Object.entries(metric).filter(([name]) => name !== "__name__");
  const text = pairs.map(([name, value]) => `${name}=${JSON.stringify(value)}`).join(", ");
  return `${metric.__name__ || ""}{${text}}`;
}

function table(heads, rows) {
  const head = el("tr", {}, heads.map((text) => el("th", {}, text)));
  const body = rows.map((cells) => el("tr", {}, cells.map((cell) => el("td", {}, cell))));
  return el("div", { className: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, body)));
}

async function ask(path, expression, time) {
  const form = new URLSearchParams({ query: expression });
  if (time) form.set("time", time);
  const response = await fetch(`api/v1/${path}`, { method: "POST", body: form });
  const text = await response.text();
  let body = null;
  try {
    body = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `${response.status} ${response.statusText}`);
  }
  if (body.status !== "success") throw new Error(body.error || text);
  return body;
}

function values(data) {
  if (data.resultType === "scalar" || data.resultType === "string") return [[data.resultType, data.result[1]]];
  return data.result.map((one) => [
    labels(one.metric),
    one.value ? one.value[1] : one.histogram ? `histogram of ${one.histogram[1].count}` : `${(one.values || []).length} samples`,
  ]);
}

function result(body) {
  const rows = values(body.data);
  const parts = (body.warnings || []).map((text) => note("warn", text));
  parts.push(...(body.infos || []).map((text) => note("", text)));
  if (rows.length === 0) return [...parts, note("", "No series: as it is written, nothing matches now.")];
  if (rows.length > SHOWN) parts.push(note("", `The first ${SHOWN} of ${rows.length} series.`));
  return [...parts, table(["Series", "Value"], rows.slice(0, SHOWN))];
}

function plan(data) {
  const rows = (data.requests || []).map((one) => [
    one.endpoint,
    labels(one.partition || {}),
    el("code", {}, one.query),
    `${one.milliseconds.toFixed(1)} ms`,
    String(one.series),
    one.error || "",
  ]);
  if (rows.length === 0) return [note("", "No endpoint was asked.")];
  return [
    el("p", {}, "Computed here: ", el("code", {}, data.local)),
    table(["Endpoint", "Partition", "Asked", "Took", "Series", "Error"], rows),
  ];
}

async function evaluate(expression, time, place) {
  place.replaceChildren(note("", "Asking…"));
  try {
    const [answer, explained] = await Promise.all([
      ask("query", expression, time),
      ask("query/explain", expression, time).catch(() => null),
    ]);
    const asked = explained ? [el("h2", {}, "What was asked"), ...plan(explained.data)] : [];
    place.replaceChildren(el("h2", {}, "Result"), ...result(answer), ...asked);
  } catch (error) {
    place.replaceChildren(note("error", String(error.message || error)));
  }
}

function start() {
  const given = new URLSearchParams(location.search);
  const place = el("section", { "aria-live": "polite" });
  const expression = el("textarea", { rows: 3, value: given.get("g0.expr") || "", spellcheck: false });
  const time = el("input", { value: given.get("g0.end_input") || "", placeholder: "now" });
  const run = () => {
    const shown = new URLSearchParams({ "g0.expr": expression.value, "g0.tab": "1" });
    if (time.value) shown.set("g0.end_input", time.value);
    history.replaceState(null, "", `?${shown}`);
    if (expression.value.trim()) evaluate(expression.value, time.value.trim(), place);
  };
  expression.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      run();
    }
  });
  main.replaceChildren(
    el("h1", {}, "Query over all endpoints"),
    el(
      "div",
      { className: "bar" },
      el("label", { className: "field grow" }, "Expression", expression),
      el("label", { className: "field" }, "Time (RFC 3339 or Unix)", time),
      el("button", { type: "button", onclick: run }, "Evaluate"),
    ),
    place,
  );
  run();
}

start();
