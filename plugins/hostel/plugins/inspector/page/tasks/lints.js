// What the server finds wrong with live tasks, asked for again and again while one looks; words for it in a row.

import { ask, now } from "../lib/api.js";
import { $ } from "../lib/dom.js";
import { duration } from "../lib/format.js";

const EVERY = 5;

// In a row there is room for a word or two; an unknown lint is shown as the server says it.
const WORDS = {
  silent: ({ since }) => `silent ${coarse(now() - since)}`,
  cancel_ignored: () => "ignores cancel",
  retry_storm: () => "retry storm",
  heartbeat_late: () => "heartbeat late",
};

export const lintWords = (lint) => (Object.hasOwn(WORDS, lint.lint) ? WORDS[lint.lint](lint) : lint.text);

const coarse = (seconds) => duration(seconds).split(" ")[0];

export class Lints {
  #asked = 0;

  // `on.canAsk()` tells whether there is somebody to ask and somebody who looks; `on.told()` that there is news.
  constructor(store, on) {
    this.store = store;
    this.on = on;
    setInterval(() => this.load(), EVERY * 1000);
    document.addEventListener("visibilitychange", () => this.load());
  }

  async load() {
    if (!this.on.canAsk()) return;
    const asked = (this.#asked += 1);
    try {
      const { items } = await ask(`lints?silent_after=${$("#silent-after").value}`);
      if (asked !== this.#asked) return;
      this.store.warn(items);
      this.on.told();
    } catch { /* the stream tells when the server is gone */ }
  }
}
