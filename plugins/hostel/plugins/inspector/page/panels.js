// The two other views: downloads and plugins.

import { ask } from "./api.js";
import { $, h } from "./dom.js";
import { bytes, duration, plural } from "./format.js";

// What went wrong, in place of a list that nobody has; what is known from before stays below it.
const trouble = (what, why, again) => h("div", { class: "box failure", role: "alert" }, h("b", {}, `${what} cannot be shown. `), h("span", {}, why), h("p", {}, h("button", { type: "button", class: "button", onclick: again }, "Try again")));

export class Downloads {
  #view = $("#downloads");
  #timer = 0;
  #why = "";
  items = [];

  async load() {
    clearTimeout(this.#timer);
    try {
      this.items = (await ask("downloads")).items;
      this.#why = "";
    } catch (error) {
      this.#why = error.message;
    }
    if (!this.#view.hidden) {
      this.draw();
      this.#timer = setTimeout(() => this.load(), this.items.some((item) => item.status === "downloading") ? 1000 : 4000);
    }
    return this.items;
  }

  draw() {
    const active = this.items.filter((item) => item.status !== "failed");
    const failed = this.items.filter((item) => item.status === "failed");
    this.#view.replaceChildren(h("div", { class: "page" },
      h("h1", {}, "Downloads"),
      this.#why && trouble("Downloads", this.#why, () => this.load()),
      active.length ? h("ul", { class: "cards" }, ...active.map(card)) : !this.#why && h("p", { class: "empty" }, "Nothing is being pulled. ", h("code", {}, "hostel pull org/model"), " starts a download."),
      failed.length > 0 && h("h3", {}, "Failed"),
      failed.length > 0 && h("ul", { class: "cards" }, ...failed.map(card))));
  }
}

function card(item) {
  const done = item.downloaded ?? 0;
  const part = item.total ? Math.min(1, done / item.total) : null;
  const fill = h("i");
  if (part !== null) fill.style.width = `${part * 100}%`;
  const facts = [
    item.total ? `${bytes(done)} of ${bytes(item.total)}` : done ? bytes(done) : null,
    item.rate ? `${bytes(item.rate)}/s` : null,
    item.eta ? `${duration(item.eta)} left` : null,
    item.shard_count > 1 ? plural(item.shard_count, "file") : null,
    item.attempts > 1 ? `attempt ${item.attempts}` : null,
  ].filter(Boolean);
  return h("li", { class: "card", data: { status: item.status } },
    h("div", { class: "line" },
      h("b", {}, item.model_id ?? item.label ?? item.id),
      item.quantization && h("span", { class: "badge" }, item.quantization),
      h("span", { class: "status" }, item.status === "queued" && item.position ? `queued, place ${item.position}` : item.status)),
    item.status !== "failed" && h("span", { class: part === null ? "bar endless" : "bar" }, fill),
    h("div", { class: "line small" }, h("span", {}, facts.join(" · ")), part !== null && h("b", {}, `${Math.floor(part * 100)} %`)),
    item.error && h("p", { class: "why" }, item.error));
}

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
    return this.items;
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
