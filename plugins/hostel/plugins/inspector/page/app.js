// The page: what one sees follows from the address, what is true comes with the events of the server.

import { ask, askHere, follow, now, retryNow, setRuntime, setToken, takeToken } from "./lib/api.js";
import { $, setText } from "./lib/dom.js";
import { clock } from "./lib/format.js";
import { hasKeys } from "./lib/keys.js";
import { Router, parse } from "./lib/router.js";
import { startTheme } from "./lib/theme.js";
import { soon } from "./lib/timing.js";
import { askToken, showKeys } from "./task/dialogs.js";
import { startTask } from "./task/start.js";
import { Store } from "./tasks/store.js";
import { TasksView } from "./tasks/view.js";
import { HistoryView } from "./views/history.js";
import { Panels } from "./views/panels.js";
import { Plugins } from "./views/plugins.js";
import { Runtimes } from "./views/runtimes.js";
import { SessionView } from "./views/session.js";

const LINKS = { connecting: "connecting", lost: "not connected", locked: "locked" };

let isLive = false;
let lostAt = 0;
let role = "steer";

const onServer = { isLive: () => isLive, canAct: () => isLive && role === "steer" };

const store = new Store();
const router = new Router((place) => see(place));
const tasks = new TasksView(store, {
  go: (place) => router.go({ view: "tasks", ...place }),
  choose: (chosen) => {
    router.choose(chosen);
    tasks.filters.show(router.place.chosen);
  },
  ...onServer,
  hasKeys,
});
// Each has `show(place)`, told when it comes into sight or its part of the address changes.
const panels = new Panels({ go: (place) => router.go(place), ...onServer, tabbed: () => markTab() });
const past = new HistoryView({ go: (place) => router.go(place), choose: (chosen) => router.choose(chosen), kinds: () => [...store.kinds.keys()].sort() });
const timeline = new SessionView({
  records: (id) => [...store.tasks.values()].filter((record) => record.session_id === id),
  open: (record) => router.go({ view: "tasks", path: [record.session_id, record.id] }),
  choose: (chosen) => router.choose(chosen),
  isLoaded: () => tasks.isLoaded,
  isLive: () => isLive,
});
const views = { tasks, session: timeline, history: past, panel: panels, plugins: new Plugins() };

function see(place) {
  const name = place.view in views ? place.view : "tasks";
  document.body.dataset.view = name;
  for (const view of document.querySelectorAll(".view")) view.hidden = view.id !== name;
  if (name !== "tasks") tasks.detail.close();
  views[name].show(place);
  markTab();
}

function markTab() {
  const { place } = router;
  const chosen = place.view === "panel" ? panels.tabOf(place) : place.view in views && place.view !== "session" ? place.view : "tasks";
  for (const tab of document.querySelectorAll("[data-tab]")) tab.setAttribute("aria-current", tab.dataset.tab === chosen ? "page" : "false");
}

const runtimes = new Runtimes();

// Ask who one is, and what one may do.
async function loadMe() {
  try {
    const me = await askHere("me");
    role = me.role;
    if (me.sees_runtimes) await runtimes.load();
    setText($("#link").lastElementChild, isLive ? runtimes.name : LINKS[$("#link").dataset.state]);
  } catch { /* the server refuses what one may not do */ }
  document.body.classList.toggle("viewer", role === "view");
  $("#role").hidden = role !== "view";
  $("#role").title = "You may look at everything here and change nothing";
  drawVerbs();
}

function drawVerbs() {
  for (const button of document.querySelectorAll("[data-verb]")) button.disabled = !onServer.canAct();
  tasks.draw();
  tasks.detail.draw();
  panels.draw();
}

const loadPlugins = soon(0.5, () => views.plugins.load());

const loadSessions = soon(1, async () => {
  try {
    const { items } = await ask("sessions?limit=1000");
    store.describe(items);
    tasks.drawSoon();
  } catch { /* the stream tells when the server is gone */ }
});

