// A line of an output as an element: its looks are classes, matches of a search are marks.

import { h } from "../lib/dom.js";

export function lineElement(line, marks) {
  if (line.note) return h("div", { class: "ln note" }, line.note);
  const parts = marks.length ? split(line.runs, marks) : line.runs;
  const shown = parts.map(({ text, look, mark }) => (mark ? h("mark", { class: [look, mark.isCurrent && "current"].filter(Boolean).join(" ") }, text) : look ? h("span", { class: look }, text) : text));
  return h("div", { class: line.isError ? "ln err" : "ln" }, ...(shown.length ? shown : ["\n"]));
}

// Runs cut where matches begin and end.
function split(runs, marks) {
  const parts = [];
  let at = 0;
  for (const { text, look } of runs) {
    let done = 0;
    for (const mark of marks) {
      const [from, to] = [Math.max(0, mark.from - at), Math.min(text.length, mark.to - at)];
      if (to <= from) continue;
      if (from > done) parts.push({ text: text.slice(done, from), look });
      parts.push({ text: text.slice(from, to), look, mark });
      done = to;
    }
    if (done < text.length) parts.push({ text: text.slice(done), look });
    at += text.length;
  }
  return parts;
}
