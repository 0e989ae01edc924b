// The list of rows: only those in sight exist as elements, so ten thousand cost what forty do.

import { $, glyph, h, plain, setText } from "../lib/dom.js";
import { STATES, doing, duration, plural, progressText, share, title } from "../lib/format.js";
import { lintWords } from "./lints.js";

const OVERSCAN = 6;
const ORDER = ["running", "waiting", "cancel_requested", "pending", "completed", "failed", "cancelled", "abandoned"];

export class List {
  #scroller = $("#scroller");
  #spacer = $("#spacer");
  #pool = [];
  #rows = [];
  #places = new Map();
  #pin = null;
  #heights = { task: 44, session: 44 };
  #tops = new Float64Array(1);
  #asked = false;

  // `chosen` are the tasks to act on together.
  constructor(chosen, on) {
    this.chosen = chosen;
    this.on = on;
    this.selected = null;
    this.now = 0;
    this.#pin = new Row();
    this.#pin.classList.add("pin");
    this.#pin.setAttribute("aria-hidden", "true"); // it repeats a row of the tree
    this.#scroller.prepend(this.#pin);
    this.#measure();
    this.#scroller.addEventListener("scroll", () => this.draw(), { passive: true });
    new ResizeObserver(() => this.#measure()).observe(this.#scroller);
    this.#scroller.addEventListener("click", (event) => this.#click(event));
    this.#scroller.addEventListener("keydown", (event) => this.#key(event));
  }

  get rows() {
    return this.#rows;
  }

  rowOf(key) {
    return this.#rows[this.#places.get(key)];
  }

  show(rows, now) {
    this.now = now;
    if (rows !== this.#rows) {
      this.#rows = rows;
      this.#places = new Map();
      rows.forEach((row, place) => this.#places.set(row.key, place));
      this.#place();
    }
    this.draw();
  }

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => {
      this.#asked = false;
      this.#draw();
    });
  }

  select(key, { scroll = false } = {}) {
    this.selected = key;
    if (scroll) this.#reveal(this.#places.get(key));
    this.draw();
  }

  focus() {
    this.#scroller.focus({ preventScroll: true });
  }

  #measure() {
    const style = getComputedStyle(this.#scroller);
    this.#heights = { task: parseFloat(style.getPropertyValue("--row")), session: parseFloat(style.getPropertyValue("--heading")) };
    this.#place();
    this.draw();
  }

