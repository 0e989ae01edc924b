// A table of rows, patched when they change: what is focused or opened in a row stays with the row. On a narrow
// screen each row is a card.

import { h, patch } from "../lib/dom.js";
import { content, isFigure } from "./cells.js";

export class Table {
  #rows = new Map();
  #body = h("tbody", { role: "rowgroup" });

  // `buttons(row)` are the buttons at the end of a row; `go(place)` opens what a cell leads to.
  constructor(panel, { go, buttons }) {
    this.panel = panel;
    this.go = go;
    this.buttons = buttons;
    const heads = panel.columns.map((column) => h("th", { role: "columnheader", scope: "col", class: isFigure(column.format) && "figure" }, column.title));
    if (buttons) heads.push(h("th", { role: "columnheader", scope: "col" }, h("span", { class: "unseen" }, "Actions")));
    this.element = h("table", { class: "rows", role: "table", "aria-label": panel.title },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, ...heads)), this.#body);
  }

  show(rows, signature) {
    const known = this.#rows;
    this.#rows = new Map();
    let place = this.#body.firstElementChild;
    for (const [key, row] of rows) {
      const kept = known.get(key);
      known.delete(key);
      const shown = this.#shown(kept, row, signature);
      this.#rows.set(key, shown);
      if (shown.element === place) place = place.nextElementSibling;
      else this.#body.insertBefore(shown.element, place);
    }
    for (const { element } of known.values()) element.remove();
  }

  #shown(kept, row, signature) {
    const told = `${signature}${JSON.stringify(row)}`;
    if (kept?.told === told) return kept;
    const fresh = this.#row(row);
    if (!kept) return { element: fresh, told };
    patch(kept.element, fresh);
    return { element: kept.element, told };
  }

  #row(row) {
    const cells = this.panel.columns.map((column) => {
      const shown = content(column, row, this.go);
      return h("td", { role: "cell", class: isFigure(column.format) && "figure", data: { title: column.title, format: typeof column.format === "string" ? column.format : "text" } }, shown === "" ? null : shown);
    });
    if (this.buttons) cells.push(h("td", { role: "cell", class: "row-acts" }, ...this.buttons(row)));
    return h("tr", { role: "row" }, ...cells);
  }
}
