// The queue of downloads.

import { ask } from "../lib/api.js";
import { $, h, setText } from "../lib/dom.js";
import { bytes, duration, plural } from "../lib/format.js";
import { trouble } from "./trouble.js";

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
    const active = this.items.filter((item) => item.status !== "failed").length;
    setText($('[data-count="downloads"]'), active ? String(active) : "");
  }

  show() {
    this.draw();
    this.load();
  }

  draw() {
    const active = this.items.filter((item) => item.status !== "failed");
    const failed = this.items.filter((item) => item.status === "failed");
    this.#view.replaceChildren(h("div", { class: "page" },
      h("h1", {}, "Downloads"),
      this.#why && trouble("Downloads", this.#why, () => this.load()),
      active.length ? h("ul", { class: "cards" }, ...active.map(card)) : !this.#why && h("p", { class: "empty" }, "Nothing is being pulled. ", h("code", {}, "hostel pull org/model"), " starts a download."),
      failed.length > 0 && h("h2", {}, "Failed"),
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
