// What has ended, the latest end first, as far back as the runtime keeps it: searched by the server, so also what
// the list of tasks does not hold. What is looked for is part of the address.

import { ask } from "../lib/api.js";
import { $, h, setText } from "../lib/dom.js";
import { STATES, doing, plural, title } from "../lib/format.js";
import { soon } from "../lib/timing.js";
import { keyOfRecord } from "../tasks/store.js";
import { taskLink } from "./cells.js";
import { Table } from "./table.js";
import { trouble } from "./trouble.js";

const ENDED = ["completed", "failed", "cancelled", "abandoned"];
const PAGE = 50;
const MOST_ROWS = 5000;
const FIELDS = ["q", "state", "kind", "session_id"];

const COLUMNS = [
  { title: "Task", field: "title", format: named },
  { title: "State", field: "state", format: "state" },
  { title: "Kind", field: "kind", format: "text" },
  { title: "Session", field: "session", format: "text" },
  { title: "Ended", field: "ended", format: "moment" },
  { title: "Took", field: "took", format: "duration" },
  { title: "Outcome", field: "outcome", format: "lines" },
];

export class HistoryView {
  #view = $("#history");
  #rows = new Map();
  #next = null;
  #lookedAt = 0;
  #asked = 0; // which search the answers belong to
  #isBusy = false;
  #why = "";
  #told = null;
  #parts = {};
  #table = null;

  // `on.go(place)` opens a task, `on.choose(chosen)` changes the address, `on.kinds()` are kinds to offer.
  constructor(on) {
    this.on = on;
    this.#build();
  }

