// Small tools to build elements. Texts become text nodes, never markup, and come without the characters that
// would act on those around them: controls, and those that turn the direction of writing.

const SVG = "http://www.w3.org/2000/svg";

export const $ = (selector, root = document) => root.querySelector(selector);

const ACTING = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu;
const HARMLESS = "\n\r\t\u00ad\u200c\u200d";
const SPOKEN = new Set(["title", "aria-label", "placeholder"]);

export const plain = (text) => text.replace(ACTING, (char) => (HARMLESS.includes(char) ? char : "\ufffd"));

export function h(tag, props = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) element[name] = value;
    else if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else element.setAttribute(name, value === true ? "" : SPOKEN.has(name) ? plain(value) : value);
  }
  const shown = children.filter((child) => child !== null && child !== undefined && child !== false);
  element.append(...shown.map((child) => (typeof child === "string" ? plain(child) : child)));
  return element;
}

export function glyph(id, name = "glyph") {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", name);
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `#${id}`);
  svg.append(use);
  return svg;
}

export function shape(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

export function setText(element, text) {
  const shown = plain(text);
  if (element.textContent !== shown) element.textContent = shown;
}

const islands = new WeakMap();

// Stand for `element` in what `patch` is given as fresh, right below its root: the element itself is put there,
// and what is in it is left alone.
export function island(element) {
  const stand = h("div");
  islands.set(stand, element);
  islands.set(element, element);
  return stand;
}

// Make `element` look like `fresh` with as few changes as possible: what is focused, pressed, opened or moving
// stays so.
export function patch(element, fresh) {
  for (const { name } of [...element.attributes]) if (name !== "open" && !fresh.hasAttribute(name)) element.removeAttribute(name);
  for (const { name, value } of fresh.attributes) if (name !== "style" && element.getAttribute(name) !== value) element.setAttribute(name, value);
  if (element.style.cssText !== fresh.style.cssText) element.style.cssText = fresh.style.cssText;
  element.onclick = fresh.onclick;
  const [old, wanted] = [[...element.childNodes], [...fresh.childNodes]];
  wanted.forEach((child, place) => {
    const known = old[place];
    const own = islands.get(child);
    if (own && own === known) return;
    if (!known) element.append(own ?? child);
    else if (own || islands.has(known) || known.nodeName !== child.nodeName) known.replaceWith(own ?? child);
    else if (child.nodeType === Node.TEXT_NODE) setText(known, child.textContent);
    else patch(known, child);
  });
  for (const extra of old.slice(wanted.length)) extra.remove();
}

let toastTimer = 0;

export function toast(text, isError = false) {
  const box = $("#toasts");
  box.replaceChildren(h("div", { class: isError ? "toast error" : "toast" }, text));
  clearTimeout(toastTimer);
  toastTimer = setTimeout(() => box.replaceChildren(), isError ? 8000 : 4000);
}
