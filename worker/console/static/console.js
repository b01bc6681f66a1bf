"use strict";
// What forms and links cannot do by themselves: times in the reader's zone, live regions, a filter within a table.
// Every page works without this file.

const zone = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
const day = new Intl.DateTimeFormat(undefined, { dateStyle: "medium" });

// What the page, or a region that was fetched, has for who has a script.
function finish(root) {
  for (const time of root.querySelectorAll("time[datetime]:not([data-local])")) {
    const at = new Date(time.dateTime);
    if (Number.isNaN(at.getTime())) continue;
    time.textContent = (time.dataset.shows === "day" ? day : zone).format(at);
    time.dataset.local = "yes";
  }
  for (const bar of root.querySelectorAll("[data-at]"))
    bar.firstChild.textContent = `${zone.format(Number(bar.dataset.at))}: ${bar.dataset.said}`;
  for (const button of root.querySelectorAll("[data-copy]")) button.hidden = false;
}

// Fields of a time hold UTC in the address, the reader's own zone on the screen.
function localFields() {
  for (const field of document.querySelectorAll("input[type=datetime-local]")) {
    const at = new Date(`${field.value}Z`);
    field.defaultValue = field.value && new Date(at - at.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
  }
  for (const zoned of document.querySelectorAll("[data-utc]")) zoned.hidden = true;
}
document.addEventListener("formdata", ({ target, formData }) => {
  for (const { name, value } of target.querySelectorAll("input[type=datetime-local]"))
    if (value) formData.set(name, new Date(value).toISOString().slice(0, 16));
});

// A menu or a notice closes with Escape, and the focus goes back to what opened it.
document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && event.target.closest("details.menu[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// [data-filter="#table"]: hides the rows that do not contain what is typed.
document.addEventListener("input", (event) => {
  const table = event.target.dataset.filter && document.querySelector(event.target.dataset.filter);
  if (!table) return;
  const wanted = event.target.value.trim().toLowerCase();
  let shown = 0;
  for (const row of table.querySelectorAll("tbody tr:not(.part)")) {
    row.hidden = !row.textContent.toLowerCase().includes(wanted) && !(row.dataset.words || "").includes(wanted);
    shown += row.hidden ? 0 : 1;
  }
  for (const part of table.querySelectorAll("tr.part")) {
    let row = part.nextElementSibling;
    part.hidden = true;
    for (; row && !row.classList.contains("part"); row = row.nextElementSibling) if (!row.hidden) part.hidden = false;
  }
  const said = document.querySelector(event.target.dataset.says || "#none");
  if (said) said.textContent = wanted ? `${shown} shown` : "";
});

// [data-copy="#element"]: copies its text; without this script the button is not there.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(document.querySelector(button.dataset.copy).textContent.trim());
  button.textContent = "Copied";
});

// One stream a tab names the regions that are stale since the page was made ([data-since]): [data-live="counts"] is then
// fetched again, from where the page is unless it says [data-from], unless somebody is at work in it. Hidden tabs listen
// to nothing; where the stream is refused, regions are fetched every 15 s.
let source = null;
let timer = null;

function isEntered(field) {
  if (field.type === "hidden" || field.tagName === "SELECT") return false;
  return field.type === "checkbox" || field.type === "radio"
    ? field.checked !== field.defaultChecked : field.value !== field.defaultValue;
}

// A region with the focus, the pointer or something entered stays as it is, says that there is news if it can, and is
// looked at again soon. Where it is no list, the pointer is at work on a link or a button only.
const later = new Map();
const KEYED = "tr[data-key]";

function isInUse(region) {
  const news = region.querySelector("[data-news]");
  const isUsed = region.contains(document.activeElement)
    || (news ? region.matches(":hover") || region.getBoundingClientRect().top < 0 : region.querySelector("a:hover, button:hover, summary:hover"))
    || [...region.querySelectorAll("input, textarea")].some(isEntered);
  if (!isUsed) return false;
  if (news && !region.querySelector(KEYED)) news.hidden = false;
  const name = region.dataset.live;
  clearTimeout(later.get(name));
  later.set(name, setTimeout(() => refresh([name]), 2000));
  return true;
}

