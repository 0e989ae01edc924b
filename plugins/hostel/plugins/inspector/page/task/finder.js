// Where words stand in the lines of a terminal: looked for a part at a time, so that no search holds the page.

import { Breath } from "../lib/breath.js";
import { textOf } from "../lib/terminal.js";

const MOST = 9_999;

export class Finder {
  #terminal;
  #words = "";
  #found = [];
  #next = 0;
  #current = null;

  constructor(terminal) {
    this.#terminal = terminal;
  }

  find(words) {
    this.#words = words.toLowerCase();
    this.restart();
  }

  restart() {
    this.#found = [];
    this.#current = null;
    this.#next = this.#terminal.base;
  }

  // Look further; tell whether there is more to look through.
  goOn() {
    if (!this.#words) return false;
    const { base, end } = this.#terminal;
    const breath = new Breath();
    if (this.#found[0]?.number < base) this.#found = this.#found.filter((one) => one.number >= base);
    this.#next = Math.max(this.#next, base);
    while (this.#found.at(-1)?.number >= end - 1) this.#found.pop(); // the last line may have changed
    for (; this.#next < end && this.#found.length < MOST && !breath.isDue; this.#next += 1) this.#found.push(...this.#in(this.#next));
    const isDone = this.#next >= end || this.#found.length >= MOST;
    this.#next = Math.min(this.#next, end - 1);
    return !isDone;
  }

  // The matches in a line: `{number, from, to, isCurrent}`.
  marksIn(number) {
    const current = this.#current;
    return this.#words ? this.#in(number).map((one) => ({ ...one, isCurrent: current?.number === number && current.from === one.from })) : [];
  }

  // Go to the match after (1) or before (-1) the current one, or after line `from` if there is none.
  step(way, from) {
    if (!this.#found.length) return null;
    const { length } = this.#found;
    const place = this.#place();
    const start = way > 0 ? this.#found.findIndex((one) => one.number >= from) : this.#found.findLastIndex((one) => one.number < from);
    const next = place < 0 ? (start < 0 ? (way > 0 ? 0 : length - 1) : start) : (place + way + length) % length;
    this.#current = this.#found[next];
    return this.#current;
  }

  get told() {
    if (!this.#words) return "";
    const place = this.#place();
    const all = `${this.#found.length.toLocaleString("en")}${this.#found.length >= MOST ? "+" : ""}`;
    return this.#found.length ? `${place < 0 ? "" : `${place + 1} of `}${all}` : "none";
  }

  #place() {
    const current = this.#current;
    return current ? this.#found.findIndex((one) => one.number === current.number && one.from === current.from) : -1;
  }

  #in(number) {
    const text = textOf(this.#terminal.line(number)).toLowerCase();
    const found = [];
    for (let from = text.indexOf(this.#words); from >= 0; from = text.indexOf(this.#words, from + this.#words.length)) found.push({ number, from, to: from + this.#words.length });
    return found;
  }
}
