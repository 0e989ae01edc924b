// The views that plugins bring, as they describe them: a tab for each, its rows, and what one can do with them.
// The page knows no plugin. A view within another is opened by a row of that one, and its address tells which.

import { ask } from "../lib/api.js";
import { $, glyph, h, setText } from "../lib/dom.js";
import { write } from "../lib/router.js";
import { soon } from "../lib/timing.js";
import { offered, start } from "./actions.js";
import { at, isUnderWay, textOf } from "./cells.js";
import { Listing } from "./listing.js";
import { Table } from "./table.js";
import { trouble } from "./trouble.js";

const SECONDS = { busy: 2, idle: 5, unseen: 3 };

const tabOf = (panel) => `panel/${panel.plugin}/${panel.name}`;

export class Panels {
  #view = $("#panel");
  #all = null;
  #why = "";
  #place = null;
  #shown = null; // {listing, table, parts} of the panel in sight
  #timer = 0;
  #counted = new Map(); // by tab: the listing whose rows are counted

  // `on.go(place)` opens what a row leads to; `on.canAct()` tells whether the server takes verbs.
  constructor(on) {
    this.on = on;
  }

  get #isSeen() {
    return !this.#view.hidden && this.#place !== null;
  }

  // Ask which panels there are; told when the server is there.
  async load() {
    try {
      const { items } = await ask("panels");
      if (JSON.stringify(items) !== JSON.stringify(this.#all)) this.#take(items);
      this.#why = "";
    } catch (error) {
      this.#why = error.message;
    }
    if (this.#isSeen) this.show(this.#place);
    for (const [tab, { again }] of this.#counted) if (tab !== this.#shown?.tab) again();
  }

  #take(items) {
    this.#all = items;
    this.#shown = null;
    this.#counted = new Map();
    const outer = items.filter((panel) => panel.within === null);
    for (const panel of outer.filter((one) => one.columns.some((column) => column.format === "state"))) this.#count(panel);
    for (const tab of document.querySelectorAll('[data-tab^="panel/"]')) tab.remove();
    $('[data-tab="plugins"]').before(...outer.map(tabButton));
    this.on.tabbed();
  }

  #count(panel) {
    const listing = new Listing(panel, {});
    const again = soon(SECONDS.unseen, () => listing.load().then(() => this.#drawCount(listing)));
    this.#counted.set(tabOf(panel), { listing, again });
  }

  // The tab that stands for a place: that of the outermost panel.
  tabOf({ path }) {
    const panel = this.#find(path);
    return panel ? tabOf(this.#outer(panel).at(-1) ?? panel) : "";
  }

  #find([plugin, name]) {
    return this.#all?.find((panel) => panel.plugin === plugin && panel.name === name);
  }

  // The panels around one, the nearest first.
  #outer(panel) {
    const above = this.#find([panel.plugin, panel.within]);
    return above ? [above, ...this.#outer(above)] : [];
  }

  show(place) {
    this.#place = place;
    const panel = this.#find(place.path);
    if (!panel) return this.#showNone();
    const params = Object.fromEntries(Object.keys(panel.params).map((name) => [name, place.chosen[name] ?? ""]));
    const told = JSON.stringify([panel, params]);
    if (this.#shown?.told !== told) this.#open(panel, params, told);
    this.draw();
    return this.#reload();
  }

  #showNone() {
    this.#shown = null;
    const words = this.#all === null ? "Asking what there is …" : "No plugin of this runtime brings this view.";
    this.#view.replaceChildren(h("div", { class: "page" }, h("h1", {}, "Views"), this.#why ? trouble("Views", this.#why, () => this.load()) : h("p", { class: "empty" }, words)));
  }

  #open(panel, params, told) {
    const tab = tabOf(panel);
    const listing = this.#counted.get(tab)?.listing ?? new Listing(panel, params);
    const within = this.#all.filter((one) => one.plugin === panel.plugin && one.within === panel.name);
    const hasButtons = within.length > 0 || panel.actions.some((action) => action.scope === "row");
    const table = new Table(panel, { go: this.on.go, buttons: hasButtons && ((row) => this.#rowButtons(panel, within, row)) });
    const parts = { buttons: h("div", { class: "buttons" }), trouble: h("div"), empty: h("p", { class: "empty" }), more: h("button", { type: "button", class: "button more", onclick: () => this.#more() }, "More") };
    this.#shown = { told, tab, listing, table, parts, within, again: soon(0.5, () => this.#reload()) };
    parts.buttons.append(...panel.actions.filter((action) => action.scope === "panel").map((action) => this.#button(action, params)));
    this.#view.scrollTop = 0;
    this.#view.setAttribute("aria-label", panel.title);
    this.#view.replaceChildren(h("div", { class: "page wide" }, this.#heading(panel, params, parts.buttons), parts.trouble, h("div", { class: "table-room" }, table.element), parts.empty, parts.more));
  }

  #heading(panel, params, buttons) {
    const outer = this.#outer(panel).reverse().map((one) => h("a", { href: write({ view: "panel", path: [one.plugin, one.name] }) }, one.title));
    const which = Object.values(params).filter(Boolean).join(" · ");
    return h("header", { class: "panel-head" },
      outer.length > 0 && h("nav", { class: "crumbs", "aria-label": "Where this is" }, ...outer),
      h("h1", {}, panel.title), which && h("code", {}, which), buttons);
  }

  #rowButtons(panel, within, row) {
    const inner = within.map((one) => {
      const chosen = Object.fromEntries(Object.entries(one.params).map(([name, field]) => [name, textOf(at(row, field))]));
      return h("button", { type: "button", class: "button", onclick: () => this.on.go({ view: "panel", path: [one.plugin, one.name], chosen }) }, one.title);
    });
    return [...inner, ...offered(panel, row).map((action) => this.#button(action, row))];
  }

  #button(action, row) {
    const isVerb = action.type === "post";
    const label = action.schema || action.confirm ? `${action.title}…` : action.title;
    return h("button", {
      type: "button", class: `button${action.danger ? " danger" : ""}`, disabled: isVerb && !this.on.canAct(), data: isVerb ? { verb: action.title } : {},
      onclick: () => start(action, row, () => this.#reload()),
    }, label);
  }

  async #reload() {
    clearTimeout(this.#timer);
    const shown = this.#shown;
    if (!shown) return;
    await shown.listing.load();
    if (shown !== this.#shown) return;
    if (this.#isSeen) this.draw();
    this.#drawCount(shown.listing);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#tick(), 1000 * (underWay(shown.listing) ? SECONDS.busy : SECONDS.idle));
  }

  #tick() {
    if (!this.#isSeen) return;
    if (document.hidden || !this.on.isLive()) this.#timer = setTimeout(() => this.#tick(), 1000);
    else this.#reload();
  }

  async #more() {
    await this.#shown.listing.more();
    this.draw();
  }

  // Something happened to a task of that kind.
  heard(kind) {
    for (const [tab, { listing, again }] of this.#counted) if (tab !== this.#shown?.tab && listing.panel.kinds.includes(kind)) again();
    if (this.#isSeen && this.#shown?.listing.panel.kinds.includes(kind)) this.#shown.again();
    else if (this.#shown?.listing.panel.kinds.includes(kind)) this.#counted.get(this.#shown.tab)?.again();
  }

  draw() {
    if (!this.#shown) return;
    const { listing, table, parts } = this.#shown;
    for (const button of parts.buttons.querySelectorAll("[data-verb]")) button.disabled = !this.on.canAct();
    if (parts.trouble.dataset.why !== listing.why) {
      parts.trouble.dataset.why = listing.why;
      parts.trouble.replaceChildren(...(listing.why ? [trouble(listing.panel.title, listing.why, () => this.#reload())] : []));
    }
    table.show(listing.rows, this.on.canAct());
    table.element.hidden = !listing.rows.size;
    parts.empty.hidden = listing.rows.size > 0 || Boolean(listing.why);
    setText(parts.empty, listing.isLoaded ? listing.panel.empty || "There is nothing here." : "Asking …");
    parts.more.hidden = !listing.hasMore;
  }

  #drawCount(listing) {
    const count = $(`[data-count="${CSS.escape(tabOf(listing.panel))}"]`);
    const number = underWay(listing);
    if (count) setText(count, number ? `${number}${listing.hasMore ? "+" : ""}` : "");
  }
}

const underWay = ({ panel, rows }) => [...rows.values()].filter((row) => isUnderWay(panel, row)).length;

const ICONS = new Set(["list", "download", "disk", "stack", "terminal"]);

function tabButton(panel) {
  const tab = tabOf(panel);
  return h("button", { type: "button", data: { tab } }, glyph(`i-${ICONS.has(panel.icon) ? panel.icon : "list"}`, "icon"), h("span", {}, panel.title), h("i", { class: "count", data: { count: tab } }));
}