// Somebody may have begun while the answer was on its way. Rows that are not moved are counted: "12 new ▲".
document.addEventListener("htmx:beforeSwap", (event) => {
  const region = event.detail.target;
  if (!region.matches?.("[data-live]") || !isInUse(region)) return;
  event.detail.shouldSwap = false;
  const fresh = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  const rows = [...fresh.querySelectorAll(`#${region.id} ${KEYED}`)];
  const known = new Set([...region.querySelectorAll(KEYED)].map((row) => row.dataset.key));
  const count = rows.findIndex((row) => known.has(row.dataset.key));
  if (!known.size || !rows.length || count === 0) return;
  region.querySelector("[data-news]").hidden = false;
  region.querySelector("[data-news] a").textContent = `${count < 0 ? `${rows.length}+` : count} new ▲`;
});

// `isNews`: something came just now, which a list counts even if its rows may not move.
function refresh(names, isNews = false) {
  for (const region of document.querySelectorAll("[data-live]")) {
    if (names && !names.includes(region.dataset.live)) continue;
    if (isInUse(region) && !(isNews && region.querySelector(KEYED))) continue;
    // the header says that nobody asked: the session of an open tab ends all the same when its person is away
    const headers = { "X-Relay-Live": "1" };
    htmx.ajax("GET", region.dataset.from || location.href, { target: region, select: `#${region.id}`, swap: "outerHTML", headers });
  }
}

// Until there is a stream again: a browser does not ask for one again that was refused.
function poll() {
  refresh();
  if (source?.readyState !== EventSource.CLOSED) return;
  source = null;
  listen();
}

function listen() {
  const wanted = !document.hidden && document.querySelector("[data-live]");
  if (!wanted) {
    source?.close();
    source = null;
    clearInterval(timer);
    timer = null;
  } else if (!source) {
    source = new EventSource(`/live?since=${encodeURIComponent(document.body.dataset.since)}`);
    source.onmessage = (event) => {
      if (event.data === "away") return warn(NO_REDIS);
      warn("");
      refresh(event.data.split(" "), true);
    };
    source.onerror = () => { timer ??= setInterval(poll, 15000); };
    source.onopen = () => {
      if (timer) refresh();
      clearInterval(timer);
      timer = null;
    };
  }
}

// A page whose regions cannot be fetched says that they are of before; the overview's own last figures say it themselves.
const NO_REDIS = "Redis does not answer.";
const LOGGED_OUT = "Your session has ended. What you typed is still here: log in in another tab, then save it.";

function warn(text) {
  const away = document.querySelector("#away");
  if (!away || document.querySelector(".stale")) return;
  away.querySelector("b").textContent = text;
  away.querySelector("span").hidden = text === LOGGED_OUT;
  away.hidden = !text;
}

document.addEventListener("htmx:afterRequest", (event) => {
  const status = event.detail.xhr.status;
  warn(status === 503 ? NO_REDIS : status === 401 ? LOGGED_OUT : status > 0 && status < 500 ? "" : "The console does not answer.");
});

// A session that has ended has the page loaded again, and the log-in shown: not over what somebody typed.
document.addEventListener("htmx:beforeOnLoad", (event) => {
  const fields = document.querySelectorAll("main input, main textarea");
  if (event.detail.xhr.status === 401 && [...fields].some(isEntered)) event.preventDefault();
});

const AGAIN_MS = 5000;

// [data-again]: a page that could not be shown is asked for again until it can.
async function tryAgain() {
  const answer = await fetch(location.href, { method: "HEAD", headers: { "X-Relay-Live": "1" } }).catch(() => null);
  if (answer && answer.status < 500) location.reload();
  else setTimeout(tryAgain, AGAIN_MS);
}

document.addEventListener("visibilitychange", listen);
document.addEventListener("htmx:afterSwap", (event) => finish(event.detail.target.parentElement || document));
document.addEventListener("DOMContentLoaded", () => {
  finish(document);
  localFields();
  listen();
  // a page that shows what was found soon goes on to the whole of it by itself
  const onward = document.querySelector("a[data-onward]");
  if (onward) location.replace(onward.href);
  if (document.querySelector("[data-again]")) setTimeout(tryAgain, AGAIN_MS);
});