  // Something ended: what is in sight begins with it.
  heard = soon(1, () => this.#refresh());

  show({ chosen }) {
    for (const name of FIELDS) if (this.#parts[name].value !== (chosen[name] ?? "")) this.#parts[name].value = chosen[name] ?? "";
    const told = JSON.stringify(FIELDS.map((name) => chosen[name] ?? ""));
    this.#parts.kinds.replaceChildren(...this.on.kinds().map((kind) => h("option", { value: kind })));
    if (told === this.#told && this.#rows.size) return this.#refresh();
    this.#told = told;
    return this.#search();
  }

  // The server is there again.
  load() {
    if (this.#view.hidden) return;
    if (this.#rows.size) this.#refresh();
    else this.#search();
  }

  #build() {
    const typed = (name, label, more = {}) => (this.#parts[name] = h("input", { type: "search", autocomplete: "off", spellcheck: "false", "aria-label": label, placeholder: label, maxlength: "200", oninput: this.#chosenSoon, ...more }));
    this.#parts.state = h("select", { "aria-label": "State", onchange: () => this.#chosen() }, h("option", { value: "" }, "all"), ...ENDED.map((state) => h("option", { value: state }, STATES[state])));
    this.#parts.kinds = h("datalist", { id: "history-kinds" });
    this.#parts.words = h("p", { class: "looked", role: "status" });
    this.#parts.stop = h("button", { type: "button", class: "button", onclick: () => this.#stop() }, "Stop");
    this.#parts.more = h("button", { type: "button", class: "button more", onclick: () => this.#more() }, "More");
    this.#parts.trouble = h("div");
    this.#table = new Table({ title: "History", columns: COLUMNS }, { go: (place) => this.on.go(place), buttons: null });
    this.#view.append(h("div", { class: "page wide" },
      h("h1", {}, "History"),
      h("div", { class: "search-line", role: "search" },
        typed("q", "Find in what has ended"), typed("session_id", "Session"), typed("kind", "Kind", { list: "history-kinds" }),
        h("label", { class: "select" }, "state", this.#parts.state), this.#parts.kinds),
      this.#parts.trouble, h("div", { class: "table-room" }, this.#table.element),
      h("div", { class: "looked-line" }, this.#parts.words, this.#parts.stop), this.#parts.more));
  }

  #chosenSoon = soon(0.3, () => this.#chosen());

  #chosen() {
    const chosen = Object.fromEntries(FIELDS.map((name) => [name, this.#parts[name].value.trim()]));
    this.on.choose(chosen);
    this.show({ chosen });
  }

  #search() {
    this.#rows = new Map();
    [this.#next, this.#lookedAt] = [null, 0];
    return this.#collect(PAGE);
  }

  #more() {
    return this.#collect(this.#rows.size + PAGE);
  }

  #stop() {
    this.#asked += 1;
    this.#isBusy = false;
    this.#draw();
  }

  // Ask on until there are so many rows, or no more.
  async #collect(wanted) {
    const asked = (this.#asked += 1);
    this.#isBusy = true;
    this.#why = "";
    this.#draw();
    try {
      do {
        const { items, next, looked_at: count } = await this.#page(this.#next);
        if (asked !== this.#asked) return;
        for (const record of items) this.#rows.set(keyOfRecord(record), rowOf(record));
        [this.#next, this.#lookedAt] = [next, this.#lookedAt + count];
        this.#draw();
      } while (this.#next !== null && this.#rows.size < wanted);
    } catch (error) {
      if (asked !== this.#asked) return;
      this.#why = error.message;
    }
    this.#isBusy = false;
    this.#draw();
  }

  // Put what has ended meanwhile before what is known.
  async #refresh() {
    if (this.#view.hidden || this.#isBusy) return undefined;
    const asked = this.#asked;
    try {
      const { items } = await this.#page(null);
      if (asked !== this.#asked) return undefined;
      const fresh = items.map((record) => [keyOfRecord(record), rowOf(record)]);
      // more has ended than a page holds, or the page was open for long: begin anew
      const isGap = items.length === PAGE && !fresh.some(([key]) => this.#rows.has(key));
      if (isGap || this.#rows.size > MOST_ROWS) return this.#search();
      const isFresh = new Set(fresh.map(([key]) => key));
      this.#rows = new Map([...fresh, ...[...this.#rows].filter(([key]) => !isFresh.has(key))]);
      this.#why = "";
    } catch (error) {
      this.#why = error.message;
    }
    return this.#draw();
  }

  #page(before) {
    const given = FIELDS.map((name) => [name, this.#parts[name].value.trim()]).filter(([, value]) => value);
    return ask(`history?${new URLSearchParams([...given, ["limit", String(PAGE)], ...(before === null ? [] : [["before", before]])])}`);
  }

  #draw() {
    const { words, stop, more, trouble: box } = this.#parts;
    this.#table.show(this.#rows, "");
    this.#table.element.hidden = !this.#rows.size;
    box.replaceChildren(...(this.#why ? [trouble("History", this.#why, () => this.#collect(PAGE))] : []));
    stop.hidden = !this.#isBusy || !this.#rows.size && !this.#lookedAt;
    more.hidden = this.#isBusy || this.#next === null;
    setText(words, this.#words());
  }

  #words() {
    const count = this.#lookedAt.toLocaleString("en");
    if (this.#isBusy) return this.#lookedAt ? `Looking … ${count} so far` : "Looking …";
    if (this.#next !== null || this.#why) return this.#rows.size < this.#lookedAt ? `${plural(this.#rows.size, "task")} of the latest ${count}` : "";
    if (!this.#rows.size) return FIELDS.some((name) => this.#parts[name].value.trim()) ? "Nothing of what is kept matches." : "Nothing has ended yet, or nothing of it is kept.";
    return `That is all: ${plural(this.#rows.size, "task")}.`;
  }
}

const rowOf = (record) => ({
  id: record.id, session: record.session_id, title: title(record), state: record.state, kind: record.kind,
  ended: record.completed_at, took: record.completed_at - record.created_at, outcome: doing(record),
});

function named(_, __, row, go) {
  return taskLink(row.session, row.id, row.title, go);
}
