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
