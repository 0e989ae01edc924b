// What a view shows when it could not ask.

import { h } from "../lib/dom.js";

// What went wrong, in place of a list that nobody has; what is known from before stays below it.
export const trouble = (what, why, again) => h("div", { class: "box failure", role: "alert" }, h("b", {}, `${what} cannot be shown. `), h("span", {}, why), h("p", {}, h("button", { type: "button", class: "button", onclick: again }, "Try again")));
