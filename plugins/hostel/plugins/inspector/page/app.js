// The page: tasks as a tree, live; one task in full; downloads; plugins.

import { ask, follow, now, setToken, takeToken } from "./api.js";
import { Detail } from "./detail.js";
import { askToken, cancel, showKeys, transfer } from "./dialogs.js";
import { $, glyph, h, setText } from "./dom.js";
import { LIVE, STATES, clock, plural, title } from "./format.js";
import { List } from "./list.js";
import { Downloads, Plugins } from "./panels.js";
import { Store, keyOfRecord } from "./store.js";

const DRAW_EVERY = 120;
const LINKS = { connecting: "connecting", lost: "not connected", locked: "locked" };
const PILLS = ["live", "running", "waiting", "pending", "cancel_requested", "stuck", "completed", "failed", "cancelled", "abandoned", "all"];

const store = new Store();
let isLive = false;
const canAct = () => isLive;
const downloads = new Downloads();
const plugins = new Plugins();

const list = new List({
  open: (record) => open(record),
  move: (row) => {
    list.select(row.key, { scroll: true });
    if (row.kind === "task" && detail.isOpen && matchMedia("(min-width: 900px)").matches) detail.open(row.record);
  },
  act: (name, record) => act(name, record),
  canAct,
  fold: (row, folded = !store.folded.has(row.key)) => {
    store.folded[folded ? "add" : "delete"](row.key);
    draw();
  },
  isFolded: (row) => store.folded.has(row.key),
});

const detail = new Detail({
  close: () => closeDetail(),
  act: (name, record) => act(name, record),
  canAct,
  openRecord: (record) => open(record),
  openId: (session, id) => open(store.find(session, id)),
  nameOf: (session, id) => title(store.find(session, id)),
});

function open(record) {
  if (record.state === undefined) return;
  list.select(keyOfRecord(record), { scroll: true });
  detail.open(record);
}

function closeDetail() {
  detail.close();
  list.focus();
}

function act(name, record) {
  if (!record || !LIVE.has(record.state) || !canAct()) return;
  if (name === "cancel" && record.state !== "cancel_requested") cancel(record, store.below(record).filter((task) => LIVE.has(task.state) && task.state !== "cancel_requested").length);
  if (name === "transfer") transfer(record, [...store.sessions.keys()]);
}

let drawn = 0;
let waiting = 0;

function draw() {
  clearTimeout(waiting);
  waiting = 0;
  drawn = performance.now();
  list.show(store.rows(now()), now());
  drawPills();
  drawKinds();
  drawNothing();
}

function drawSoon() {
  if (waiting) return;
  waiting = setTimeout(draw, Math.max(0, DRAW_EVERY - (performance.now() - drawn)));
}

const pills = new Map(PILLS.map((name) => {
  const count = h("i");
  const words = { live: "Live", stuck: "stuck", all: "All" }[name] ?? STATES[name];
  const mark = name === "stuck" ? glyph("i-clock", "icon") : STATES[name] ? glyph(`g-${name}`) : null;
  const button = h("button", { type: "button", class: "pill", data: { state: name }, onclick: (event) => choose(name, event) }, mark, h("span", {}, words), count);
  return [name, { button, count }];
}));
$("#pills").append(...[...pills.values()].map((pill) => pill.button));

function choose(name, event) {
  const chosen = store.filter.states;
  const isOnly = chosen.size === 1 && chosen.has(name);
  if (!event.shiftKey && !event.metaKey && !event.ctrlKey) chosen.clear();
  if (name === "live" || isOnly) chosen.delete(name);
  else chosen.has(name) ? chosen.delete(name) : chosen.add(name);
  $("#scroller").scrollTop = 0;
  draw();
}

function drawPills() {
  const chosen = store.filter.states;
  for (const [name, { button, count }] of pills) {
    const number = store.counts[name] || 0;
    setText(count, number.toLocaleString("en"));
    button.setAttribute("aria-pressed", name === "live" ? !chosen.size : chosen.has(name));
    button.hidden = !number && !chosen.has(name) && !["live", "all"].includes(name);
    button.classList.toggle("alarm", name === "stuck" && number > 0);
  }
  setText($('[data-count="tasks"]'), store.counts.live ? store.counts.live.toLocaleString("en") : "");
  document.title = store.counts.live ? `(${store.counts.live}) hostel` : "hostel";
}

let kindsDrawn = "";

function drawKinds() {
  const kinds = [...store.kinds.keys()].sort();
  if (kinds.join() === kindsDrawn) return;
  kindsDrawn = kinds.join();
  $("#kind").replaceChildren(h("option", { value: "" }, "all"), ...kinds.map((kind) => h("option", { value: kind, selected: kind === store.filter.kind }, kind)));
}

let isLoaded = false;

function drawNothing() {
  const box = $("#nothing");
  box.hidden = list.rows.length > 0 || !isLoaded;
  if (box.hidden) return;
  const others = store.tasks.size;
  box.replaceChildren(glyph("i-bunk", "mark"),
    h("b", {}, others ? "Nothing matches" : "All beds are free"),
    h("p", {}, others ? `${plural(others, "task")} hidden by the filters.` : "Tasks appear here as soon as a session starts one."),
    others > 0 && h("button", { type: "button", class: "button", onclick: showAll }, "Show all"));
}

