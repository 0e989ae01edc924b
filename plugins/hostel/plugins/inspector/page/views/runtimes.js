// The runtimes of the user: a menu to choose the one to look at. It begins anew with the other: what is shown and
// what is done is all of one runtime.

import { askHere } from "../lib/api.js";
import { $, h, setText } from "../lib/dom.js";
import { runtimeIn, write } from "../lib/router.js";

const HOME = { view: "tasks" };

export class Runtimes {
  #button = $("#runtimes");
  #menu = $("#runtimes-menu");
  #items = [];
  #why = "";
  chosen = runtimeIn(location.hash);

  constructor() {
    this.#button.hidden = !this.chosen;
    this.#menu.addEventListener("toggle", (event) => {
      this.#button.setAttribute("aria-expanded", String(event.newState === "open"));
      if (event.newState === "open") this.load();
    });
    this.#menu.addEventListener("keydown", (event) => this.#key(event));
    this.#draw();
  }

  // Ask which there are; one alone needs no menu, and a server that shows none has none.
  async load() {
    try {
      this.#items = (await askHere("runtimes")).items;
      this.#why = "";
    } catch (error) {
      this.#why = error.message;
    }
    this.#button.hidden = !this.chosen && this.#items.length < 2;
    this.#draw();
  }

  // What the runtime that is shown is called.
  get name() {
    const item = this.#items.find((one) => (this.chosen ? one.id === this.chosen : one.this));
    return this.chosen ? item?.title || "another runtime" : location.host;
  }

  choose(id) {
    this.#menu.hidePopover();
    if (id === this.chosen) return;
    history.pushState(null, "", write(HOME, id));
    location.reload();
  }

  #draw() {
    const items = this.#items.some((item) => item.this) ? this.#items : [{ id: "", this: true, title: "", url: location.host, answers: true }, ...this.#items];
    const focused = this.#menu.contains(document.activeElement) ? document.activeElement.dataset.id : null;
    this.#menu.replaceChildren(...items.map((item) => this.#item(item)), ...(this.#why ? [h("p", { class: "why" }, this.#why)] : []));
    if (focused !== null) this.#menu.querySelector(`[data-id="${CSS.escape(focused)}"]`)?.focus();
    setText(this.#button.firstElementChild, this.name);
  }

  #item(item) {
    const id = item.this ? "" : item.id;
    const words = [item.url, item.pid && `process ${item.pid}`, item.this ? "serves this page" : !item.answers && "does not answer"].filter(Boolean).join(" · ");
    return h("button", { type: "button", role: "menuitemradio", "aria-checked": String(id === this.chosen), disabled: !item.answers, data: { id }, onclick: () => this.choose(id) },
      h("b", {}, item.title || "this runtime"), h("small", {}, words));
  }

  #key(event) {
    const steps = { ArrowDown: 1, ArrowUp: -1 };
    if (!(event.key in steps)) return;
    event.preventDefault();
    const all = [...this.#menu.querySelectorAll("button:not(:disabled)")];
    const place = all.indexOf(document.activeElement) + steps[event.key];
    all.at(place % all.length)?.focus();
  }
}
