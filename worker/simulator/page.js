"use strict";
// Everything shown came from somebody's request: it enters the page as text only, never as HTML.
const $ = (id) => document.getElementById(id);
const make = (tag, text, ...children) => {
  const node = document.createElement(tag);
  if (text !== undefined && text !== null) node.textContent = text;
  node.append(...children);
  return node;
};
const classed = (node, name) => { node.className = name; return node; };
const TABS = {
  events: { name: "Events", head: ["received", "event", "person"], empty: "Nothing yet. Send a batch, and it appears here.",
    hint: "Accepted events, newest first. Choose a row to see its person." },
  people: { name: "People", head: ["identifiers", "attributes", "events"], empty: "Nobody yet.",
    hint: "Everybody an identify or an event has created, newest first." },
  refused: { name: "Refused", head: ["when", "status", "why"], empty: "Nothing was refused.",
    hint: "Requests, and items of a batch, answered with an error that no fault made." },
  activity: { name: "Not applied", head: ["when", "why", "what"], empty: "Everything that was accepted was applied.",
    hint: "Accepted with a 200 and yet without effect: duplicates, stale attributes, suppressed people, what is not simulated." },
  defects: { name: "Defects", head: ["when", "kind", "value"], empty: "Nothing a careful client would not send.",
    hint: "Accepted as Customer.io would, but not what the sender meant." },
  faults: { name: "Faults", head: ["fault", "what happens", "met", ""], empty: "",
    hint: "A switch makes every request meet the fault; “Next” only the next one. A request meets one fault at most." },
};
const PAGE_ROWS = 300;
let tab = "events", site = "", paused = false, shown = null, chosen = "", meaning = {}, generation = 0, busy = 0, filter = "";
let cursors = [0], next = null, drawn = new Map();

async function get(path, parameters = {}) {
  const query = new URLSearchParams(site ? { workspace: site, ...parameters } : parameters);
  const answer = await fetch(`/_inspect/${path}?${query}`);
  if (!answer.ok) throw new Error(String(answer.status));
  return answer.json();
}
const two = (number) => String(number).padStart(2, "0");
const day = (date) => `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
const clock = (date) => `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
function time(ms) {
  const date = new Date(ms);
  if (isNaN(date)) return make("time", String(ms / 1000));
  const node = make("time", day(date) === day(new Date()) ? clock(date) : `${day(date)} ${clock(date)}`);
  node.dateTime = node.title = date.toISOString();
  return node;
}
const isDate = (name, any) => Number.isInteger(any) && any > 999999999 && any < 100000000000
  && /(^|_)(at|date|time|timestamp|until|since|last_used)(_|$)/i.test(name);
const value = (any) => (typeof any === "string" ? any : JSON.stringify(any));
const ordered = (identifiers) => { const { cio_id, ...others } = identifiers; return Object.entries({ ...others, cio_id }); };
const names = (identifiers) => ordered(identifiers).map(([kind, name]) => `${kind} ${name}`).join("  ·  ");
const timeCell = (ms) => classed(make("td", null, time(ms)), "time");
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

