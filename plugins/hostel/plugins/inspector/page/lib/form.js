// A form for the JSON Schema of a flat object (see schema.js): labelled fields, checked before anything is sent,
// with what is wrong said at the field. It has no buttons: it stands in the `form` of whoever asks.

import { h } from "./dom.js";
import { fieldsOf, firstText, readField } from "./schema.js";

const LONG = 600;
const FEW = 5;
const TYPES = { date: "date", "date-time": "datetime-local", email: "email" };
let made = 0;

// Return the form for a schema; `values` are what its fields start with in place of their defaults.
//
// `element`        what to show: a `div`
// `read()`         the value, or null when something is wrong; then that is said and focused
// `refuse(n, t)`   say text `t` at the field of name `n`, on top of the form if there is none
// `refusedBy(e)`   say what the server refused (a `Refused`) at its field, if it tells which
// `focus()`        go to the first field
// `isTouched`      whether one has changed anything
export const formOf = (schema, { values = {} } = {}) => new Form(fieldsOf(schema, values));

class Form {
  isTouched = false;
  #asked;
  #wrong = h("p", { class: "wrong", role: "alert", hidden: true });

  constructor(fields) {
    this.#asked = fields.map(asked);
    this.element = h("div", { class: "form" }, this.#wrong, ...this.#asked.map((one) => one.element));
    for (const type of ["input", "change"]) this.element.addEventListener(type, () => (this.isTouched = true));
  }

  read() {
    const entries = [];
    let first = null;
    say(this.#wrong, "");
    for (const { field, put, element } of this.#asked) {
      const { value, wrong = "" } = readField(field, put.input());
      mark(element, put, wrong);
      if (wrong) first ??= put;
      else if (value !== undefined) entries.push([field.name, value]);
    }
    first?.focus();
    return first ? null : Object.fromEntries(entries);
  }

  refuse(name, text) {
    const one = this.#asked.find(({ field }) => field.name === name);
    if (!one) return say(this.#wrong, text);
    mark(one.element, one.put, text);
    return one.put.focus();
  }

  refusedBy(error) {
    const found = this.#asked.map(({ field }) => field.name).find((name) => error.problem?.parameter === name || quoted(error.message, name));
    this.refuse(found, quoted(error.message, found) || error.message);
  }

  focus() {
    this.#asked[0]?.put.focus();
  }
}

// What a message says of 'name', as the hosts of tasks write it.
function quoted(message, name) {
  const place = message.lastIndexOf(`'${name}' `);
  return place < 0 ? "" : `It ${message.slice(place + `${name}`.length + 3)}.`;
}

function say(line, text) {
  line.hidden = !text;
  line.replaceChildren(h("span", {}, text));
}

function mark(element, put, text) {
  say(element.lastElementChild, text);
  const marked = put.role ? (put.role === "radiogroup" ? element : null) : put.element;
  marked?.[text ? "setAttribute" : "removeAttribute"]("aria-invalid", "true");
}

function asked(field) {
  const id = `f${(made += 1)}`;
  const told = { "aria-describedby": `${field.description ? `${id}-about ` : ""}${id}-wrong` };
  const put = PUTS[field.kind](field, id, told);
  const words = [h("span", { class: "name" }, field.title), !field.needed && field.kind !== "flag" && h("small", {}, "optional")];
  const rest = [
    field.description && h("p", { class: "about", id: `${id}-about` }, field.description),
    put.list,
    h("p", { class: "wrong", id: `${id}-wrong`, hidden: true }),
  ];
  const element = put.role
    ? h("fieldset", { class: "field", data: { field: field.name }, role: put.role, ...told }, h("legend", {}, ...words), put.element, ...rest)
    : h("div", { class: "field", data: { field: field.name } }, ...(field.kind === "flag" ? [h("label", { class: "option" }, put.element, ...words)] : [h("label", { for: id }, ...words), put.element]), ...rest);
  return { field, put, element };
}

const PUTS = {
  text: (field, id, told) => written(field, id, told, field.schema.maxLength > LONG || /\n/.test(firstText(field))),
  number: (field, id, told) => written(field, id, { ...told, inputmode: "decimal" }),
  whole: (field, id, told) => written(field, id, { ...told, inputmode: "numeric" }),
  lines: (field, id, told) => written(field, id, { ...told, placeholder: "one a line" }, true),
  json: (field, id, told) => written(field, id, { ...told, class: "code", placeholder: "JSON" }, true),
  flag,
  choice: (field, id, told) => (field.needed && field.options.length <= FEW ? radios(field, id) : select(field, id, told)),
  several,
};

function written(field, id, told, isLong = false) {
  const props = { id, autocomplete: "off", spellcheck: "false", "aria-required": field.needed ? "true" : null, ...told };
  const element = isLong ? h("textarea", { rows: "3", ...props }) : h("input", { type: TYPES[field.schema.format] ?? "text", ...props });
  element.value = shown(field);
  const examples = Array.isArray(field.schema.examples) ? field.schema.examples.filter((one) => typeof one === "string") : [];
  const list = examples.length > 0 && h("datalist", { id: `${id}-list` }, ...examples.map((one) => h("option", { value: one })));
  if (list) element.setAttribute("list", list.id);
  return { element, list, input: () => (element.validity.badInput ? "\u0000" : element.value), focus: () => element.focus() };
}

// A moment as the browser's own field takes it: in the time here.
function shown(field) {
  const text = firstText(field);
  const at = field.schema.format === "date-time" ? Date.parse(text) : NaN;
  return Number.isNaN(at) ? text : new Date(at - new Date(at).getTimezoneOffset() * 60_000).toISOString().slice(0, 19);
}

function flag(field, id, told) {
  const element = h("input", { type: "checkbox", id, ...told });
  element.checked = field.given;
  return { element, input: () => element.checked, focus: () => element.focus() };
}

function select(field, id, told) {
  const options = field.options.map((option, place) => h("option", { value: String(place), selected: option.value === field.given }, option.title));
  const element = h("select", { id, "aria-required": field.needed ? "true" : null, ...told }, h("option", { value: "" }, field.needed ? "choose one" : "none chosen"), ...options);
  return { element, input: () => field.options[element.value] ?? null, focus: () => element.focus() };
}

function radios(field, id) {
  const inputs = field.options.map((option, place) => h("input", { type: "radio", name: id, value: String(place), checked: option.value === field.given }));
  const input = () => field.options[inputs.findIndex((one) => one.checked)] ?? null;
  return { ...group(field, inputs, "radiogroup"), input, focus: () => (inputs.find((one) => one.checked) ?? inputs[0]).focus() };
}

function several(field) {
  const given = Array.isArray(field.given) ? field.given : [];
  const inputs = field.options.map((option) => h("input", { type: "checkbox", checked: given.includes(option.value) }));
  const input = () => field.options.filter((_, place) => inputs[place].checked);
  return { ...group(field, inputs, "group"), input, focus: () => inputs[0]?.focus() };
}

function group(field, inputs, role) {
  const labels = field.options.map((option, place) => h("label", { class: "option" }, inputs[place], h("span", {}, option.title)));
  return { role, element: h("div", { class: "options" }, ...labels) };
}
