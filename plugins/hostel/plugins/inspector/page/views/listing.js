// The rows of one panel as its plugin told them last: page by page, each row once. No DOM here.

import { ask } from "../lib/api.js";
import { at, textOf } from "./cells.js";

const MOST_PAGES = 50;

const isRow = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

export class Listing {
  rows = new Map();
  hasMore = false;
  isLoaded = false;
  why = "";
  #pages = 1;
  #loading = null;
  #again = false;

  // `params` fill in the query of the panel's rows.
  constructor(panel, params) {
    this.panel = panel;
    this.params = params;
  }

  // Ask for all pages that were shown; who asks meanwhile is answered by one more turn.
  load() {
    this.#again = this.#loading !== null;
    this.#loading ??= this.#turns();
    return this.#loading;
  }

  more() {
    this.#pages = Math.min(this.#pages + 1, MOST_PAGES);
    return this.load();
  }

  async #turns() {
    do {
      this.#again = false;
      await this.#turn();
    } while (this.#again);
    this.#loading = null;
  }

  async #turn() {
    try {
      const rows = new Map();
      let next = null;
      for (let page = 0; page < this.#pages && (page === 0 || next !== null); page += 1) next = await this.#page(rows, next);
      this.rows = rows;
      this.hasMore = next !== null && this.#pages < MOST_PAGES;
      this.isLoaded = true;
      this.why = "";
    } catch (error) {
      this.why = error.message;
    }
  }

  async #page(rows, after) {
    const query = new URLSearchParams({ ...this.params, ...(after !== null && { after }) }).toString();
    const { items, next } = await ask(`${this.panel.rows.replace(/^\/api\//, "")}${query && `?${query}`}`);
    if (!Array.isArray(items)) throw new Error("its plugin did not answer with a list");
    for (const row of items.filter(isRow)) rows.set(keyOf(this.panel, row, rows.size), row);
    return typeof next === "string" ? next : null;
  }
}

// Rows without a key of their own are told apart by their places.
function keyOf(panel, row, place) {
  const key = at(row, panel.key);
  return key === null ? `#${place}` : `=${textOf(key)}`;
}
