// The tasks that are chosen to be acted on together, and the one a range starts from.

export class Chosen {
  #keys = new Set();
  anchor = null;

  // `told()` is called when others are chosen.
  constructor(store, told) {
    this.store = store;
    this.told = told;
  }

  // What has left is no longer chosen.
  get records() {
    for (const key of this.#keys) if (!this.store.tasks.has(key)) this.#keys.delete(key);
    return [...this.#keys].map((key) => this.store.tasks.get(key));
  }

  get size() {
    return this.records.length;
  }

  has(key) {
    return this.#keys.has(key);
  }

  toggle(key) {
    if (!this.#keys.delete(key)) this.#keys.add(key);
    this.anchor = key;
    this.told();
  }

  add(rows) {
    for (const row of rows) if (row.kind === "task") this.#keys.add(row.key);
    this.anchor = rows.at(-1)?.key ?? null;
    this.told();
  }

  // Choose all rows from one to another, whichever comes first.
  range(rows, from, to) {
    const places = [from, to].map((key) => rows.findIndex((row) => row.key === key)).filter((place) => place >= 0);
    this.add(rows.slice(Math.min(...places), Math.max(...places) + 1));
    this.anchor = from;
  }

  clear() {
    this.#keys.clear();
    this.anchor = null;
    this.told();
  }
}
