// The tasks that wait for an answer of the user: a strip above the list, a word in the title of the tab, and a
// notification of the system if one has asked for that.

import { $, glyph, h, setText } from "../lib/dom.js";
import { plural, title } from "../lib/format.js";
import { isAsking } from "./matching.js";
import { keyOfRecord } from "./store.js";

const SHOWN = 3;
const TITLE_LENGTH = 60;

// Those of `records` that ask, who waits longest first.
export function askingOf(records) {
  const found = [];
  for (const record of records) if (isAsking(record)) found.push(record);
  return found.sort((a, b) => a.question.asked_at - b.question.asked_at || (a.id < b.id ? -1 : 1));
}

export class NeedsYou {
  #strip = $("#needs-you");
  #words = h("b");
  #list = h("ul");
  #all = h("button", { type: "button", class: "link-button", hidden: true, onclick: () => this.on.showAll() });
  #notify = h("button", { type: "button", class: "button", hidden: true, onclick: () => this.#allow() }, "Notify me");
  #known = null;
  #drawn = "";
  records = [];

  // `on.open(record)` opens a task, `on.showAll()` lets the list show those that ask alone.
  constructor(on) {
    this.on = on;
    this.#strip.append(glyph("i-ask", "icon"), h("span", { role: "status" }, this.#words), this.#list, this.#all, this.#notify);
  }

  // Show those of `records` that ask. `isLoaded` tells whether they are all there: who asked before is no news.
  show(records, isLoaded) {
    this.records = askingOf(records);
    this.#strip.hidden = !this.records.length;
    this.#draw();
    if (isLoaded) this.#tell();
  }

  get title() {
    return this.records.length ? `● ${this.records.length.toLocaleString("en")} ${this.records.length === 1 ? "needs" : "need"} you` : "";
  }

  #draw() {
    const drawn = JSON.stringify([this.records.length, this.records.slice(0, SHOWN).map((record) => [keyOfRecord(record), record.question.id])]);
    this.#notify.hidden = !("Notification" in window) || Notification.permission !== "default";
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    setText(this.#words, `${plural(this.records.length, "task needs", "tasks need")} you`);
    this.#list.replaceChildren(...this.records.slice(0, SHOWN).map((record) => h("li", {}, this.#button(record))));
    this.#all.hidden = this.records.length <= SHOWN;
    setText(this.#all, `all ${this.records.length.toLocaleString("en")}`);
  }

  #button(record) {
    const message = record.question.message.slice(0, 200);
    return h("button", { type: "button", class: "asker", title: message, onclick: () => this.on.open(record) }, h("b", {}, title(record)), h("span", {}, message));
  }

  async #allow() {
    await Notification.requestPermission();
    this.#draw();
  }

  #tell() {
    const known = this.#known;
    this.#known = new Set(this.records.map((record) => record.question.id + keyOfRecord(record)));
    if (!known || !("Notification" in window) || Notification.permission !== "granted") return;
    const news = this.records.filter((record) => !known.has(record.question.id + keyOfRecord(record)));
    if (news.length) this.#notifyOf(news);
  }

  #notifyOf(news) {
    const [first] = news;
    const words = news.length > 1 ? `${plural(news.length, "task")} need you` : `${title(first).slice(0, TITLE_LENGTH)} needs you`;
    const told = new Notification(words, { body: first.question.message.slice(0, 200), tag: "hostel-needs-you", renotify: true, icon: new URL("../icon.svg", import.meta.url).href });
    told.onclick = () => {
      window.focus();
      told.close();
      this.on.open(first);
    };
  }
}
