// The plugins of the runtime, and what is wrong with them.

import { ask } from "../lib/api.js";
import { $, h, setText } from "../lib/dom.js";
import { trouble } from "./trouble.js";

export class Plugins {
  #view = $("#plugins");
  #why = "";
  items = [];

  async load() {
    try {
      this.items = (await ask("plugins")).items;
      this.#why = "";
    } catch (error) {
      this.#why = error.message;
    }
    if (!this.#view.hidden) this.draw();
    const failures = this.items.filter((info) => info.failure && !info.failure.startsWith("not installed")).length;
    setText($('[data-count="plugins"]'), failures ? String(failures) : "");
  }

  show() {
    this.draw();
    this.load();
  }

  draw() {
    this.#view.replaceChildren(h("div", { class: "page" }, h("h1", {}, "Plugins"), this.#why && trouble("Plugins", this.#why, () => this.load()), h("ul", { class: "cards" }, ...this.items.map(plugin))));
  }
}

function plugin(info) {
  const state = info.active ? (info.failure ? "works, with a failure" : "works") : "set aside";
  return h("li", { class: "card plugin", data: { status: info.failure ? (info.active ? "warned" : "failed") : "fine" } },
    h("div", { class: "line" },
      h("b", {}, info.name),
      h("small", {}, info.distribution ? `${info.distribution} ${info.version ?? ""}` : "given by the application"),
      h("span", { class: "status" }, state)),
    info.failure && h("p", { class: "why" }, info.failure),
    info.hooks.length > 0 && h("div", { class: "hooks" }, ...info.hooks.map((hook) => h("code", {}, hook))));
}
