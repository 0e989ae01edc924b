// What is to be looked at again at some moment: a heap, so that the next one is found without looking at all.

export class Moments {
  #heap = [];

  add(at, item) {
    const heap = this.#heap;
    let place = heap.push({ at, item }) - 1;
    while (place > 0) {
      const above = (place - 1) >> 1;
      if (heap[above].at <= heap[place].at) return;
      [heap[above], heap[place]] = [heap[place], heap[above]];
      place = above;
    }
  }

  // Take out what is due.
  *due(now) {
    while (this.#heap.length && this.#heap[0].at <= now) yield this.#pop();
  }

  #pop() {
    const heap = this.#heap;
    const { item } = heap[0];
    const last = heap.pop();
    if (heap.length) {
      heap[0] = last;
      this.#sink(0);
    }
    return item;
  }

  #sink(start) {
    const heap = this.#heap;
    for (let place = start; ; ) {
      let least = place;
      for (const below of [2 * place + 1, 2 * place + 2]) if (heap[below]?.at < heap[least].at) least = below;
      if (least === place) return;
      [heap[least], heap[place]] = [heap[place], heap[least]];
      place = least;
    }
  }
}
