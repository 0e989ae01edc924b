// Letting the browser draw and answer in between, in work that may take long.

const LONG = 8;

export class Breath {
  #begun = performance.now();

  get isDue() {
    return performance.now() - this.#begun > LONG;
  }

  // Wait for a turn of one's own if it is time for that.
  async take() {
    if (!this.isDue) return;
    await new Promise((done) => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => {
        port1.close();
        done();
      };
      port2.postMessage(null);
    });
    this.#begun = performance.now();
  }
}
