// What a task has written, in its panel: followed, searched, copied and saved.
//
// Of the lines that the page keeps, those of a window exist as elements. While one is at the end the window goes
// with it; who reads further up moves it by scrolling. A flood costs what some hundred lines do: each drawing
// adds a bounded number, and jumps to the newest if there are more.

import { h, glyph, island, setText, toast } from "../lib/dom.js";
import { save } from "../lib/files.js";
import { LIVE, bytes, plural, title } from "../lib/format.js";
import { textOf } from "../lib/terminal.js";
import { Finder } from "./finder.js";
import { Following, eachPart } from "./following.js";
import { lineElement } from "./line.js";

const WINDOW = 1_200;
const STEP = 200;
const CHARACTERS = 48_000;
const NEAR = 400;
const DRAW_EVERY = 80;
const QUIET = 300;
const KEPT_WRAP = "hostel-wrap";

export class Output {
  #log = h("div", { class: "log", tabindex: "0", role: "log", "aria-live": "off", "aria-label": "Lines" });
  #state = h("span", { class: "about" });
  #earlier = button("Load earlier", () => this.#loadEarlier());
  #more = button("", () => this.#follow(true), "more");
  #wrap = toggle("Wrap", () => this.#setWrap(!this.#isWrapped));
  #stick = toggle("Follow", () => this.#follow(!this.#follows));
  #found = h("span", { class: "found", role: "status" });
  #search = h("input", { type: "search", placeholder: "Find in the output", "aria-label": "Find in the output", autocomplete: "off", spellcheck: "false" });
  element = h("section", { class: "output", "aria-label": "Output", hidden: true },
    h("h3", {}, "Output"),
    h("div", { class: "tools" }, h("span", { class: "find" }, this.#search, this.#found,
      icon("i-up", "Previous match", () => this.#step(-1)), icon("i-down", "Next match", () => this.#step(1))),
    this.#wrap, this.#stick, button("Copy", () => this.#copy()), button("Download", (event) => this.#download(event.target))),
    h("div", { class: "edge" }, this.#state, this.#earlier), h("div", { class: "frame" }, this.#log, this.#more));
  #following = null;
  #finder = null;
  #record = null;
  #from = 0;
  #to = 0;
  #last = null;
  #top = 0;
  #follows = true;
  #isWrapped = localStorage.getItem(KEPT_WRAP) !== "no";
  #asked = 0;
  #drawn = 0;
  #grown = 0;

  constructor(on) {
    this.on = on;
    this.#log.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#search.addEventListener("input", () => this.#find(this.#search.value));
    this.#search.addEventListener("keydown", (event) => this.#key(event));
    this.#setWrap(this.#isWrapped);
    // browsers open few connections to one server: tabs that nobody sees leave them to others
    document.addEventListener("visibilitychange", () => this.#record && this.show(this.#record));
  }

  // Show the output of a task; where it stands in the panel is the answer.
  show(record) {
    if (!this.#following && record.state !== undefined && (record.output_bytes > 0 || LIVE.has(record.state))) this.#begin(record);
    this.#record = record;
    if (this.#following) {
      this.#following.record = record;
      if (!this.on.isLive() || document.hidden) this.#following.stop();
      else this.#following.goOn();
    }
    this.drawSoon();
    return island(this.element);
  }

  leave() {
    this.#following?.stop();
    this.#following = this.#finder = this.#record = null;
    this.#log.replaceChildren();
    this.#search.value = "";
    setText(this.#found, "");
    this.element.hidden = true;
  }

  #begin(record) {
    this.#following = new Following(record, () => this.drawSoon());
    this.#finder = new Finder(this.#following.terminal);
    this.#from = this.#to = 0;
    this.#last = null;
    this.#follow(true);
  }

  drawSoon() {
    this.#asked ||= setTimeout(() => {
      requestAnimationFrame(() => {
        this.#asked = 0;
        this.#drawn = performance.now();
        if (this.#following) this.#draw();
      });
    }, Math.max(0, DRAW_EVERY - (performance.now() - this.#drawn)));
  }

  get #terminal() {
    return this.#following.terminal;
  }

  #draw() {
    const { lines, end } = this.#terminal;
    this.element.hidden = !lines.length;
    if (!lines.length) return;
    if (this.#follows) this.#drawEnd();
    else this.#fill();
    const unread = end - this.#to;
    this.#more.hidden = this.#follows || unread <= 0;
    setText(this.#more, `${plural(unread, "more line")} ↓`);
    this.#drawFound();
    this.#drawState();
  }

  // Bring the window to the end.
  #drawEnd() {
    const { base, end } = this.#terminal;
    if (this.#to < end) this.#grown = performance.now();
    if (this.#to < end - STEP || this.#from < base || this.#to > end || this.#from === this.#to) this.#jump(this.#fitting(end, -1), end);
    else {
      this.#refresh();
      this.#append(end);
    }
    while (this.#to - this.#from > WINDOW) this.#dropFirst();
    if (this.#from > base && this.#to - this.#from < WINDOW / 2) {
      if (performance.now() - this.#grown > QUIET) this.#prepend(this.#fitting(this.#from, -1));
      this.drawSoon();
    }
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#top = this.#log.scrollTop;
  }

  // Keep what is in sight where it is, and have lines around it.
  #fill() {
    this.#refresh();
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const { base, end } = this.#terminal;
    if (scrollTop < NEAR && this.#from > base) {
      this.#prepend(this.#fitting(this.#from, -1));
      while (this.#to - this.#from > WINDOW) this.#dropLast();
      this.#log.scrollTop = scrollTop + this.#log.scrollHeight - scrollHeight;
    } else if (scrollHeight - scrollTop - clientHeight < NEAR && this.#to < end) {
      this.#append(this.#fitting(this.#to, 1));
      const before = this.#log.scrollHeight;
      if (this.#to - this.#from > WINDOW) {
        while (this.#to - this.#from > WINDOW) this.#dropFirst();
        this.#log.scrollTop += this.#log.scrollHeight - before;
      }
    }
    this.#top = this.#log.scrollTop;
  }

  // The line up to which a step from another goes: so many lines, so many characters.
  #fitting(from, way) {
    const { base, end } = this.#terminal;
    let size = 0;
    let number = from;
    while (Math.abs(number - from) < STEP && size < CHARACTERS && number + way >= base && number + way <= end) {
      size += this.#terminal.line(way < 0 ? number - 1 : number).length;
      number += way;
    }
    return number;
  }

  #jump(from, to) {
    this.#log.replaceChildren();
    this.#from = this.#to = Math.max(from, this.#terminal.base);
    this.#append(to);
  }

  #append(to) {
    const fresh = [];
    for (; this.#to < to; this.#to += 1) fresh.push(this.#element(this.#to));
    this.#log.append(...fresh);
    this.#last = this.#signature();
  }

  #prepend(from) {
    const fresh = [];
    for (let number = from; number < this.#from; number += 1) fresh.push(this.#element(number));
    this.#log.prepend(...fresh);
    this.#from = from;
  }

  #dropFirst() {
    this.#log.firstElementChild.remove();
    this.#from += 1;
  }

  #dropLast() {
    this.#log.lastElementChild.remove();
    this.#to -= 1;
  }

  // Draw the last line of the window anew if more was written to it.
  #refresh() {
    if (this.#to <= this.#from || this.#signature() === this.#last) return;
    const line = this.#terminal.line(this.#to - 1);
    if (line) this.#log.lastElementChild?.replaceWith(this.#element(this.#to - 1));
    this.#last = this.#signature();
  }

  #signature() {
    const line = this.#to > this.#from && this.#terminal.line(this.#to - 1);
    return line && `${this.#to} ${textOf(line)} ${line.runs.map((run) => run.look).join()}`;
  }

  #element(number) {
    return lineElement(this.#terminal.line(number), this.#finder.marksIn(number));
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#log;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < 8;
    if (scrollTop < this.#top - 1 && !isAtEnd) this.#setFollows(false);
    else if (isAtEnd && this.#following && this.#to >= this.#terminal.end) this.#setFollows(true);
    this.#top = scrollTop;
    if (!this.#follows) this.drawSoon();
  }

  #follow(on) {
    this.#setFollows(on);
    this.drawSoon();
  }

  #setFollows(on) {
    this.#follows = on;
    this.#stick.setAttribute("aria-pressed", on);
  }

  #setWrap(on) {
    this.#isWrapped = on;
    localStorage.setItem(KEPT_WRAP, on ? "yes" : "no");
    this.#log.classList.toggle("wrapped", on);
    this.#wrap.setAttribute("aria-pressed", on);
    this.drawSoon();
  }

  #drawState() {
    const following = this.#following;
    const { terminal } = following;
    this.#earlier.hidden = !following.hasEarlier || terminal.isFull;
    const before = following.hasEarlier ? `${bytes(terminal.start)} before this` : "from the beginning";
    const how = following.isEnded ? "ended" : following.isOpen ? "live" : following.why || "not connected";
    setText(this.#state, `${before}${following.hasEarlier && terminal.isFull ? ", in the download" : ""} · ${how}`);
  }

  async #loadEarlier() {
    const following = this.#following;
    this.#setFollows(false);
    this.#earlier.disabled = true;
    try {
      await following.loadEarlier();
    } catch (error) {
      toast(error.message, true);
    }
    this.#earlier.disabled = false;
    if (following !== this.#following) return;
    this.#finder.restart();
    const { base } = following.terminal;
    this.#jump(base, this.#fitting(base, 1));
    this.#log.scrollTop = 0;
    this.#log.focus();
    this.drawSoon();
  }

  #key(event) {
    if (event.key === "Enter") this.#step(event.shiftKey ? -1 : 1);
    else if (event.key === "Escape" && this.#search.value) {
      event.stopPropagation();
      this.#search.value = "";
      this.#find("");
    } else return;
    event.preventDefault();
  }

  #find(words) {
    this.#finder?.find(words);
    this.#again();
  }

  #step(way) {
    this.#finder?.goOn(); // one may be quicker than the next drawing
    const place = this.#finder?.step(way, this.#follows ? this.#terminal.end : this.#from);
    if (place) this.#reveal(place.number);
  }

  #reveal(number) {
    this.#setFollows(false);
    this.#jump(this.#fitting(number, -1), this.#fitting(number, 1));
    this.#log.querySelector(".current")?.scrollIntoView({ block: "center" });
    this.#top = this.#log.scrollTop;
    this.drawSoon();
  }

  // Draw the window anew, with other matches.
  #again() {
    if (!this.#following) return;
    const { scrollTop } = this.#log;
    this.#jump(this.#follows ? this.#fitting(this.#terminal.end, -1) : this.#from, this.#follows ? this.#terminal.end : Math.min(this.#to, this.#from + STEP));
    this.#log.scrollTop = scrollTop;
    this.drawSoon();
  }

  #drawFound() {
    if (this.#finder.goOn()) this.drawSoon();
    setText(this.#found, this.#finder.told);
  }

  async #copy() {
    try {
      await navigator.clipboard.writeText(this.#terminal.text());
      toast("Copied what the page has of it");
    } catch {
      toast("The browser does not let this page copy", true);
    }
  }

  // Save all of the output that is kept.
  async #download(asked) {
    const record = this.#record;
    const parts = [];
    asked.disabled = true;
    try {
      await eachPart(record, this.#following.next, (part) => parts.push(part.text));
      save(`${title(record)}.log`, new Blob(parts, { type: "text/plain" }));
    } catch (error) {
      toast(error.message, true);
    }
    asked.disabled = false;
  }
}

function button(words, onclick, name = "button") {
  return h("button", { type: "button", class: `small ${name}`, onclick }, words);
}

function toggle(words, onclick) {
  return h("button", { type: "button", class: "small button", "aria-pressed": "false", onclick }, words);
}

function icon(id, words, onclick) {
  return h("button", { type: "button", class: "ghost", "aria-label": words, title: words, onclick }, glyph(id, "icon"));
}
