// Following what a task writes: from near its end on, by offset through every cut, until the task has ended.

import { ask, readStream, taskPath } from "../lib/api.js";
import { Breath } from "../lib/breath.js";
import { bytes } from "../lib/format.js";
import { Terminal, bytesOf } from "../lib/terminal.js";

const TAIL = 64 * 1024;
const PAUSE = 1_000;
const SLICE = 8_192;
const MOST = 256 * 1024;

export class Following {
  terminal = new Terminal();
  // null as long as nothing was heard; the offset after what is in the terminal.
  next = null;
  isEnded = false;
  why = "";
  #abort = null;
  #retryAt = 0;
  #isRefused = false;

  constructor(record, changed) {
    this.record = record;
    this.changed = changed;
  }

  get isOpen() {
    return this.#abort !== null;
  }

  // Whether there is something before the first line.
  get hasEarlier() {
    return (this.terminal.start ?? 0) > 0;
  }

  // Go on reading unless that is done or under way.
  goOn() {
    if (this.isEnded || this.#isRefused || this.#abort || performance.now() < this.#retryAt) return;
    this.#abort = new AbortController();
    this.#read(this.#abort.signal);
  }

  stop() {
    this.#abort?.abort();
    this.#abort = null;
  }

  async #read(signal) {
    const breath = new Breath();
    try {
      await readStream(`${taskPath(this.record, "/output")}&after=${this.next ?? -TAIL}`, (type, data) => {
        if (signal.aborted) return undefined;
        if (type === "ended") this.isEnded = true;
        return type === "output" ? this.#take(data, breath) : this.changed();
      }, signal);
      this.why = "";
    } catch (error) {
      if (!signal.aborted) this.why = error.message;
      if (error.status >= 400 && error.status < 500) this.#isRefused = true;
    }
    if (signal.aborted) return;
    this.#abort = null;
    this.#retryAt = performance.now() + PAUSE;
    this.changed();
  }

  async #take({ text, start, next, stream }, breath) {
    if (this.next !== null && start > this.next) this.terminal.gap(`${bytes(start - this.next)} dropped`, start);
    if (this.next !== null && start < this.next) this.terminal.gap("what follows was written by another run", start);
    this.next = next;
    let offset = start;
    for (let from = 0; from < text.length; from += SLICE) {
      const slice = text.slice(from, from + SLICE);
      const after = from + SLICE < text.length ? offset + bytesOf(slice) : next;
      this.terminal.write(slice, stream, offset, after);
      offset = after;
      this.changed();
      await breath.take();
    }
  }

  // Load what comes right before the first line, or what is left of the beginning if that is dropped.
  async loadEarlier() {
    const end = this.terminal.start;
    const from = Math.max(0, end - TAIL);
    const earlier = (await this.#between(from, end)) ?? (await this.#between(0, end)) ?? new Terminal();
    if (!earlier.lines.length) earlier.gap(`${bytes(end)} dropped`, 0);
    this.terminal.prepend(earlier);
  }

  // The lines from one offset up to another, null if none of them are kept.
  async #between(from, end) {
    const found = new Terminal();
    let place = from;
    for await (const part of partsOf(this.record, from, end)) {
      if (part.start > place) found.gap(`${bytes(part.start - place)} dropped`, part.start);
      place = part.next;
      found.write(part.text, part.stream, part.start, part.next);
      if (place - from > MOST) break;
    }
    if (!found.lines.length) return null;
    if (place < end) found.gap(`${bytes(end - place)} ${place - from > MOST ? "not loaded" : "dropped"}`, place);
    found.lines[0].at = from;
    return found;
  }
}

// Tell `tell` each part of an output from its beginning up to an offset, as far as they are kept.
export async function eachPart(record, end, tell) {
  const abort = new AbortController();
  const take = (type, part) => {
    if (type === "output" && part.text) tell(part);
    if (part.next >= end) abort.abort();
  };
  try {
    await readStream(`${taskPath(record, "/output")}&after=0`, take, abort.signal);
  } catch (error) {
    if (!abort.signal.aborted) throw error;
  }
}

// The parts of an output from one offset up to another, as far as they are kept.
async function* partsOf(record, from, end) {
  for (let after = from; after < end; ) {
    const part = await ask(`${taskPath(record, "/output")}&after=${after}&limit=${Math.max(4, Math.min(end - after, 1024 * 1024))}`);
    if (part.start >= end || !part.text) return;
    yield part;
    after = part.next;
  }
}