function showAll() {
  store.filter.states = new Set(["all"]);
  store.filter.text = [];
  store.filter.kind = $("#kind").value = $("#search").value = "";
  draw();
}

const soon = (seconds, work) => {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      work();
    }, seconds * 1000);
  };
};

const loadDownloads = soon(0.5, async () => {
  const active = (await downloads.load()).filter((item) => item.status !== "failed").length;
  setText($('[data-count="downloads"]'), active ? String(active) : "");
});

const loadPlugins = soon(0.5, async () => {
  const failures = (await plugins.load()).filter((info) => info.failure && !info.failure.startsWith("not installed")).length;
  setText($('[data-count="plugins"]'), failures ? String(failures) : "");
});

const loadSessions = soon(1, async () => {
  try {
    const { items } = await ask("sessions?limit=1000");
    store.hidden = new Map(items.map((session) => [session.id, session.hidden]));
    for (const { id, first_activity: since } of items) if (store.sessions.has(id)) store.sessions.get(id).since = since;
    drawSoon();
  } catch { /* the stream tells when the server is gone */ }
});

function onFrame(type, data) {
  if (type === "snapshot") {
    store.applyPart(data);
    if (data.complete) isLoaded = true;
    drawSoon();
    return;
  }
  const record = store.apply(type, data);
  if (!record) return;
  detail.take(type, data);
  if (record.kind === "model_pull") loadDownloads();
  if (type === "registered" || type === "transferred") loadSessions();
  drawSoon();
}

let lostAt = 0;

function onLink(state, why = "") {
  const link = $("#link");
  const wasLive = isLive;
  isLive = state === "live";
  if (wasLive && !isLive) lostAt = now();
  link.dataset.state = state;
  setText(link.lastElementChild, isLive ? location.host : LINKS[state]);
  link.title = isLive ? "Connected: what you see is live" : "";
  if (state !== "connecting") drawLink(why);
  if (isLive) {
    store.beginSnapshot();
    loadDownloads();
    loadPlugins();
    loadSessions();
  }
}

function drawLink(why) {
  const since = lostAt ? ` What you see is from ${clock(lostAt)}; nothing can be changed until it answers.` : "";
  document.body.classList.toggle("offline", !isLive);
  $("#banner").hidden = isLive;
  setText($("#banner"), isLive ? "" : `Not connected to the runtime${why && `: ${why}`}.${since}`);
  for (const button of document.querySelectorAll("[data-verb]")) button.disabled = !isLive;
  draw();
  detail.draw();
}

async function start() {
  for (;;) {
    if (takeToken()) await follow("snapshot=true&include_terminal=true", { frame: onFrame, link: onLink });
    onLink("locked");
    setToken(await new Promise(askToken));
  }
}

function show(tab) {
  document.body.dataset.view = tab;
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== tab;
  for (const button of document.querySelectorAll("[data-tab]")) button.setAttribute("aria-current", button.dataset.tab === tab ? "page" : "false");
  if (tab === "downloads") loadDownloads();
  if (tab === "plugins") loadPlugins();
  if (tab === "tasks") list.draw();
}

for (const button of document.querySelectorAll("[data-tab]")) button.addEventListener("click", () => show(button.dataset.tab));

$("#search").addEventListener("input", (event) => {
  store.filter.text = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
  $("#scroller").scrollTop = 0;
  drawSoon();
});
$("#search").addEventListener("keydown", (event) => {
  if (event.key !== "ArrowDown" && event.key !== "Enter") return;
  event.preventDefault();
  draw();
  list.focus();
  if (list.rows.length) list.select((list.rows.find((row) => row.kind === "task" && !row.context) ?? list.rows[0]).key, { scroll: true });
});
$("#kind").addEventListener("change", (event) => {
  store.filter.kind = event.target.value;
  draw();
});
$("#stuck-after").addEventListener("change", (event) => {
  store.filter.stuckAfter = Number(event.target.value);
  draw();
});
$("#keys").addEventListener("click", showKeys);

const THEMES = ["", "light", "dark"];
const setTheme = (theme) => {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem("hostel-theme", theme);
};
setTheme(localStorage.getItem("hostel-theme") ?? "");
$("#theme").addEventListener("click", () => {
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const next = { "": isDark ? "light" : "dark", light: isDark ? "" : "dark", dark: isDark ? "light" : "" };
  setTheme(next[document.documentElement.dataset.theme] ?? THEMES[0]);
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("#dialog").open) return;
  const typing = event.target.matches("input, select, textarea");
  if (event.key === "Escape") {
    if (typing) list.focus();
    else if (detail.isOpen) closeDetail();
    return;
  }
  if (typing) return;
  const row = list.rows.find((one) => one.key === list.selected);
  const record = detail.record ?? (row && row.record);
  const keys = {
    "/": () => { show("tasks"); $("#search").focus(); $("#search").select(); },
    "?": showKeys,
    c: () => act("cancel", record),
    t: () => act("transfer", record),
    1: () => show("tasks"),
    2: () => show("downloads"),
    3: () => show("plugins"),
    j: () => list.focus(),
    k: () => list.focus(),
  };
  if (!(event.key in keys)) return;
  if ((event.key === "j" || event.key === "k") && document.activeElement === $("#scroller")) return;
  event.preventDefault();
  keys[event.key]();
});

setInterval(() => {
  if (document.hidden) return;
  draw();
  detail.draw();
}, 1000);

show("tasks");
start();
