// Work put off: several calls within some time do it once.

export function soon(seconds, work) {
  let timer = 0;
  return () => {
    timer ||= setTimeout(() => {
      timer = 0;
      work();
    }, seconds * 1000);
  };
}

// Let the browser draw and answer in between: `if (isLong()) await breath()` in work that may take long.
const LONG = 10;
const { port1: told, port2: teller } = new MessageChannel();
const waiting = [];
let begun = 0;

told.onmessage = () => {
  for (const done of waiting.splice(0)) done();
};

export const isLong = () => performance.now() - begun > LONG;

export async function breath() {
  await new Promise((done) => {
    waiting.push(done);
    teller.postMessage(null);
  });
  begun = performance.now();
}
