// The view of the tasks: filters, the list, and beside it the task that is open.

import { now } from "../lib/api.js";
import { $, glyph, h, setText } from "../lib/dom.js";
import { LIVE, plural, title } from "../lib/format.js";
import { Detail } from "../task/detail.js";
import { cancel, transfer } from "../task/dialogs.js";
import { cancelAll, transferAll } from "../task/together.js";
import { NeedsYou } from "./asking.js";
import { Chosen } from "./chosen.js";
import { Filters } from "./filters.js";
import { Lints } from "./lints.js";
import { List } from "./list.js";
import { APPLIES, ManyBar } from "./many.js";
import { keyOf, keyOfRecord } from "./store.js";

const DRAW_EVERY = 120;

export class TasksView {
  #drawn = 0;
  #waiting = 0;

  // `on.go(place)` and `on.choose(chosen)` change the address; `on.isLive()` tells whether the server is there,
  // `on.canAct()` whether it also takes verbs, `on.hasKeys()` whether single letters do something.
  constructor(store, on) {
    this.store = store;
    this.on = on;
    this.isLoaded = false;
    this.detail = new Detail({
      close: () => this.#close(),
      act: (name, record) => this.act(name, record),
      canAct: on.canAct,
      isLive: on.isLive,
      answered: () => this.list.focus(),
      openRecord: (record) => this.open(record),
      openId: (session, id) => this.open({ session_id: session, id }),
      nameOf: (session, id) => title(store.find(session, id)),
    });
    this.chosen = new Chosen(store, () => this.#drawChosen());
    this.many = new ManyBar(this.chosen, { act: (name) => this.actOnChosen(name), canAct: on.canAct, rows: () => this.list.rows });
    this.list = new List(this.chosen, {
      open: (record) => this.open(record),
      move: (row) => this.#move(row),
      act: (name, record) => this.act(name, record),
      canAct: on.canAct,
      hasKeys: on.hasKeys,
      fold: (row, folded = !store.folded.has(row.key)) => {
        store.fold(row, folded);
        this.draw();
      },
      timeline: (session) => on.go({ view: "session", path: [session], chosen: {} }),
      isFolded: (row) => store.folded.has(row.key),
    });
    this.needsYou = new NeedsYou({ open: (record) => this.answer(record), showAll: () => this.#choose({ state: "asking", kind: "", q: "" }) });
    this.filters = new Filters(store, {
      choose: (chosen) => this.#choose(chosen),
      found: () => this.#selectFirst(),
      silentAfter: () => this.lints.load(),
    });
    this.lints = new Lints(store, {
      canAsk: () => on.isLive() && !document.hidden && !$("#tasks").hidden,
      told: () => this.drawSoon(),
    });
  }

  // Show what the address says: a task if it names one, and what is chosen.
  show({ path, chosen }) {
    this.filters.show(chosen);
    const [session, id] = path;
    if (id === undefined) this.detail.close();
    else if (!this.detail.shows(session, id)) {
      this.list.select(keyOf(session, id), { scroll: true });
      this.detail.open(this.store.find(session, id));
    }
    this.draw();
  }

  open(record) {
    this.on.go({ path: [record.session_id, record.id] });
  }

  // Open a task that asks, or who has asked longest, and go to its form.
  answer(record = this.detail.record?.question ? this.detail.record : this.needsYou.records[0]) {
    if (!record) return;
    this.open(record);
    this.detail.focusQuestion();
  }

  get selected() {
    return this.detail.record ?? this.list.rowOf(this.list.selected)?.record;
  }

  // What a key does: to the tasks that are chosen, else to the one that is open or under the cursor.
  press(name) {
    if (this.chosen.size) this.actOnChosen(name);
    else this.act(name, this.selected);
  }

  actOnChosen(name) {
    if (!this.on.canAct()) return;
    const tasks = this.chosen.records.filter(APPLIES[name]);
    if (name === "cancel" && tasks.length) cancelAll(tasks, (record) => this.store.below(record).filter(APPLIES.cancel), this.many);
    if (name === "transfer" && tasks.length) transferAll(tasks, [...this.store.sessions.keys()], this.many);
  }

  // Show where the time of the session went that one is in.
  timeline() {
    const row = this.list.rowOf(this.list.selected);
    const session = this.detail.record?.session_id ?? row?.session ?? row?.record?.session_id;
    if (session !== undefined) this.list.on.timeline(session);
  }

  act(name, record) {
    if (!record || !APPLIES[name](record) || !this.on.canAct()) return;
    if (name === "cancel") cancel(record, this.store.below(record).filter(APPLIES.cancel));
    if (name === "transfer") transfer(record, [...this.store.sessions.keys()]);
  }

  // Put right the address of an open task that was handed over.
  follow() {
    const { record } = this.detail;
    if (record) this.on.go({ path: [record.session_id, record.id], replace: true });
  }

  draw() {
    clearTimeout(this.#waiting);
    this.#waiting = 0;
    this.#drawn = performance.now();
    const at = now();
    this.list.show(this.store.rows(at), at);
    this.filters.draw();
    this.many.draw();
    this.#drawNothing();
    setText($('[data-count="tasks"]'), this.store.counts.live ? this.store.counts.live.toLocaleString("en") : "");
    this.needsYou.show(this.store.asking.values(), this.isLoaded);
    document.title = this.needsYou.title || (this.store.counts.live ? `(${this.store.counts.live}) hostel` : "hostel");
  }

  drawSoon() {
    this.#waiting ||= setTimeout(() => this.draw(), Math.max(0, DRAW_EVERY - (performance.now() - this.#drawn)));
  }

  #drawChosen() {
    this.list.draw();
    this.many.draw();
  }

  #move(row) {
    this.list.select(row.key, { scroll: true });
    if (row.kind === "task" && this.detail.isOpen && matchMedia("(min-width: 900px)").matches) this.open(row.record);
  }

  #close() {
    this.on.go({ path: [] });
    this.list.focus();
  }

  #choose(chosen) {
    this.on.choose(chosen);
    $("#scroller").scrollTop = 0;
    this.drawSoon();
  }

  #selectFirst() {
    this.draw();
    this.list.focus();
    const { rows } = this.list;
    if (rows.length) this.list.select((rows.find((row) => row.kind === "task" && !row.context) ?? rows[0]).key, { scroll: true });
  }

  #drawNothing() {
    const box = $("#nothing");
    box.hidden = this.list.rows.length > 0 || !this.isLoaded;
    if (box.hidden) return;
    const others = this.store.tasks.size;
    box.replaceChildren(glyph("i-bunk", "mark"),
      h("b", {}, others ? "Nothing matches" : "All beds are free"),
      h("p", {}, others ? `${plural(others, "task")} hidden by the filters.` : "Tasks appear here as soon as a session starts one."),
      others > 0 && h("button", { type: "button", class: "button", onclick: () => this.#choose({ state: "all", kind: "", q: "" }) }, "Show all"));
  }
}