function row(cells, open) {
  const line = make("tr", null, ...cells);
  line.className = "open";
  line.tabIndex = -1;
  line.onclick = () => { line.focus(); open(); };
  line.onkeydown = (press) => {
    if (press.target !== line) return;
    if (press.key === "Enter" || press.key === " ") { press.preventDefault(); open(); }
  };
  return line;
}
function eventCell(event) {
  const attributes = Object.entries(event.attributes || {});
  const cell = make("td", null, make("strong", event.name));
  if (event.action !== "event") cell.append(make("span", ` (${event.action})`));
  if (attributes.length) {
    const text = attributes.map(([name, any]) => `${name}: ${value(any)}`).join("\n");
    const details = make("details", null,
      make("summary", `${attributes.length} ${attributes.length === 1 ? "attribute" : "attributes"}`), make("pre", text));
    details.addEventListener("click", (press) => press.stopPropagation());
    cell.append(details);
  }
  return cell;
}
function openNote(note, title) {
  const [kind, ...name] = (note.person || "").split(":");
  if (name.length) { openPerson(kind, name.join(":")); return; }
  shown = null;
  $("close").hidden = false;
  $("who").textContent = title;
  $("person").replaceChildren(...pairs(Object.entries(note).filter(([, any]) => any !== ""), "About no person"));
}
const DRAW = {
  events: (event) => {
    const [[kind, name]] = Object.entries(event.person);
    return row([timeCell(event.received_ms), eventCell(event), make("td", `${kind} ${name}`)], () => openPerson(kind, name));
  },
  people: (person) => {
    const entries = Object.entries(person.attributes);
    const some = entries.slice(0, 4).map(([name, any]) => `${name}: ${isDate(name, any) ? day(new Date(any * 1000)) : value(any)}`);
    return row([make("td", names(person.identifiers)), make("td", some.join(", ") + (entries.length > 4 ? " …" : "")),
      classed(make("td", person.event_count.toLocaleString()), "number")], () => openPerson("cio_id", person.identifiers.cio_id));
  },
  refused: (note) => row([timeCell(note.at * 1000), make("td", note.kind),
    make("td", note.why, make("pre", `${note.path}${note.person ? `  ·  ${note.person}` : ""}`))], () => openNote(note, `Answered ${note.kind}`)),
  activity: (note) => row([timeCell(note.at * 1000), make("td", note.kind), make("td", `${note.person} ${note.detail}`)],
    () => openNote(note, note.kind)),
  defects: (note) => row([timeCell(note.at * 1000), make("td", meaning[note.kind] || note.kind),
    make("td", null, make("code", value(note.value)))], () => openNote(
    note.kind === "concurrent_person" ? { ...note, person: note.value } : note, note.kind)),
};

