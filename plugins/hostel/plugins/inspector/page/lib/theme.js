// Light or dark, as the system has it or as chosen here.

import { $ } from "./dom.js";

const KEPT = "hostel-theme";

function set(theme) {
  document.documentElement.dataset.theme = theme;
  localStorage.setItem(KEPT, theme);
}

export function startTheme() {
  set(localStorage.getItem(KEPT) ?? "");
  $("#theme").addEventListener("click", () => {
    const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
    const next = { "": isDark ? "light" : "dark", light: isDark ? "" : "dark", dark: isDark ? "light" : "" };
    set(next[document.documentElement.dataset.theme] ?? "");
  });
}
