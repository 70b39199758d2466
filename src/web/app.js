// The page of one node. Everything that comes from the API enters the document as text, never as HTML.
"use strict";

const REFRESH_MS = 15000;
const SHOWN = 500;
const main = document.getElementById("main");
let timer = null;
let paused = false;
let turn = 0;

// --- Building blocks -----------------------------------------------------------------------------------------------

/** An element; props are properties, or attributes if they hold a dash or are "role", "for" or "list". */
function el(tag, props, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props || {})) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name.includes("-") || name === "role" || name === "for" || name === "list") node.setAttribute(name, value);
    else node[name] = value;
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return node;
}

const field = (label, input) => el("label", { className: "field" }, label, input);
const note = (kind, text) => el("p", { className: `note ${kind}`, role: kind === "error" ? "alert" : "status" }, text);
const badge = (kind, text) => el("span", { className: `badge ${kind}` }, text || kind);

function show(title, ...content) {
  document.title = `${title} – Watchfire`;
  main.replaceChildren(el("h1", {}, title), ...content);
}

async function api(path, options) {
  const response = await fetch(`api/v2/${path}`, options);
  const text = await response.text();
  let body = null;
  try {
    body = text ? JSON.parse(text) : null;
  } catch {
    body = text;
  }
  if (response.ok) return body;
  const reason = typeof body === "string" ? body : body && body.message;
  throw new Error(reason || `${response.status} ${response.statusText}`);
}

const post = (path, body) =>
  api(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });

// --- Time ----------------------------------------------------------------------------------------------------------

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

function span(seconds) {
  let rest = Math.max(0, Math.round(seconds));
  const parts = [];
  for (const [unit, size] of UNITS) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0) parts.push(`${count}${unit}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ") || "0s";
}

function when(iso) {
  const at = new Date(iso);
  const seconds = (Date.now() - at) / 1000;
  const text = seconds >= 0 ? `${span(seconds)} ago` : `in ${span(-seconds)}`;
  return el("time", { dateTime: iso, title: `${at.toLocaleString()} (${iso})` }, text);
}

/** Seconds of "2h", "1d 4h", "90m"; null for anything else. */
function parseSpan(text) {
  const sizes = { w: 604800, d: 86400, h: 3600, m: 60, s: 1 };
  const parts = text.trim().match(/^(\d+[wdhms]\s*)+$/) && text.match(/\d+[wdhms]/g);
  if (!parts) return null;
  return parts.reduce((sum, part) => sum + parseInt(part, 10) * sizes[part.slice(-1)], 0);
}

/** For <input type=datetime-local>, which knows local time only. */
function localInput(date) {
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60000);
  return local.toISOString().slice(0, 19);
}

// --- Matchers ------------------------------------------------------------------------------------------------------

const OPERATORS = ["=", "!=", "=~", "!~"];

/** Splits {a="x", b=~"y"} at commas outside quotes. */
function splitMatchers(text) {
  let inner = text.trim();
  if (inner.startsWith("{") && inner.endsWith("}")) inner = inner.slice(1, -1);
  const parts = [];
  let part = "";
  let quoted = false;
  for (let i = 0; i < inner.length; i++) {
    const c = inner[i];
    if (quoted && c === "\\") part += c + (inner[++i] || "");
    else if (c === "," && !quoted) {
      parts.push(part);
      part = "";
    } else {
      if (c === '"') quoted = !quoted;
      part += c;
    }
  }
  parts.push(part);
  return parts.map((p) => p.trim()).filter((p) => p !== "");
}

function quote(text) {
  return `"${text.replace(/\\/g, "\\\\").replace(/"/g, '\\"').replace(/\n/g, "\\n")}"`;
}

function unquote(text) {
  const inner = text.match(/^"((?:[^"\\]|\\.)*)"$/s);
  if (!inner) return text;
  return inner[1].replace(/\\(.)/gs, (_, c) => (c === "n" ? "\n" : c));
}

function parseMatcher(text) {
  const found = text.match(/^\s*("(?:[^"\\]|\\.)*"|[^=!~\s]+)\s*(=~|!~|!=|=)\s*(.*?)\s*$/s);
  if (!found) return null;
  return {
    name: unquote(found[1]),
    value: unquote(found[3]),
    isRegex: found[2].endsWith("~"),
    isEqual: !found[2].startsWith("!"),
  };
}

const operator = (m) => (m.isRegex ? (m.isEqual === false ? "!~" : "=~") : m.isEqual === false ? "!=" : "=");

function matcherText(m) {
  const name = /^[A-Za-z_:][\w:]*$/.test(m.name) ? m.name : quote(m.name);
  return name + operator(m) + quote(m.value);
}

const equals = (name, value) => ({ name, value, isRegex: false, isEqual: true });
const braces = (matchers) => `{${matchers.map(matcherText).join(", ")}}`;

