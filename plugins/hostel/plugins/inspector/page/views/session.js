// Where the time of a session went: each of its tasks as a bar from its creation to its end, those it started below
// it. Only the rows in sight exist as elements, and only of their tasks is asked how long they waited.

import { ask, now, taskPath } from "../lib/api.js";
import { $, glyph, h, patch, plain, setText } from "../lib/dom.js";
import { STATES, fine, plural, title } from "../lib/format.js";
import { soon } from "../lib/timing.js";
import { keyOfRecord } from "../tasks/store.js";
import { figuresOf, spansOf, sumsOf, treeOf, turnsOf, within, zoomed } from "./spans.js";

const ROW = 30;
const OVERSCAN = 5;
const ASKED_AT_ONCE = 3;
const TICKS = 5;

export class SessionView {
  #view = $("#session");
  #id = "";
  #rows = [];
  #sums = null;
  #range = null; // the part in sight, null for all
  #chosen = 0; // the row that keys act on
  #hovered = null;
  #pool = [];
  #turns = new Map(); // by key of a task: {seq, turns}
  #asking = 0;
  #wanted = [];
  #parts = {};
  #drag = null;

  // `on.records(session)` are its tasks, `on.open(record)` opens one, `on.choose(chosen)` changes the address.
  constructor(on) {
    this.on = on;
    this.#build();
    setInterval(() => this.heard(), 1000);
  }

