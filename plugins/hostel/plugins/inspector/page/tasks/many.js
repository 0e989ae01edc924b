// The bar below the list while tasks are chosen: how many, and what can be done to them.

import { $, h, setText } from "../lib/dom.js";
import { LIVE, STATES } from "../lib/format.js";

const SHOWN = { warned: "warned", asking: "that need you" };

// To which tasks a verb applies.
export const APPLIES = {
  cancel: (record) => LIVE.has(record.state) && record.state !== "cancel_requested",
  transfer: (record) => LIVE.has(record.state),
};

export class ManyBar {
  #bar = $("#many");
  #said = h("b", { role: "status" });
  #doing = "";

  // `on.act(name)` does it, `on.canAct()` tells whether the server is there, `on.rows()` what the list shows.
  constructor(chosen, on) {
    this.chosen = chosen;
    this.on = on;
    const button = (words, onclick, kind = "button") => h("button", { type: "button", class: kind, onclick }, words);
    this.cancel = button("Cancel…", () => on.act("cancel"), "button danger");
    this.transfer = button("Transfer…", () => on.act("transfer"));
    this.all = button("", () => chosen.add(this.#others()));
    this.clear = button("Clear", () => chosen.clear());
    this.#bar.append(this.#said, h("div", { class: "buttons" }, this.cancel, this.transfer, this.all, this.clear));
  }

  // Say how far something is that takes its time; nothing when it is done.
  say(words) {
    this.#doing = words;
    this.draw();
  }

  draw() {
    const { records } = this.chosen;
    const hasFocus = this.#bar.contains(document.activeElement);
    this.#bar.hidden = !records.length && !this.#doing;
    if (this.#bar.hidden) {
      if (hasFocus) $("#scroller").focus();
      return;
    }
    setText(this.#said, this.#doing || `${records.length.toLocaleString("en")} selected`);
    for (const name of ["cancel", "transfer"]) this[name].disabled = Boolean(this.#doing) || !this.on.canAct() || !records.some(APPLIES[name]);
    const others = this.#others();
    this.all.hidden = others.length === 0;
    setText(this.all, `Select all ${this.#word(others)}`);
  }

  #others() {
    return this.on.rows().filter((row) => row.kind === "task" && !row.context && !this.chosen.has(row.key));
  }

  // What the list shows, if that is of one sort.
  #word() {
    const { states } = this.chosen.store.filter;
    const [only] = states;
    return (states.size === 1 && (SHOWN[only] ?? STATES[only])) || "shown";
  }
}