function filterParams(text) {
  const params = new URLSearchParams();
  for (const matcher of splitMatchers(text)) params.append("filter", matcher);
  return params;
}

const escapeRegex = (text) => text.replace(/[\\.+*?()|[\]{}^$]/g, "\\$&");

// --- Routing -------------------------------------------------------------------------------------------------------

function place() {
  const [path, query] = location.hash.replace(/^#/, "").split(/\?(.*)/s);
  return { path: path || "/alerts", query: new URLSearchParams(query || "") };
}

function go(path, params) {
  const query = params && params.toString();
  location.hash = query ? `${path}?${query}` : path;
}

async function route() {
  clearTimeout(timer);
  const { path, query } = place();
  const parts = path.split("/").filter(Boolean);
  const page = parts[0] || "alerts";
  for (const link of document.querySelectorAll("nav a")) {
    if (link.dataset.page === page) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  turn += 1;
  const id = parts[1] && decodeURIComponent(parts[1]);
  if (page === "alerts" && id) await alertPage(id);
  else if (page === "alerts") await alertsPage(query);
  else if (page === "silences" && id === "new") await silenceForm(query, null);
  else if (page === "silences" && id && parts[2] === "edit") await silenceForm(query, id);
  else if (page === "silences" && id) await silencePage(id);
  else if (page === "silences") await silencesPage(query);
  else if (page === "notifications") await notificationsPage(query);
  else if (page === "status") await statusPage();
  else show("Not here", note("warn", `There is no page ${path}.`));
}

/** Fills `target` now and again as long as this page is shown. */
async function live(target, load) {
  const mine = turn;
  const fresh = document.getElementById("fresh");
  const once = async () => {
    try {
      const content = await load();
      if (mine !== turn) return;
      target.replaceChildren(...[content].flat());
      fresh.textContent = `as of ${new Date().toLocaleTimeString()}`;
    } catch (error) {
      if (mine !== turn) return;
      target.replaceChildren(note("error", error.message));
      fresh.textContent = "no answer";
    }
  };
  const again = async () => {
    // What a person is reading or about to press stays as it is.
    const busy = paused || document.hidden || target.querySelector(".why");
    if (!busy) await once();
    if (mine === turn) timer = setTimeout(again, REFRESH_MS);
  };
  await once();
  if (mine === turn) timer = setTimeout(again, REFRESH_MS);
  return once;
}

// --- Alerts --------------------------------------------------------------------------------------------------------

async function alertsPage(query) {
  const filter = el("input", {
    value: query.get("filter") || "",
    placeholder: 'alertname="HighLoad", severity=~"warning|critical"',
    spellcheck: false,
    autocomplete: "off",
  });
  const receiver = el("select", {}, el("option", { value: "" }, "All"));
  const checks = {};
  const check = (name, label, standard) => {
    const given = query.get(name);
    checks[name] = el("input", { type: "checkbox", checked: given === null ? standard : given === "true", onchange: apply });
    return el("label", {}, checks[name], label);
  };
  const list = el("div", { "aria-live": "off" });
  const form = el(
    "form",
    { className: "bar", onsubmit: (event) => { event.preventDefault(); apply(); } },
    el("label", { className: "field grow" }, "Filter by labels", filter),
    field("Receiver", receiver),
    el("div", { className: "checks" },
      check("active", "Active", true), check("silenced", "Silenced", false),
      check("inhibited", "Inhibited", false), check("muted", "Muted by time", false)),
    el("button", {}, "Apply"),
    el("a", { className: "button quiet", href: `#/silences/new?${new URLSearchParams({ filter: query.get("filter") || "" })}` }, "Silence these"),
  );
  receiver.addEventListener("change", apply);
  show("Alerts", form, list);

  function apply() {
    const params = new URLSearchParams();
    if (filter.value.trim()) params.set("filter", filter.value.trim());
    if (receiver.value) params.set("receiver", receiver.value);
    for (const name of Object.keys(checks)) params.set(name, String(checks[name].checked));
    go("/alerts", params);
  }

  const wanted = query.get("receiver") || "";
  const mine = turn;
  api("receivers").then((receivers) => {
    if (mine !== turn) return;
    const options = receivers.map((r) => el("option", { value: escapeRegex(r.name) }, r.name));
    if (wanted && !options.some((option) => option.value === wanted)) options.push(el("option", { value: wanted }, wanted));
    receiver.append(...options);
    receiver.value = wanted;
  }).catch(() => {});

  const params = filterParams(query.get("filter") || "");
  if (wanted) params.set("receiver", wanted);
  for (const name of Object.keys(checks)) params.set(name, String(checks[name].checked));
  const addFilter = (name, value) => {
    const matchers = splitMatchers(filter.value);
    const added = matcherText(equals(name, value));
    if (!matchers.includes(added)) matchers.push(added);
    filter.value = matchers.join(", ");
    apply();
  };
  await live(list, async () => groupCards(await api(`alerts/groups?${params}`), addFilter));
}

function groupCards(groups, addFilter) {
  const total = groups.reduce((sum, group) => sum + group.alerts.length, 0);
  if (total === 0) return note("", "No alerts match. Silenced, inhibited and muted ones are hidden unless their boxes are ticked.");
  let left = SHOWN;
  const cards = [el("p", { className: "soft" }, `${total} alert${total === 1 ? "" : "s"} in ${groups.length} group${groups.length === 1 ? "" : "s"}`)];
  for (const group of groups) {
    if (left <= 0) break;
    const shown = group.alerts.slice(0, left);
    left -= shown.length;
    const names = Object.keys(group.labels);
    cards.push(el("section", { className: "card" },
      el("div", { className: "head" },
        names.length ? labelChips(group.labels, addFilter) : el("span", { className: "soft" }, "not grouped by any label"),
        el("span", { className: "soft" }, `→ ${group.receiver.name}`),
        el("span", { className: "count" }, `${group.alerts.length} alert${group.alerts.length === 1 ? "" : "s"}`)),
      shown.map((alert) => alertRow(alert, group.labels, addFilter))));
  }
  if (total > SHOWN) cards.push(note("", `The first ${SHOWN} of ${total} are shown. Narrow the filter to see others.`));
  return cards;
}

function labelChips(labels, addFilter, except) {
  const pairs = Object.entries(labels).filter(([name]) => !except || !(name in except));
  return el("div", { className: "chips" }, pairs.map(([name, value]) => {
    const text = `${name}=${quote(value)}`;
    if (!addFilter) return el("span", { className: "chip" }, text);
    return el("button", { className: "chip", type: "button", title: "Filter by this label", onclick: () => addFilter(name, value) }, text);
  }));
}

/** Only http and https become links; anything else, such as javascript:, stays text. */
function link(url, text) {
  if (/^https?:\/\//i.test(url)) return el("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, text);
  return null;
}

function linkified(text) {
  const parts = text.split(/(https?:\/\/[^\s<>"]+)/i);
  return parts.map((part, i) => (i % 2 === 1 ? link(part, part) : part));
}

function alertRow(alert, groupLabels, addFilter) {
  const row = el("article", { className: "row" });
  const why = el("button", { className: "quiet small", type: "button", "aria-expanded": "false" }, "Why?");
  why.addEventListener("click", () => toggleWhy(row, why, alert.fingerprint));
  const silence = new URLSearchParams({ filter: braces(Object.entries(alert.labels).map(([n, v]) => equals(n, v))) });
  const name = alert.labels.alertname || "(no alertname)";
  row.append(
    el("div", { className: "top" },
      badge(alert.status.state),
      el("a", { className: "name", href: `#/alerts/${alert.fingerprint}` }, name),
      el("span", { className: "soft" }, "since ", when(alert.startsAt)),
      el("span", { className: "actions" },
        alert.generatorURL ? link(alert.generatorURL, "Source") : null,
        el("a", { className: "button quiet small", href: `#/silences/new?${silence}` }, "Silence"),
        why)),
    reasons(alert.status) || "",
    ...Object.entries(alert.annotations).map(([key, value]) => el("p", { className: "text" }, el("span", { className: "soft" }, `${key}: `), linkified(value))),
    labelChips(alert.labels, addFilter, groupLabels));
  return row;
}

/** What mutes it, in links. */
function reasons(status) {
  const parts = [];
  for (const id of status.silencedBy) parts.push(["silenced by ", el("a", { href: `#/silences/${encodeURIComponent(id)}` }, id.slice(0, 8))]);
  for (const fp of status.inhibitedBy) parts.push(["inhibited by alert ", el("a", { href: `#/alerts/${fp}` }, fp)]);
  for (const name of status.mutedBy) parts.push([`muted by time interval ${name}`]);
  if (parts.length === 0) return null;
  return el("p", { className: "text soft" }, parts.flatMap((part, i) => (i ? ["; ", ...part] : part)));
}

async function toggleWhy(row, button, fingerprint) {
  const open = row.querySelector(".why");
  button.setAttribute("aria-expanded", String(!open));
  if (open) {
    open.remove();
    return;
  }
  const box = el("div", { className: "why" }, "…");
  row.append(box);
  try {
    const answer = await api(`alerts/${encodeURIComponent(fingerprint)}/explain`);
    box.replaceChildren(...explanation(answer));
  } catch (error) {
    box.replaceChildren(note("error", error.message || "This alert is gone."));
  }
}

function explanation(answer) {
  const mutes = reasons(answer.alert.status);
  const content = [el("p", { className: "soft" }, "Fingerprint ", el("code", {}, answer.alert.fingerprint), ", updated ", when(answer.alert.updatedAt), ", ends ", when(answer.alert.endsAt))];
  if (mutes) content.push(mutes);
  for (const group of answer.groups) content.push(...explainGroup(group));
  return content;
}

function explainGroup(group) {
  const lines = [];
  const last = group.path[group.path.length - 1];
  const own = last && last.matchers.length ? el("code", {}, `{${last.matchers.join(", ")}}`) : "the root route";
  lines.push(el("li", {}, "Taken by ", own, ` for receiver ${group.receiver}: first told after ${group.groupWait}, changes after ${group.groupInterval}, repeated after ${group.repeatInterval}`));
  if (group.mutedBy.length) lines.push(el("li", {}, `Muted now by time interval ${group.mutedBy.join(", ")}`));
  if (!group.created) lines.push(el("li", {}, "In no group any more: it resolved and that was told, or it resolved while muted."));
  if (group.lastFlush) lines.push(el("li", {}, "Group last looked at ", when(group.lastFlush)));
  if (group.nextFlush) lines.push(el("li", {}, "Group is looked at next ", when(group.nextFlush)));
  for (const decision of group.decisions) {
    lines.push(el("li", {}, `${decision.integration}: decided ${decision.notify ? "to notify" : "not to notify"}, ${decision.reason} (`, when(decision.at), ")"));
  }
  for (const told of group.told) {
    lines.push(el("li", {}, `${told.integration}[${told.index}] was last told of this group `, when(told.at), told.asFiring ? ", this alert as firing" : ", without this alert as firing"));
  }
  for (const entry of group.notifications) {
    lines.push(el("li", {}, badge(entry.outcome), ` ${entry.integration || "no integration"} `, when(entry.at), `, ${entry.reason}`, entry.error ? `: ${entry.error}` : ""));
  }
  return [el("strong", {}, `Receiver ${group.receiver}`), " ", el("code", { className: "soft" }, group.groupKey), el("ul", {}, lines)];
}

async function alertPage(fingerprint) {
  const box = el("div", {});
  show("Alert", box);
  await live(box, async () => {
    const answer = await api(`alerts/${encodeURIComponent(fingerprint)}/explain`).catch((error) => {
      if (error.message.startsWith("404")) throw new Error("There is no such alert; it may have resolved and been forgotten.");
      throw error;
    });
    const row = alertRow(answer.alert, {}, null);
    row.querySelector("button[aria-expanded]").remove();
    return [
      el("section", { className: "card" }, row),
      el("h2", {}, "Why it was or was not notified"),
      el("section", { className: "card pad" }, explanation(answer)),
    ];
  });
}

// --- Silences ------------------------------------------------------------------------------------------------------

const stateBadge = (state) => badge(state === "active" ? "silence-active" : state, state);

async function silencesPage(query) {
  const state = query.get("state") || "active";
  const text = query.get("filter") || "";
  const filter = el("input", { value: text, placeholder: 'alertname="HighLoad"', spellcheck: false, autocomplete: "off" });
  const tabs = el("div", { className: "tabs", role: "group", "aria-label": "State" });
  const list = el("div", {});
  const apply = (chosen) => {
    const params = new URLSearchParams({ state: chosen });
    if (filter.value.trim()) params.set("filter", filter.value.trim());
    go("/silences", params);
  };
  show("Silences",
    el("form", { className: "bar", onsubmit: (event) => { event.preventDefault(); apply(state); } },
      el("label", { className: "field grow" }, "Filter by matchers", filter),
      el("button", { className: "quiet" }, "Apply"),
      el("a", { className: "button", href: "#/silences/new" }, "New silence")),
    tabs, el("p", {}), list);
  const reload = await live(list, async () => {
    const all = await api(`silences?${filterParams(text)}`);
    tabs.replaceChildren(...["active", "pending", "expired"].map((name) => {
      const count = all.filter((s) => s.status.state === name).length;
      return el("button", { className: "quiet", type: "button", "aria-pressed": String(name === state), onclick: () => apply(name) }, `${name} (${count})`);
    }));
    const chosen = all.filter((s) => s.status.state === state);
    if (chosen.length === 0) return note("", `No ${state} silences.`);
    const cards = chosen.slice(0, SHOWN).map((s) => el("section", { className: "card" }, silenceRow(s, () => reload())));
    if (chosen.length > SHOWN) cards.push(note("", `The first ${SHOWN} of ${chosen.length} are shown.`));
    return cards;
  });
}

function silenceRow(silence, changed) {
  const over = silence.status.state === "expired";
  const id = encodeURIComponent(silence.id);
  return el("article", { className: "pad" },
    el("div", { className: "top bar" },
      stateBadge(silence.status.state),
      el("a", { href: `#/silences/${id}` }, silence.id.slice(0, 8)),
      el("span", { className: "soft" }, over ? "ended " : silence.status.state === "pending" ? "begins " : "ends ", when(silence.status.state === "pending" ? silence.startsAt : silence.endsAt)),
      el("span", { className: "soft" }, `by ${silence.createdBy || "nobody named"}`),
      el("a", { className: "button quiet small", href: `#/silences/${id}/edit` }, over ? "Make again" : "Edit"),
      over ? null : expireButton(silence, changed)),
    el("div", { className: "chips" }, silence.matchers.map((m) => el("span", { className: "chip" }, matcherText(m)))),
    silence.comment ? el("p", { className: "text" }, linkified(silence.comment)) : null);
}

function expireButton(silence, changed) {
  const button = el("button", { className: "danger small", type: "button" }, "Expire");
  let sure = false;
  button.addEventListener("click", async () => {
    if (!sure) {
      sure = true;
      button.textContent = "Really expire?";
      setTimeout(() => { sure = false; button.textContent = "Expire"; }, 4000);
      return;
    }
    button.disabled = true;
    try {
      await api(`silence/${encodeURIComponent(silence.id)}`, { method: "DELETE" });
      changed();
    } catch (error) {
      button.replaceWith(note("error", error.message));
    }
  });
  return button;
}

async function silencePage(id) {
  const box = el("div", {});
  show("Silence", box);
  const reload = await live(box, async () => {
    const silence = await api(`silence/${encodeURIComponent(id)}`);
    const alerts = await matchingAlerts(silence.matchers);
    return [
      el("section", { className: "card" }, silenceRow(silence, () => reload()),
        el("div", { className: "row" }, el("dl", {},
          el("dt", {}, "Id"), el("dd", {}, silence.id),
          el("dt", {}, "Begins"), el("dd", {}, when(silence.startsAt)),
          el("dt", {}, "Ends"), el("dd", {}, when(silence.endsAt)),
          el("dt", {}, "Edited"), el("dd", {}, when(silence.updatedAt)),
          Object.entries(silence.annotations || {}).map(([key, value]) => [el("dt", {}, key), el("dd", {}, linkified(value))])))),
      el("h2", {}, `Alerts that its matchers match now (${alerts.length})`),
      alertList(alerts),
    ];
  });
}

async function matchingAlerts(matchers) {
  const params = new URLSearchParams();
  for (const m of matchers) params.append("filter", matcherText(m));
  return api(`alerts?${params}`);
}

function alertList(alerts) {
  if (alerts.length === 0) return note("warn", "None.");
  return el("section", { className: "card" },
    alerts.slice(0, 50).map((alert) => el("div", { className: "row" },
      el("div", { className: "top" }, badge(alert.status.state), el("strong", {}, alert.labels.alertname || "(no alertname)")),
      labelChips(alert.labels, null))),
    alerts.length > 50 ? el("p", { className: "row soft" }, `and ${alerts.length - 50} more`) : null);
}

async function silenceForm(query, id) {
  let old = null;
  if (id) {
    try {
      old = await api(`silence/${encodeURIComponent(id)}`);
    } catch (error) {
      show("Edit silence", note("error", error.message));
      return;
    }
  }
  const editing = old && old.status.state !== "expired";
  let pending = null;
  const given = old ? old.matchers : splitMatchers(query.get("filter") || "").map(parseMatcher).filter(Boolean);
  const rows = el("div", { className: "matchers" });
  const list = given.length ? given : [equals("", "")];
  for (const matcher of list) rows.append(matcherRow(matcher, preview));
  const start = new Date(editing ? old.startsAt : Date.now());
  const end = new Date(editing ? old.endsAt : Date.now() + 7200000);
  const inputs = {
    start: el("input", { type: "datetime-local", step: "1", value: localInput(start), required: true }),
    length: el("input", { value: span((end - start) / 1000), placeholder: "2h" }),
    end: el("input", { type: "datetime-local", step: "1", value: localInput(end), required: true }),
    author: el("input", { value: old ? old.createdBy : remembered("author"), required: true }),
    comment: el("textarea", { rows: 3, value: old ? old.comment : query.get("comment") || "", required: true }),
  };
  linkTimes(inputs);
  const result = el("div", { "aria-live": "polite" });
  const matches = el("div", { "aria-live": "polite" });
  const save = el("button", {}, editing ? "Save" : "Create");
  const add = el("button", { type: "button", className: "quiet small", onclick: () => rows.append(matcherRow(equals("", ""), preview)) }, "Add matcher");
  const form = el("form", { className: "form card pad" },
    el("div", { className: "field" }, "Alerts that match all of", rows), el("div", {}, add),
    el("div", { className: "times" }, field("Begins", inputs.start), field("Lasts", inputs.length), field("Ends", inputs.end)),
    field("Creator", inputs.author), field("Comment", inputs.comment), result,
    el("div", {}, save, " ", el("a", { className: "button quiet", href: "#/silences" }, "Cancel")));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    try {
      const body = draft(rows, inputs);
      if (editing) body.id = old.id;
      if (old && old.annotations) body.annotations = old.annotations;
      remember("author", body.createdBy);
      const answer = await post("silences", body);
      go(`/silences/${encodeURIComponent(answer.silenceID)}`);
    } catch (error) {
      result.replaceChildren(note("error", error.message));
      save.disabled = false;
    }
  });
  show(editing ? "Edit silence" : "New silence", form, matches);
  preview();

  function preview() {
    clearTimeout(pending);
    const mine = turn;
    pending = setTimeout(async () => {
      const matchers = readMatchers(rows);
      if (matchers.length === 0) {
        matches.replaceChildren(note("warn", "Without a matcher it would mute nothing; at least one is needed."));
        return;
      }
      try {
        const alerts = await matchingAlerts(matchers);
        if (mine !== turn) return;
        matches.replaceChildren(el("h2", {}, `Matches ${alerts.length} alert${alerts.length === 1 ? "" : "s"} now`), alertList(alerts));
      } catch (error) {
        if (mine === turn) matches.replaceChildren(note("error", error.message));
      }
    }, 300);
  }
}

function matcherRow(matcher, changed) {
  const row = el("div", { className: "matcher" },
    el("input", { name: "name", value: matcher.name, placeholder: "label", "aria-label": "Label", spellcheck: false, oninput: changed }),
    el("select", { name: "operator", "aria-label": "Operator", onchange: changed }, OPERATORS.map((op) => el("option", { value: op }, op))),
    el("input", { name: "value", value: matcher.value, placeholder: "value", "aria-label": "Value", spellcheck: false, oninput: changed }),
    el("button", { type: "button", className: "quiet", "aria-label": "Remove matcher", onclick: () => { row.remove(); changed(); } }, "×"));
  row.querySelector("[name=operator]").value = operator(matcher);
  return row;
}

function readMatchers(rows) {
  return [...rows.children].map((row) => {
    const op = row.querySelector("[name=operator]").value;
    return {
      name: row.querySelector("[name=name]").value.trim(),
      value: row.querySelector("[name=value]").value,
      isRegex: op.endsWith("~"),
      isEqual: !op.startsWith("!"),
    };
  }).filter((m) => m.name !== "");
}

function draft(rows, inputs) {
  const matchers = readMatchers(rows);
  if (matchers.length === 0) throw new Error("At least one matcher is needed.");
  return {
    matchers,
    startsAt: new Date(inputs.start.value).toISOString(),
    endsAt: new Date(inputs.end.value).toISOString(),
    createdBy: inputs.author.value.trim(),
    comment: inputs.comment.value.trim(),
  };
}

/** Begin and length give the end; an end gives the length. */
function linkTimes({ start, length, end }) {
  const toEnd = () => {
    const seconds = parseSpan(length.value);
    length.setCustomValidity(seconds === null ? "A duration such as 2h or 1d 12h" : "");
    if (seconds !== null && start.value) end.value = localInput(new Date(new Date(start.value).getTime() + seconds * 1000));
  };
  start.addEventListener("input", toEnd);
  length.addEventListener("input", toEnd);
  end.addEventListener("input", () => {
    length.setCustomValidity("");
    length.value = span((new Date(end.value) - new Date(start.value)) / 1000);
  });
}

function remembered(key) {
  try {
    return localStorage.getItem(key) || "";
  } catch {
    return "";
  }
}

function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off; nothing is remembered then.
  }
}

// --- Notifications -------------------------------------------------------------------------------------------------

async function notificationsPage(query) {
  const receiver = el("input", { value: query.get("receiver") || "" });
  const outcome = el("select", {}, ["", "sent", "failed", "recorded"].map((name) => el("option", { value: name }, name || "any")));
  outcome.value = query.get("outcome") || "";
  const filter = el("input", { value: query.get("filter") || "", placeholder: 'alertname="HighLoad"', spellcheck: false });
  const list = el("div", {});
  const apply = () => {
    const params = new URLSearchParams();
    if (receiver.value) params.set("receiver", receiver.value);
    if (outcome.value) params.set("outcome", outcome.value);
    if (filter.value.trim()) params.set("filter", filter.value.trim());
    go("/notifications", params);
  };
  outcome.addEventListener("change", apply);
  show("Notifications",
    el("form", { className: "bar", onsubmit: (event) => { event.preventDefault(); apply(); } },
      el("label", { className: "field grow" }, "Filter by labels of the group", filter),
      field("Receiver", receiver), field("Outcome", outcome), el("button", { className: "quiet" }, "Apply")),
    list);
  const params = filterParams(filter.value);
  for (const name of ["receiver", "outcome"]) if (query.get(name)) params.set(name, query.get(name));
  const load = (cursor) => {
    const all = new URLSearchParams(params);
    if (cursor) all.set("cursor", cursor);
    return api(`notifications?${all}`);
  };
  await live(list, async () => {
    // Further pages would be lost by a refresh.
    const open = list.querySelector("tbody[data-pages]");
    if (open) return [...list.childNodes];
    return notificationTable(await load(null), load);
  });
}

function notificationTable(page, load) {
  if (page.notifications.length === 0) return note("", "No notifications yet. One appears here when a group of alerts has been sent, has failed, or was recorded because its receiver has no integration.");
  const rows = el("tbody", {}, page.notifications.map(notificationRow));
  const table = el("section", { className: "card scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ["When", "Outcome", "Receiver", "Group", "Alerts", "Why", "Attempts"].map((name) => el("th", { scope: "col" }, name)))), rows));
  const more = el("button", { className: "quiet", type: "button" }, "Older ones");
  let cursor = page.nextCursor;
  more.hidden = !cursor;
  more.addEventListener("click", async () => {
    more.disabled = true;
    try {
      const next = await load(cursor);
      rows.dataset.pages = "more";
      rows.append(...next.notifications.map(notificationRow));
      cursor = next.nextCursor;
      more.hidden = !cursor;
    } catch (error) {
      more.replaceWith(note("error", error.message));
    }
    more.disabled = false;
  });
  return [table, more];
}

function notificationRow(entry) {
  const name = entry.integration ? `${entry.receiver} / ${entry.integration}[${entry.index}]` : entry.receiver;
  const alerts = [];
  if (entry.firing) alerts.push(badge("firing", `${entry.firing} firing`), " ");
  if (entry.resolved) alerts.push(badge("resolved", `${entry.resolved} resolved`));
  return el("tr", {},
    el("td", {}, when(entry.at)),
    el("td", {}, badge(entry.outcome)),
    el("td", {}, name),
    el("td", {}, labelChips(entry.groupLabels, null)),
    el("td", {}, alerts),
    el("td", { className: entry.error ? "error" : "" }, entry.reason, entry.error ? `: ${entry.error}` : ""),
    el("td", {}, entry.attempts ? `${entry.attempts} in ${(entry.durationMs / 1000).toFixed(1)}s` : "none"));
}

// --- Status --------------------------------------------------------------------------------------------------------

async function statusPage() {
  const box = el("div", {});
  show("Status", box);
  await live(box, async () => {
    const [status, mesh, endpoints] = await Promise.all([api("status"), api("cluster"), api("endpoints")]);
    const own = status.watchfire || { warnings: [] };
    const facts = [
      ["Version", `${own.version} (stands in for Alertmanager ${status.versionInfo.version}, revision ${status.versionInfo.revision})`],
      ["Up since", when(status.uptime)],
      ["Cluster", badge(status.cluster.status)],
    ];
    if (status.cluster.name) facts.push(["Name", status.cluster.name]);
    return [
      own.warnings.map((warning) => note("warn", warning)),
      el("section", { className: "card pad" }, el("dl", {}, facts.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value)]))),
      meshPanel(mesh),
      endpointsPanel(endpoints),
      el("h2", {}, "Configuration in force"),
      el("section", { className: "card" }, el("pre", { tabIndex: 0 }, status.config.original)),
    ].flat();
  });
}

/** How this node sees its mesh; nothing if clustering is off. */
function meshPanel(mesh) {
  if (!mesh.enabled) return [];
  const votes = mesh.electorate.names;
  const majority = mesh.electorate.quorum ? badge("ready", "majority in reach") : badge("failed", "no majority in reach");
  const columns = ["Name", "Address", "State", "Vote", "Goes first for", "Behind", "Round trip", "Clock", "Version", "Started"];
  const groups = new Map(mesh.owners.map((owner) => [owner.name, owner.groups]));
  const repaired = mesh.replication.repaired;
  return [
    el("h2", {}, "Mesh"),
    mesh.problems.map((problem) => note("warn", problem)),
    el("section", { className: "card scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, mesh.members.map((member) => memberRow(member, votes.includes(member.name) ? (member.votes ? "yes" : "not now") : "no", groups.get(member.name)))))),
    el("section", { className: "card pad" }, el("dl", {},
      el("dt", {}, "Votes"), el("dd", {}, majority, ` ${votes.length} node${votes.length === 1 ? "" : "s"}, epoch ${mesh.electorate.epoch}`),
      el("dt", {}, "Notifications"), el("dd", {}, `${mesh.claims.held} told by this node, ${mesh.claims.lost} left to others, ${mesh.claims.minority} without a majority`),
      el("dt", {}, "Replication"), el("dd", {}, `${mesh.replication.behind} changes behind, comparisons of all state: ${mesh.replication.repairs}, which brought ${repaired} record${repaired === 1 ? "" : "s"}`))),
  ].flat();
}

function memberRow(member, votes, groups) {
  const states = [];
  if (member.self) states.push(badge(member.ready ? "ready" : "settling", member.ready ? "this node" : "this node, not ready"));
  else if (member.state === "down") states.push(badge("failed", "down"));
  else if (!member.connected) states.push(badge("failed", "no stream"));
  else if (!member.ready) states.push(badge("settling", "not ready"));
  else states.push(badge("ready"));
  if (member.state === "suspect") states.push(" ", badge("pending", "suspect"));
  if (member.udpBlocked) states.push(" ", badge("pending", "UDP blocked"));
  if (member.diskFails) states.push(" ", badge("failed", "disk fails"));
  if (member.configMismatch) states.push(" ", badge("pending", "other configuration"));
  const behind = Object.entries(member.lag || {}).filter(([, records]) => records > 0);
  const ahead = member.clockAheadMs || 0;
  const clock = Math.abs(ahead) < 10 ? "same" : `${(Math.abs(ahead) / 1000).toFixed(2)} s ${ahead > 0 ? "ahead" : "behind"}`;
  return el("tr", {},
    el("td", {}, member.name),
    el("td", {}, member.address),
    el("td", {}, states),
    el("td", {}, votes),
    el("td", {}, groups === undefined ? "" : `${groups} group${groups === 1 ? "" : "s"}`),
    el("td", {}, member.lag === undefined ? "" : behind.map(([map, records]) => `${records} ${map}`).join(", ") || "nothing"),
    el("td", {}, member.roundTripMicros === undefined ? "" : `${(member.roundTripMicros / 1000).toFixed(2)} ms`),
    el("td", {}, member.clockAheadMs === undefined ? "" : clock),
    el("td", {}, member.version),
    el("td", {}, member.run ? when(new Date(member.run).toISOString()) : ""));
}

/** How the endpoints of queries do; nothing if there are none. */
function endpointsPanel(status) {
  if (!status.enabled) return [];
  const columns = ["Partition", "Endpoint", "Address", "State", "What it is", "Last answer", "Last error"];
  const rows = status.partitions.flatMap((partition) => partition.endpoints.map((endpoint, at) => endpointRow(partition, endpoint, at === 0)));
  const { queries, cache } = status;
  const steps = cache.knownSteps + cache.askedSteps;
  const known = steps ? `${Math.round((100 * cache.knownSteps) / steps)} % of ${steps} steps were known` : "nothing was asked yet";
  return [
    el("h2", {}, "Endpoints of queries"),
    status.problems.map((problem) => note("warn", problem)),
    el("section", { className: "card scroll" }, el("table", {},
      el("thead", {}, el("tr", {}, columns.map((name) => el("th", { scope: "col" }, name)))),
      el("tbody", {}, rows))),
    el("section", { className: "card pad" }, el("dl", {},
      el("dt", {}, "Queries"), el("dd", {}, `${queries.running} running, ${queries.waiting} waiting, ${queries.partial} answered without a partition`),
      el("dt", {}, "Range queries"), el("dd", {}, `${known}, ${(cache.bytes / 1048576).toFixed(1)} MiB are kept`),
      status.discoveries.flatMap((found) => [el("dt", {}, found.name), el("dd", {}, `${found.endpoints} found${found.error ? `: ${found.error}` : ""}`)]))),
  ].flat();
}

function endpointRow(partition, endpoint, first) {
  const states = [];
  if (endpoint.up === undefined) states.push(badge("pending", "not asked yet"));
  else if (endpoint.up) states.push(badge("ready", "answers"));
  else states.push(badge("failed", "does not answer"));
  if (endpoint.preferred && partition.endpoints.length > 1) states.push(" ", badge("ready", "asked first"));
  if (partition.optional) states.push(" ", badge("pending", "optional"));
  return el("tr", {},
    el("td", {}, first ? labelChips(partition.labels, null) : ""),
    el("td", {}, endpoint.name),
    el("td", {}, endpoint.url),
    el("td", {}, states),
    el("td", {}, [endpoint.kind, endpoint.version].filter(Boolean).join(" ")),
    el("td", {}, endpoint.lastAnswerAt ? when(endpoint.lastAnswerAt) : "never"),
    el("td", { className: endpoint.lastError ? "error" : "" }, endpoint.lastError ? [when(endpoint.lastErrorAt), ` ${endpoint.lastError}`] : ""));
}

// --- Start ---------------------------------------------------------------------------------------------------------

document.getElementById("pause").addEventListener("click", (event) => {
  paused = !paused;
  event.target.textContent = paused ? "Resume" : "Pause";
  event.target.setAttribute("aria-pressed", String(paused));
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The fragment names the page, so it cannot name an element too.
  event.preventDefault();
  main.focus();
});
const begin = () => route().catch((error) => show("Error", note("error", String(error))));
window.addEventListener("hashchange", begin);
begin();
