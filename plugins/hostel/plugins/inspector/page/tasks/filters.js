// What of the tasks is shown: states as pills, a kind, words to find. It is part of the address.

import { $, glyph, h, setText } from "../lib/dom.js";
import { STATES } from "../lib/format.js";

const PILLS = ["live", "running", "waiting", "pending", "cancel_requested", "asking", "warned", "completed", "failed", "cancelled", "abandoned", "all"];
const WORDS = { live: "Live", asking: "needs you", warned: "warned", all: "All" };

const MARKS = { asking: "i-ask", warned: "i-clock" };
const ALARMS = new Set(["asking", "warned"]);

export class Filters {
  #pills = new Map();
  #kindsDrawn = "";

  // `on.choose({state, kind, q})` is told what is chosen; `on.found()` that one goes from the search to the list;
  // `on.silentAfter()` that another silence is too long.
  constructor(store, on) {
    this.store = store;
    this.on = on;
    for (const name of PILLS) this.#pills.set(name, this.#pill(name));
    $("#pills").append(...[...this.#pills.values()].map((pill) => pill.button));
    $("#search").addEventListener("input", (event) => on.choose({ q: event.target.value }));
    $("#search").addEventListener("keydown", (event) => {
      if (event.key !== "ArrowDown" && event.key !== "Enter") return;
      event.preventDefault();
      on.found();
    });
    $("#kind").addEventListener("change", (event) => on.choose({ kind: event.target.value }));
    $("#silent-after").addEventListener("change", () => on.silentAfter());
  }

  // Take what the address says.
  show({ state = "", kind = "", q = "" }) {
    const states = new Set(state.split(",").filter((name) => PILLS.includes(name)));
    this.store.choose({ states, kind, text: q.toLowerCase().split(/\s+/).filter(Boolean) });
    if ($("#search").value !== q) $("#search").value = q;
    $("#kind").value = kind;
  }

  draw() {
    const chosen = this.store.filter.states;
    const counts = this.store.counts;
    for (const [name, { button, count }] of this.#pills) {
      const number = counts[name] || 0;
      setText(count, number.toLocaleString("en"));
      button.setAttribute("aria-pressed", name === "live" ? !chosen.size : chosen.has(name));
      button.hidden = !number && !chosen.has(name) && !["live", "all"].includes(name);
      button.classList.toggle("alarm", ALARMS.has(name) && number > 0);
    }
    this.#drawKinds();
  }

  #pill(name) {
    const count = h("i");
    const mark = MARKS[name] ? glyph(MARKS[name], "icon") : STATES[name] ? glyph(`g-${name}`) : null;
    const button = h("button", { type: "button", class: "pill", data: { state: name }, onclick: (event) => this.#press(name, event) }, mark, h("span", {}, WORDS[name] ?? STATES[name]), count);
    return { button, count };
  }

  #press(name, event) {
    const chosen = new Set(this.store.filter.states);
    const isOnly = chosen.size === 1 && chosen.has(name);
    if (!event.shiftKey && !event.metaKey && !event.ctrlKey) chosen.clear();
    if (name === "live" || isOnly) chosen.delete(name);
    else chosen.has(name) ? chosen.delete(name) : chosen.add(name);
    this.on.choose({ state: [...chosen].join() });
  }

  #drawKinds() {
    const kinds = [...new Set([...this.store.kinds.keys(), this.store.filter.kind])].filter(Boolean).sort();
    if (kinds.join() === this.#kindsDrawn) return;
    this.#kindsDrawn = kinds.join();
    $("#kind").replaceChildren(h("option", { value: "" }, "all"), ...kinds.map((kind) => h("option", { value: kind, selected: kind === this.store.filter.kind }, kind)));
  }
}