function drawTabs() {
  $("tabs").replaceChildren(...Object.entries(TABS).map(([key, { name }]) => {
    const link = make("a", name);
    link.href = `#${key}`;
    link.setAttribute("role", "tab");
    link.setAttribute("aria-selected", String(key === tab));
    link.tabIndex = key === tab ? 0 : -1;
    return link;
  }));
}
function restart(keepsPage) {
  generation += 1;
  if (!keepsPage) cursors = [0];
  next = null;
  drawn = new Map();
  $("title").textContent = TABS[tab].name;
  $("hint").textContent = TABS[tab].hint;
  $("foot").hidden = $("find").hidden = tab === "faults";
  $("list").replaceChildren();
  refresh().catch(() => {});
}
function openTab() {
  const name = location.hash.slice(1);
  const had = document.activeElement?.getAttribute("role") === "tab";
  tab = TABS[name] ? name : "events";
  drawTabs();
  if (had) $("tabs").querySelector("[aria-selected=true]").focus();
  restart();
}
function drawTiles(stats) {
  const list = (counts) => Object.entries(counts).map(([name, count]) => `${name}: ${count.toLocaleString()}`).join("\n");
  const tiles = [
    ["requests", sum(stats.requests), "faults", "answers sent, by status", list(stats.requests)],
    ["events", stats.events, "events", "accepted, each counted once"],
    ["people", stats.people, "people", "profiles there are now"],
    ["duplicates", stats.duplicates, "activity", "events whose ULID was seen before"],
    ["stale attributes", stats.stale_attributes, "activity", "older than what the profile has"],
    ["not applied", sum(stats.not_applied), "activity", "a 200 without an effect", list(stats.not_applied)],
    ["refused", sum(stats.refused), "refused", "answered with an error", list(stats.refused), true],
    ["defects", stats.defects, "defects", "not what the sender meant", list(stats.defects_by_kind), true],
  ];
  const held = document.activeElement?.dataset?.tile;
  $("tiles").replaceChildren(...tiles.map(([name, count, to, explanation, title, warns]) => {
    const tile = make("a", null, make("b", count.toLocaleString()), make("span", name), make("small", explanation));
    tile.className = warns && count ? "tile warn" : "tile";
    tile.href = `#${to}`;
    tile.dataset.tile = name;
    if (title) tile.title = title;
    return tile;
  }));
  if (held) $("tiles").querySelector(`[data-tile="${held}"]`)?.focus();
}
function drawSites(workspaces) {
  const select = $("workspace");
  if (select.options.length === workspaces.length) return;
  select.replaceChildren(...workspaces.map(({ site_id, region }) => {
    const option = make("option", `${site_id} (${region})`);
    option.value = site_id;
    return option;
  }));
  select.hidden = workspaces.length < 2;
}
function tableBody() {
  const found = $("list").querySelector("tbody");
  if (found) return found;
  const body = make("tbody");
  const head = make("tr", null, ...TABS[tab].head.map((name) => make("th", name)));
  $("list").replaceChildren(make("table", null, make("thead", null, head), body));
  return body;
}
// Rows that stay are left where they are: what is focused or unfolded remains so.
function drawRows(items) {
  if (!items.length) {
    drawn = new Map();
    $("list").replaceChildren(classed(make("div", filter ? "Nothing matches the filter." : TABS[tab].empty), "empty"));
    return;
  }
  const body = tableBody(), kept = new Map();
  for (const item of items) {
    const key = item.seq ?? item.serial, text = JSON.stringify(item), old = drawn.get(key);
    if (old && old.text !== text) old.line.replaceChildren(...DRAW[tab](item).childNodes);
    kept.set(key, { line: old ? old.line : DRAW[tab](item), text });
  }
  for (const [key, { line }] of drawn) if (!kept.has(key)) line.remove();
  let at = 0;
  for (const { line } of kept.values()) {
    if (body.children[at] !== line) body.insertBefore(line, body.children[at] || null);
    at += 1;
  }
  drawn = kept;
  if (!body.querySelector("tr[tabindex='0']")) body.firstElementChild.tabIndex = 0;
}
async function refresh() {
  // one at a time, or an older answer could be drawn over a newer one
  if (busy === generation) return;
  busy = generation;
  try { await load(generation); } finally { busy = 0; }
}
async function load(mine) {
  const stats = await get("stats");
  if (mine !== generation) return;
  drawTiles(stats);
  drawSites(stats.workspaces);
  if (tab === "faults") { await drawFaults(mine, stats); return; }
  const parameters = { newest: true, limit: PAGE_ROWS, after: cursors[cursors.length - 1] };
  const page = await get(tab, filter ? { ...parameters, text: filter } : parameters);
  if (mine !== generation) return;
  meaning = page.meaning || meaning;
  next = page.next;
  drawRows(page.items);
  $("newer").disabled = cursors.length < 2;
  $("older").disabled = !next;
  $("range").textContent = `${page.items.length.toLocaleString()} on page ${cursors.length}`;
  if (shown) await openPerson(...shown);
}
async function setFaults(change) {
  const { kinds, ...faults } = await get("faults");
  change(faults.arm, kinds);
  await fetch("/_inspect/faults", { method: "POST", body: JSON.stringify(faults) });
  await refresh();
}
async function drawFaults(mine, stats) {
  const { kinds, arm } = await get("faults");
  if (mine !== generation) return;
  const body = tableBody();
  for (const [kind, text] of Object.entries(kinds)) {
    let entry = drawn.get(kind);
    if (!entry) {
      const box = classed(make("input"), "switch"), once = make("button", "Next"), met = classed(make("td", "0"), "number");
      box.type = "checkbox";
      box.setAttribute("role", "switch");
      box.setAttribute("aria-label", `Every request: ${kind}`);
      once.type = "button";
      once.setAttribute("aria-label", `Next request: ${kind}`);
      box.onchange = () => setFaults((all) => {
        if (box.checked) all[kind] = { next: 0, probability: 1 }; else delete all[kind];
      });
      once.onclick = () => setFaults((all) => {
        all[kind] = { probability: 0, ...all[kind], next: (all[kind]?.next || 0) + 1 };
      });
      const line = make("tr", null, make("td", null, make("code", kind)), make("td", text.replaceAll("`", "")), met,
        classed(make("td", null, box, " ", once), "act"));
      entry = { line, box, once, met };
      drawn.set(kind, entry);
      body.append(line);
    }
    const fault = arm[kind] || { next: 0, probability: 0 };
    entry.box.checked = fault.probability > 0;
    entry.box.title = fault.probability ? `${Math.round(fault.probability * 100)} % of the requests` : "off";
    entry.once.textContent = fault.next ? `Next ${fault.next}` : "Next";
    entry.met.textContent = (stats.faults[kind] || 0).toLocaleString();
  }
}
function pairs(entries, title) {
  const lines = entries.map(([name, any]) => {
    const cell = make("div", null, make("code", value(any)));
    if (isDate(name, any)) cell.append(time(any * 1000));
    return classed(make("div", null, make("span", name), cell), "pair");
  });
  return title && entries.length ? [classed(make("div", title), "part"), ...lines] : lines;
}
async function openPerson(kind, name) {
  const same = shown && shown[0] === kind && shown[1] === name;
  let person;
  try {
    person = await get(`people/${encodeURIComponent(kind)}/${encodeURIComponent(name)}`);
  } catch {
    person = null;
  }
  shown = [kind, name];
  $("close").hidden = false;
  const text = JSON.stringify(person);
  if (same && text === chosen) return;
  chosen = text;
  if (!person) {
    $("who").textContent = name;
    $("person").replaceChildren(classed(make("div", `Nobody has ${kind} ${name} (yet).`), "empty"));
    return;
  }
  $("who").textContent = person.identifiers.email || person.identifiers.id || name;
  const events = person.events.slice(-100).reverse().map((event) =>
    make("tr", null, timeCell(event.timestamp * 1000), eventCell(event)));
  const more = person.event_count > 100 ? `, the newest 100 of ${person.event_count.toLocaleString()}` : ` (${person.event_count})`;
  $("person").replaceChildren(
    ...pairs(ordered(person.identifiers), "Identifiers"),
    ...pairs(Object.entries(person.attributes).sort(), "Attributes"),
    ...pairs(person.devices.map((device) => [device.platform || "device", device.token]), "Devices"),
    classed(make("div", `Events${more}`), "part"),
    make("table", null, make("tbody", null, ...events)),
  );
}
async function tick() {
  try {
    if (!paused && !document.hidden) await refresh();
    $("state").textContent = paused ? "paused" : "live";
    $("state").className = "state";
  } catch {
    $("state").textContent = "not reachable";
    $("state").className = "state off";
  }
  setTimeout(tick, 1000);
}
function forgetPerson() {
  shown = null;
  chosen = "";
  $("close").hidden = true;
  $("who").textContent = "Person";
  $("person").replaceChildren(classed(make("div", "Choose a row to see its person."), "empty"));
}
function move(press, places, focused, vertical) {
  const step = { [vertical ? "ArrowDown" : "ArrowRight"]: 1, [vertical ? "ArrowUp" : "ArrowLeft"]: -1 }[press.key];
  const at = places.indexOf(focused);
  if (at < 0) return null;
  if (press.key === "Home") return places[0];
  if (press.key === "End") return places[places.length - 1];
  return step ? places[Math.min(places.length - 1, Math.max(0, at + step))] : null;
}
$("tabs").onkeydown = (press) => {
  const to = move(press, [...$("tabs").children], press.target, false);
  if (!to) return;
  press.preventDefault();
  to.focus();
  location.hash = to.hash;
};
$("list").onkeydown = (press) => {
  const lines = [...$("list").querySelectorAll("tr.open")];
  const to = move(press, lines, press.target, true);
  if (!to) return;
  press.preventDefault();
  to.focus();
};
$("list").addEventListener("focusin", (change) => {
  if (!change.target.matches("tr.open")) return;
  for (const line of $("list").querySelectorAll("tr[tabindex='0']")) line.tabIndex = -1;
  change.target.tabIndex = 0;
});
$("older").onclick = () => { if (next) { cursors.push(next); restart(true); } };
$("newer").onclick = () => { if (cursors.length > 1) { cursors.pop(); restart(true); } };
$("close").onclick = forgetPerson;
$("find").oninput = (change) => { filter = change.target.value.trim(); restart(); };
$("workspace").hidden = true;
$("workspace").onchange = (change) => { site = change.target.value; forgetPerson(); restart(); };
$("pause").onclick = () => { paused = !paused; $("pause").textContent = paused ? "Resume" : "Pause"; };
$("reset").onclick = async () => {
  if (!confirm("Forget all people, events and counts?")) return;
  await fetch("/_inspect/reset", { method: "POST" });
  forgetPerson();
  restart();
};
addEventListener("hashchange", openTab);
forgetPerson();
openTab();
setTimeout(tick, 1000);