  // Something happened to its tasks, or time went by.
  heard = soon(0.25, () => this.#update());

  load() {
    this.#update();
  }

  show({ path, chosen }) {
    const [id = ""] = path;
    if (id !== this.#id) {
      this.#turns = new Map();
      [this.#chosen, this.#hovered] = [0, null];
      this.#parts.scroller.scrollTop = 0;
    }
    this.#id = id;
    const [from, to] = [Number(chosen.from), Number(chosen.to)];
    this.#range = chosen.from && to > from ? { from, to } : null;
    setText(this.#parts.name, id);
    this.#update();
  }

  #build() {
    const button = (words, label, act) => h("button", { type: "button", class: "button", "aria-label": label, title: label, onclick: act }, words);
    const parts = this.#parts = {
      name: h("code"),
      sums: h("dl", { class: "sums" }),
      ruler: h("div", { class: "ruler", title: "Drag over a part to see it closer" }),
      figures: h("p", { class: "figures", role: "status" }),
      spacer: h("div", { class: "spacer" }),
      brush: h("i", { class: "brush", hidden: true }),
      empty: h("p", { class: "empty" }),
    };
    parts.scroller = h("div", { class: "lanes", role: "listbox", tabindex: "0", "aria-label": "Tasks by time" }, parts.spacer);
    parts.zoom = h("div", { class: "zoom", role: "group", "aria-label": "Time in sight" },
      button("‹", "Earlier", () => this.#pan(-0.5)), button("›", "Later", () => this.#pan(0.5)),
      button("−", "Longer", () => this.#zoom(2)), button("+", "Closer", () => this.#zoom(0.5)), button("All", "All of it", () => this.#see(null)));
    this.#view.append(h("div", { class: "timeline-page" },
      h("header", { class: "panel-head" }, h("h1", {}, "Session"), parts.name, parts.zoom), parts.sums, parts.ruler, parts.scroller, parts.empty, parts.figures));
    parts.scroller.addEventListener("scroll", () => this.#draw(), { passive: true });
    new ResizeObserver(() => this.#draw()).observe(parts.scroller);
    parts.scroller.addEventListener("keydown", (event) => this.#key(event));
    parts.scroller.addEventListener("focus", () => this.#say());
    parts.scroller.addEventListener("wheel", (event) => this.#wheel(event), { passive: false });
    for (const type of ["pointerdown", "pointermove", "pointerup", "pointercancel"]) parts.ruler.addEventListener(type, (event) => this.#dragged(event));
  }

  #update() {
    if (this.#view.hidden) return;
    const records = this.on.records(this.#id);
    this.#rows = treeOf(records);
    this.#sums = sumsOf(records, (record) => this.#turns.get(keyOfRecord(record))?.turns, now());
    this.#chosen = Math.min(this.#chosen, Math.max(0, this.#rows.length - 1));
    for (const part of ["sums", "ruler", "scroller", "zoom", "figures"]) this.#parts[part].hidden = !records.length;
    this.#parts.empty.hidden = records.length > 0;
    setText(this.#parts.empty, this.on.isLoaded() ? "Nothing is known of this session any more." : "Asking …");
    this.#parts.spacer.style.height = `${this.#rows.length * ROW}px`;
    if (records.length) this.#drawSums();
    this.#draw();
  }

  get #whole() {
    const { from, to } = this.#sums;
    return { from, to: Math.max(to, from + 0.001) };
  }

  get #seen() {
    return this.#range ? within(this.#range, this.#whole) : this.#whole;
  }

  #see(range) {
    const whole = this.#whole;
    const isAll = !range || range.to - range.from >= whole.to - whole.from;
    this.#range = isAll ? null : range;
    this.#note();
    this.#draw();
  }

  #note = soon(0.2, () => this.on.choose(this.#range ? { from: this.#range.from.toFixed(3), to: this.#range.to.toFixed(3) } : { from: "", to: "" }));

  #zoom(factor, place = 0.5) {
    this.#see(zoomed(this.#seen, factor, place, this.#whole));
  }

  #pan(part) {
    const { from, to } = this.#seen;
    const by = (to - from) * part;
    this.#see(within({ from: from + by, to: to + by }, this.#whole));
  }

  #wheel(event) {
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    this.#zoom(event.deltaY > 0 ? 1.25 : 0.8, this.#placeOf(event));
  }

  #placeOf(event) {
    const { left, width } = this.#parts.ruler.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width));
  }

  #dragged(event) {
    const place = this.#placeOf(event);
    if (event.type === "pointerdown") {
      this.#drag = place;
      this.#parts.ruler.setPointerCapture(event.pointerId);
    } else if (this.#drag === null) return;
    const [low, high] = [Math.min(this.#drag, place), Math.max(this.#drag, place)];
    Object.assign(this.#parts.brush.style, { left: `${low * 100}%`, width: `${(high - low) * 100}%` });
    this.#parts.brush.hidden = event.type === "pointerup" || event.type === "pointercancel";
    if (event.type === "pointercancel") this.#drag = null;
    if (event.type !== "pointerup") return;
    this.#drag = null;
    const { from, to } = this.#seen;
    if (high - low > 0.01) this.#see({ from: from + (to - from) * low, to: from + (to - from) * high });
  }

  #key(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.#parts.scroller.clientHeight / ROW) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    const acts = { ArrowLeft: () => this.#pan(-0.25), ArrowRight: () => this.#pan(0.25), "+": () => this.#zoom(0.5), "=": () => this.#zoom(0.5), "-": () => this.#zoom(2), 0: () => this.#see(null), Enter: () => this.#open() };
    if (event.key in steps) this.#choose(this.#chosen + steps[event.key]);
    else if (event.key in acts) acts[event.key]();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  #open() {
    const row = this.#rows[this.#chosen];
    if (row) this.on.open(row.record);
  }

  #choose(place) {
    this.#chosen = Math.max(0, Math.min(this.#rows.length - 1, place));
    this.#hovered = null;
    const { scroller } = this.#parts;
    const top = this.#chosen * ROW;
    if (top < scroller.scrollTop) scroller.scrollTop = top;
    else if (top + ROW > scroller.scrollTop + scroller.clientHeight) scroller.scrollTop = top + ROW - scroller.clientHeight;
    this.#draw();
  }

  #drawSums() {
    const { from, to, queued, ran, waited, lookedAt, counts } = this.#sums;
    const count = this.#rows.length;
    const known = lookedAt < count ? ` of ${lookedAt} of ${plural(count, "task")}` : "";
    const facts = [
      ["From start to end", fine(to - from)], ["In the queue", fine(queued)], ["Running", fine(ran)], [`Waiting${known}`, fine(waited)],
      ...Object.keys(STATES).filter((state) => counts[state]).map((state) => [STATES[state], counts[state].toLocaleString("en"), state]),
    ];
    const fresh = h("dl", { class: "sums" }, ...facts.map(([name, value, state = ""]) => h("div", { data: { state } }, h("dt", {}, name), h("dd", {}, value))));
    patch(this.#parts.sums, fresh);
  }

  #draw() {
    if (this.#view.hidden || !this.#sums || !this.#rows.length) return;
    const { scroller, spacer } = this.#parts;
    const first = Math.max(0, Math.floor(scroller.scrollTop / ROW) - OVERSCAN);
    const last = Math.min(this.#rows.length, Math.ceil((scroller.scrollTop + scroller.clientHeight) / ROW) + OVERSCAN);
    while (this.#pool.length < last - first) this.#pool.push(this.#lane(spacer));
    const width = scroller.clientWidth;
    this.#parts.ruler.style.marginRight = `${scroller.offsetWidth - width}px`; // as wide as the bars have room
    this.#pool.forEach((lane, number) => {
      const place = first + number;
      lane.element.hidden = place >= last;
      if (place < last) this.#drawLane(lane, place, width);
    });
    if (this.#rows[this.#chosen]) scroller.setAttribute("aria-activedescendant", `lane-${this.#chosen}`);
    this.#drawRuler();
    this.#say();
    this.#wanted = this.#rows.slice(first, last).map((row) => row.record).filter((record) => this.#isUnknown(record));
    this.#askNext();
  }

  #lane(spacer) {
    const lane = { name: h("span", { class: "title" }), icon: glyph("g-pending"), track: h("span", { class: "track" }), place: 0 };
    lane.element = h("div", { class: "lane", role: "option", onclick: () => {
      this.#choose(lane.place);
      this.#open();
    }, onpointerenter: () => {
      this.#hovered = lane.place;
      this.#say();
    }, onpointerleave: () => {
      this.#hovered = null;
      this.#say();
    } }, h("span", { class: "lane-name" }, lane.icon, lane.name), lane.track);
    spacer.append(lane.element);
    return lane;
  }

  #drawLane(lane, place, width) {
    const { record, depth } = this.#rows[place];
    lane.place = place;
    lane.element.id = `lane-${place}`;
    lane.element.style.transform = `translateY(${place * ROW}px)`;
    lane.element.style.setProperty("--depth", Math.min(depth, 8));
    lane.element.dataset.state = record.state;
    lane.element.classList.toggle("selected", place === this.#chosen);
    lane.element.setAttribute("aria-selected", String(place === this.#chosen));
    lane.element.setAttribute("aria-posinset", String(place + 1));
    lane.element.setAttribute("aria-setsize", String(this.#rows.length));
    lane.element.setAttribute("aria-label", plain(this.#figures(record)));
    lane.icon.firstChild.setAttribute("href", `#g-${record.state}`);
    setText(lane.name, title(record));
    lane.track.replaceChildren(...this.#bars(record, width));
  }

  #spans(record) {
    return spansOf(record, this.#turns.get(keyOfRecord(record))?.turns, now());
  }

  #bars(record, width) {
    const { from, to } = this.#seen;
    const scale = 100 / (to - from);
    const least = (to - from) / Math.max(100, width) / 2;
    const bars = [];
    const spans = this.#spans(record);
    for (const span of spans) {
      if (span.to < from || span.from > to) continue;
      const isLast = span === spans.at(-1);
      if (span.to - span.from < least && bars.length && !isLast) continue;
      const bar = h("i", { data: { state: span.state, ended: isLast && record.completed_at !== null ? record.state : "" } });
      const left = Math.max(from, span.from);
      bar.style.left = `${(left - from) * scale}%`;
      bar.style.width = `${(Math.min(to, span.to) - left) * scale}%`;
      bars.push(bar);
    }
    return bars;
  }

  #drawRuler() {
    const { from, to } = this.#seen;
    const start = this.#whole.from;
    const ticks = Array.from({ length: TICKS }, (_, number) => {
      const at = from + ((to - from) * number) / (TICKS - 1);
      const tick = h("span", {}, `+${fine(at - start)}`);
      tick.style.left = `${(number * 100) / (TICKS - 1)}%`;
      return tick;
    });
    this.#parts.ruler.replaceChildren(...ticks, this.#parts.brush);
  }

  #figures(record) {
    const { queued, ran, waited } = figuresOf(this.#spans(record));
    const since = record.created_at - this.#whole.from;
    return [`${title(record)}: ${STATES[record.state]}`, `at +${fine(since)}`, `in the queue ${fine(queued)}`, `ran ${fine(ran)}`, waited > 0 && `waited ${fine(waited)}`].filter(Boolean).join(", ");
  }

  #say() {
    const row = this.#rows[this.#hovered ?? this.#chosen];
    setText(this.#parts.figures, row ? this.#figures(row.record) : "");
  }

  #isUnknown(record) {
    const known = this.#turns.get(keyOfRecord(record));
    return !known || (known.state !== record.state && known.seq < record.seq);
  }

  // Ask for the turns of the tasks in sight, a few at once.
  async #askNext() {
    if (this.#asking >= ASKED_AT_ONCE || !this.on.isLive()) return;
    const record = this.#wanted.find((one) => this.#isUnknown(one));
    if (!record) return;
    const key = keyOfRecord(record);
    const before = this.#turns.get(key);
    this.#turns.set(key, { seq: record.seq, state: record.state, turns: before?.turns });
    this.#asking += 1;
    try {
      const { history } = await ask(taskPath(record));
      // what began before the events that are kept is not known
      if (history[0]?.type === "registered") this.#turns.set(key, { seq: record.seq, state: record.state, turns: turnsOf(history) });
    } catch { /* its bar shows what the record tells */ }
    this.#asking -= 1;
    this.heard();
    this.#askNext();
  }
}