  #place() {
    const tops = new Float64Array(this.#rows.length + 1);
    this.#rows.forEach((row, place) => {
      tops[place + 1] = tops[place] + this.#heights[row.kind];
    });
    this.#tops = tops;
    this.#spacer.style.height = `${tops[this.#rows.length]}px`;
  }

  #at(offset) {
    let [low, high] = [0, this.#rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#tops[middle + 1] <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #draw() {
    const { scrollTop, clientHeight } = this.#scroller;
    const first = Math.max(0, this.#at(scrollTop) - OVERSCAN);
    const last = Math.min(this.#rows.length, this.#at(scrollTop + clientHeight) + 1 + OVERSCAN);
    while (this.#pool.length < last - first) this.#pool.push(this.#spacer.appendChild(new Row()));
    const shown = this.#assign(first, last);
    shown.forEach((element, place) => element.show(this.#rows[first + place], first + place, this));
    this.#order(shown);
    this.#drawPin(this.#at(scrollTop));
    const active = this.#places.has(this.selected) ? `r${this.#places.get(this.selected)}` : "";
    if (active) this.#scroller.setAttribute("aria-activedescendant", active);
    else this.#scroller.removeAttribute("aria-activedescendant");
  }

  // Which element shows which row: one that showed it before, else any that is free.
  #assign(first, last) {
    const free = new Set(this.#pool);
    const byKey = new Map(this.#pool.map((row) => [row.key, row]));
    const shown = [];
    for (let place = first; place < last; place += 1) {
      const element = byKey.get(this.#rows[place].key);
      shown.push(element && free.delete(element) ? element : null);
    }
    for (const element of free) {
      if (!element.hidden) this.#spacer.append(element);
      element.hide();
    }
    const spare = free.values();
    return shown.map((element) => element ?? spare.next().value);
  }

  // Elements are in the order of what they show, as whoever is read to hears them; few are moved.
  #order(shown) {
    for (const element of shown) if (element.isNew) this.#spacer.append(element);
    let last = null;
    for (const element of shown) {
      const next = last ? last.nextSibling : this.#spacer.firstChild;
      if (next !== element) this.#spacer.insertBefore(element, next);
      element.isNew = false;
      last = element;
    }
  }

  // The heading of the session one is in stays in sight.
  #drawPin(place) {
    let heading = place;
    while (heading > 0 && this.#rows[heading]?.kind !== "session") heading -= 1;
    const row = this.#rows[heading];
    if (!row || row.kind !== "session" || (heading === place && this.#scroller.scrollTop <= this.#tops[place])) return this.#pin.hide();
    this.#pin.show(row, heading, this);
    this.#pin.removeAttribute("id");
    this.#pin.style.transform = "";
    return this.#pin.classList.add("pin");
  }

  topOf(place) {
    return this.#tops[place];
  }

  heightOf(row) {
    return this.#heights[row.kind];
  }

  #reveal(place) {
    if (place === undefined) return;
    const [top, bottom] = [this.#tops[place], this.#tops[place + 1]];
    const { scrollTop, clientHeight } = this.#scroller;
    if (top < scrollTop) this.#scroller.scrollTop = top;
    else if (bottom > scrollTop + clientHeight) this.#scroller.scrollTop = bottom - clientHeight;
  }

  #click(event) {
    const element = event.target.closest("hostel-row");
    if (!element) return;
    const row = this.rowOf(element.key);
    if (!row) return;
    const act = event.target.closest("[data-act]");
    const from = this.selected;
    this.focus(); // what was pressed may show another row soon
    this.select(row.key);
    if (act?.dataset.act === "choose" || (event.shiftKey && row.kind === "task")) this.#choose(row, event.shiftKey, from);
    else if (act && act.dataset.act === "fold") this.on.fold(row);
    else if (act && act.dataset.act === "timeline") this.on.timeline(row.session);
    else if (act) this.on.act(act.dataset.act, row.record);
    else if (row.kind === "session") this.on.fold(row);
    else this.on.open(row.record);
  }

  // Choose one row or let it go; with `isRange` choose all from the last one to it.
  #choose(row, isRange, from = this.selected) {
    if (isRange) this.chosen.range(this.#rows, this.chosen.anchor ?? from ?? row.key, row.key);
    else if (row.kind === "task") this.chosen.toggle(row.key);
  }

  #stretch(row, target) {
    if (row) this.chosen.add([row, target]);
    this.on.move(target);
  }

  #key(event) {
    if (event.altKey) return;
    if (event.key === "a" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      return this.chosen.add(this.#rows.filter((one) => !one.context));
    }
    if (event.ctrlKey || event.metaKey) return;
    if (event.key.length === 1 && event.key !== " " && !this.on.hasKeys()) return;
    const place = this.#places.get(this.selected) ?? -1;
    const row = this.#rows[place];
    const page = Math.max(1, Math.floor(this.#scroller.clientHeight / this.#heights.task) - 1);
    const steps = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1, PageDown: page, PageUp: -page, Home: -Infinity, End: Infinity };
    if (event.key in steps) {
      const target = Math.min(this.#rows.length - 1, Math.max(0, place + steps[event.key]));
      if (this.#rows[target]) event.shiftKey && event.key.startsWith("Arrow") ? this.#stretch(row, this.#rows[target]) : this.on.move(this.#rows[target]);
    } else if (!row) return;
    else if (event.key.toLowerCase() === "x") this.#choose(row, event.shiftKey);
    else if (event.key === "ArrowRight" && this.#canFold(row)) this.on.fold(row, false);
    else if (event.key === "ArrowLeft") this.#left(row, place);
    else if (event.key === "Enter" || event.key === " ") row.kind === "session" ? this.on.fold(row) : this.on.open(row.record);
    else return;
    event.preventDefault();
  }

  #canFold(row) {
    return row.kind === "session" || row.below > 0;
  }

  #left(row, place) {
    if (this.#canFold(row) && !this.on.isFolded(row)) return this.on.fold(row, true);
    const depth = row.depth ?? 0;
    for (let above = place - 1; above >= 0; above -= 1) {
      if ((this.#rows[above].depth ?? 0) < depth) return this.on.move(this.#rows[above]);
    }
    return undefined;
  }
}

class Row extends HTMLElement {
  key = null;
  isNew = false; // shows another row than before
  parts = {};
  #kind = "";

  show(row, place, list) {
    if (this.#kind !== row.kind) this.#build(row.kind);
    if (this.key !== row.key) this.isNew = true;
    this.key = row.key;
    this.hidden = false;
    this.id = `r${place}`;
    this.style.transform = `translateY(${list.topOf(place)}px)`;
    this.style.setProperty("--row-height", `${list.heightOf(row)}px`);
    this.classList.toggle("selected", row.key === list.selected);
    const attributes = { "aria-selected": list.chosen.has(row.key), "aria-level": row.depth + 1, "aria-posinset": row.place, "aria-setsize": row.of };
    for (const [name, value] of Object.entries(attributes)) if (this.getAttribute(name) !== String(value)) this.setAttribute(name, value);
    if (row.kind === "session") this.#session(row, list);
    else this.#task(row, list);
  }

  hide() {
    this.hidden = true;
    this.key = null;
    this.removeAttribute("id");
  }

  #build(kind) {
    this.#kind = kind;
    for (const { name } of [...this.attributes]) this.removeAttribute(name); // nothing of what it was before
    this.setAttribute("role", "treeitem");
    this.className = kind;
    const twist = h("button", { type: "button", class: "twist", tabindex: "-1", data: { act: "fold" }, "aria-label": "Fold or unfold" }, glyph("i-chevron", "icon"));
    if (kind === "session") {
      this.parts.name = h("b");
      this.parts.facts = h("span", { class: "facts" });
      this.parts.bar = h("span", { class: "tally", "aria-hidden": "true" });
      const timeline = h("button", { type: "button", tabindex: "-1", class: "link-button to-timeline", data: { act: "timeline" } }, "Timeline");
      this.replaceChildren(twist, this.parts.name, this.parts.bar, this.parts.facts, timeline);
      return;
    }
    this.parts.glyph = glyph("g-pending");
    this.parts.title = h("span", { class: "title" });
    this.parts.task = h("code");
    this.parts.lint = h("span", { class: "badge lint" });
    this.parts.check = h("input", { type: "checkbox", class: "choose", tabindex: "-1", data: { act: "choose" } });
    this.parts.text = h("span", { class: "text" });
    this.parts.percent = h("span", { class: "percent" });
    this.parts.fill = h("i");
    this.parts.bar = h("span", { class: "bar" }, this.parts.fill);
    this.parts.kind = h("span", { class: "c-kind" });
    this.parts.age = h("span", { class: "c-num" });
    this.parts.sign = h("span", { class: "c-num sign" });
    const button = (act, words) => h("button", { type: "button", tabindex: "-1", data: { act } }, words);
    this.parts.acts = h("span", { class: "acts" }, button("transfer", "Transfer"), button("cancel", "Cancel"));
    this.replaceChildren(
      h("span", { class: "c-task" }, this.parts.check, twist, this.parts.glyph, this.parts.title, this.parts.lint, this.parts.task),
      h("span", { class: "c-doing" }, h("span", { class: "line" }, this.parts.text, this.parts.percent), this.parts.bar),
      this.parts.kind, this.parts.age, this.parts.sign, this.parts.acts,
    );
  }

  #session(row, list) {
    setText(this.parts.name, row.session);
    const folded = list.on.isFolded(row);
    this.setAttribute("aria-expanded", !folded);
    const facts = [plural(row.matches, "task")];
    if (row.warned) facts.push(`${row.warned} warned`);
    if (row.hidden) facts.push(`${row.hidden} hidden`);
    setText(this.parts.facts, facts.join(" · "));
    this.#name([row.session, ...facts]);
    const tally = ORDER.filter((state) => row.tally[state]).map((state) => [state, row.tally[state]]);
    const signature = tally.join();
    if (this.parts.bar.dataset.tally === signature) return;
    this.parts.bar.dataset.tally = signature;
    this.parts.bar.replaceChildren(...tally.map(([state, count]) => {
      const part = h("i", { data: { state }, title: `${count} ${STATES[state]}` });
      part.style.flexGrow = count;
      return part;
    }));
  }

  #task(row, list) {
    const record = row.record;
    this.dataset.state = record.state;
    const lints = (row.lints ?? []).map(lintWords);
    this.classList.toggle("is-warned", lints.length > 0);
    this.classList.toggle("chosen", list.chosen.has(row.key));
    this.classList.toggle("context", row.context);
    this.classList.toggle("leaf", !row.below);
    this.style.setProperty("--depth", row.depth - 1);
    if (row.below) this.setAttribute("aria-expanded", !row.folded);
    else this.removeAttribute("aria-expanded");
    const href = `#g-${record.state}`;
    const use = this.parts.glyph.firstChild;
    if (use.getAttribute("href") !== href) use.setAttribute("href", href);
    setText(this.parts.title, title(record));
    setText(this.parts.task, record.label ? record.id : "");
    setText(this.parts.lint, lints.join(", "));
    this.parts.lint.title = plain((row.lints ?? []).map((lint) => lint.text).join("; "));
    this.parts.check.checked = list.chosen.has(row.key);
    this.parts.check.setAttribute("aria-label", plain(`Select ${title(record)}`));
    setText(this.parts.text, doing(record));
    this.parts.text.title = this.parts.text.textContent;
    setText(this.parts.kind, record.kind);
    this.#progress(record);
    const live = record.completed_at === null;
    setText(this.parts.age, duration((live ? list.now : record.completed_at) - record.created_at));
    setText(this.parts.sign, live ? `${duration(list.now - record.updated_at)} ago` : STATES[record.state]);
    for (const button of this.parts.acts.children) button.disabled = !list.on.canAct();
    this.#name([title(record), ...lints, STATES[record.state], doing(record), this.parts.percent.textContent]);
  }

  #name(words) {
    const name = plain(words.filter(Boolean).join(", "));
    if (this.getAttribute("aria-label") !== name) this.setAttribute("aria-label", name);
  }

  #progress(record) {
    const part = share(record.progress);
    const live = record.completed_at === null;
    this.parts.bar.hidden = !live || !record.progress || record.progress.done === null;
    this.parts.bar.classList.toggle("endless", part === null);
    const words = part === null ? progressText(record.progress) : `${Math.floor(part * 100)} %`;
    setText(this.parts.percent, live ? words : "");
    this.parts.fill.style.width = part === null ? "" : `${part * 100}%`;
  }
}

customElements.define("hostel-row", Row);
