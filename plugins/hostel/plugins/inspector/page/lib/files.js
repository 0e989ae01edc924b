// Files for the user to keep.

import { h, plain } from "./dom.js";

// Save a blob as a file; a name is a text of a task and may be anything.
export function save(name, blob) {
  const href = URL.createObjectURL(blob);
  const safe = plain(name).replace(/[\\/:*?"<>|\s\ufffd]+/g, "_").replace(/^\.+/, "_").slice(0, 120);
  h("a", { href, download: safe }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}