function onFrame(type, data) {
  if (type === "snapshot") {
    store.applyPart(data);
    if (data.complete) tasks.isLoaded = true;
    timeline.heard();
    tasks.drawSoon();
    return;
  }
  const record = store.apply(type, data);
  if (!record) return;
  tasks.detail.take(type, data);
  if (type === "transferred") tasks.follow();
  timeline.heard();
  panels.heard(record.kind);
  if (record.completed_at !== null) past.heard();
  if (type === "registered" || type === "transferred") loadSessions();
  tasks.drawSoon();
}

function onLink(state, why = "") {
  const link = $("#link");
  const wasLive = isLive;
  isLive = state === "live";
  if (state === "connecting" && lostAt) return; // it is still not connected, and says so already
  if (wasLive && !isLive) lostAt = now();
  link.dataset.state = state;
  setText(link.lastElementChild, isLive ? runtimes.name : LINKS[state]);
  link.title = isLive ? "Connected: what you see is live" : "";
  if (state !== "connecting") drawLink(why);
  if (!isLive) return;
  store.beginSnapshot();
  tasks.detail.load();
  loadMe();
  panels.load();
  past.load();
  loadPlugins();
  loadSessions();
  tasks.lints.load();
}

function drawLink(why) {
  const since = lostAt ? ` What you see is from ${clock(lostAt)}; nothing can be changed until it answers.` : "";
  document.body.classList.toggle("offline", !isLive);
  $("#banner").hidden = isLive;
  setText($("#banner").firstElementChild, isLive ? "" : `Not connected to the runtime${why && `: ${why}`}.${since}`);
  drawVerbs();
}

async function start() {
  for (;;) {
    await follow("snapshot=true&include_terminal=true", { frame: onFrame, link: onLink });
    onLink("locked");
    setToken(await new Promise(askToken));
  }
}

async function newTask() {
  if (!onServer.canAct()) return;
  const near = tasks.selected?.session_id;
  const sessions = [...new Set([near, ...store.sessions.keys()])].filter(Boolean);
  const record = await startTask(sessions);
  if (record) tasks.open(record);
}

const KEYS = {
  "/": () => {
    router.go({ view: "tasks", path: router.place.view === "tasks" ? router.place.path : [] });
    $("#search").focus();
    $("#search").select();
  },
  "?": showKeys,
  n: () => newTask(),
  a: () => tasks.answer(),
  m: () => tasks.detail.message.focus(),
  c: () => tasks.press("cancel"),
  t: () => tasks.press("transfer"),
  s: () => tasks.timeline(),
  j: () => tasks.list.focus(),
  k: () => tasks.list.focus(),
};

function keyOf(event) {
  if (event.key.length === 1 && !hasKeys()) return undefined;
  const tab = /^[1-9]$/.test(event.key) && document.querySelectorAll("[data-tab]")[event.key - 1];
  return tab ? () => tab.click() : KEYS[event.key];
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("#dialog").open) return;
  const typing = event.target.matches("input:not([type=checkbox]), select, textarea");
  if (event.key === "Escape") {
    if (typing) tasks.list.focus();
    else if (tasks.chosen.size) tasks.chosen.clear();
    else if (tasks.detail.isOpen) tasks.detail.on.close();
    return;
  }
  const act = typing ? undefined : keyOf(event);
  if (!act) return;
  if ((event.key === "j" || event.key === "k") && document.activeElement === $("#scroller")) return;
  event.preventDefault();
  act();
});

$(".tabs").addEventListener("click", (event) => {
  const tab = event.target.closest("[data-tab]");
  if (!tab) return;
  const { view, path } = parse(`#/${tab.dataset.tab}`);
  router.go({ view, path, ...(view === "panel" && { chosen: {} }) });
});
$("#keys").addEventListener("click", showKeys);
$("#retry").addEventListener("click", retryNow);
$("#start").addEventListener("click", newTask);

setInterval(() => {
  if (document.hidden) return;
  tasks.draw();
  tasks.detail.draw();
}, 1000);

takeToken();
setRuntime(runtimes.chosen);
startTheme();
router.start();
start();
