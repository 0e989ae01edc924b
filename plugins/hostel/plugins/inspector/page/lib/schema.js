// What a form asks for: the fields that the JSON Schema of a flat object means, and the values that what one
// puts into them means. No DOM here.
//
// The schema is that of an elicitation of the Model Context Protocol, or that of what a kind of task takes. What
// neither a text, a number, a yes or no, a choice nor a list of texts can say is written as JSON. A field that
// is left empty is left out of the value, so that whoever takes it falls back on its own default.

const WORDS = { text: "A text", number: "A number", whole: "A whole number" };
const FORMATS = {
  email: { test: (text) => /^[^\s@]+@[^\s@]+$/.test(text.trim()), says: "An e-mail address, as name@example.org." },
  uri: { test: (text) => /^[a-z][a-z0-9+.-]*:./i.test(text), says: "An address that begins with its scheme, as https://example.org." },
  date: { test: (text) => /^\d{4}-\d\d-\d\d$/.test(text) && !Number.isNaN(Date.parse(text)) && new Date(text).toISOString().startsWith(text), says: "A date." },
  "date-time": { test: (text) => !Number.isNaN(Date.parse(text)), says: "A date and a time." },
};

// The fields of a form in their order: `{name, title, description, needed, kind, options, schema, given}`.
// `kind` is text, number, whole, flag, choice, several, lines or json; `given` is the value it starts with.
export function fieldsOf(schema, values = {}) {
  const needed = new Set(schema.required ?? []);
  return Object.entries(schema.properties ?? {}).map(([name, described]) => {
    const field = { name, ...bare(isObject(described) ? described : {}), needed: needed.has(name) };
    field.given = Object.hasOwn(values, name) ? values[name] : field.schema.default;
    field.title = wordsOf(field.schema.title) || name;
    field.description = wordsOf(field.schema.description);
    field.options = optionsOf(field.schema);
    field.kind = kindOf(field);
    if (field.kind === "choice" && !field.options) field.options = [{ value: true, title: "Yes" }, { value: false, title: "No" }];
    return field;
  });
}

const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const wordsOf = (value) => (typeof value === "string" ? value : "");

// Take null away from what a field may be: that is said by leaving it empty.
function bare(schema) {
  const { anyOf, type } = schema;
  if (Array.isArray(type)) {
    const left = type.filter((one) => one !== "null");
    return { schema: { ...schema, type: left.length === 1 ? left[0] : left }, isNullable: left.length < type.length };
  }
  if (!Array.isArray(anyOf) || anyOf.some((one) => one && "const" in one)) return { schema, isNullable: false };
  const left = anyOf.filter((one) => isObject(one) && one.type !== "null");
  const { anyOf: _, ...rest } = schema;
  return { schema: left.length === 1 ? { ...rest, ...left[0] } : { ...rest, anyOf: left }, isNullable: left.length < anyOf.length };
}

function optionsOf(schema) {
  const inner = schema.type === "array" ? schema.items ?? {} : schema;
  const titled = [inner.oneOf, inner.anyOf].find((list) => Array.isArray(list) && list.length && list.every((one) => one && "const" in one));
  if (titled) return titled.map((one) => ({ value: one.const, title: wordsOf(one.title) || textOf(one.const) }));
  if (!Array.isArray(inner.enum)) return null;
  const names = Array.isArray(inner.enumNames) ? inner.enumNames : [];
  return inner.enum.map((value, place) => ({ value, title: wordsOf(names[place]) || textOf(value) })).filter((one) => one.value !== null);
}

function kindOf({ schema, options, given, needed }) {
  if (schema.type === "array") return options ? "several" : schema.items?.type === "string" ? "lines" : "json";
  if (options) return "choice";
  if (schema.type === "boolean") return typeof given === "boolean" ? "flag" : "choice";
  if (schema.type === "integer") return "whole";
  if (schema.type === "number") return "number";
  return schema.type === "string" ? "text" : "json";
}

const textOf = (value) => (typeof value === "string" ? value : JSON.stringify(value));

// What a field that is written into shows at first.
export function firstText({ kind, given }) {
  if (given === undefined || given === null) return "";
  if (kind === "lines" && Array.isArray(given)) return given.map(textOf).join("\n");
  return kind === "json" && typeof given !== "string" ? JSON.stringify(given, null, 2) : textOf(given);
}

// The value that what is in a field means: `{value}`, `{wrong}` in words, or `{}` where it is left out. What is
// in it is a text, or for a flag true or false, for a choice an option or null, for several a list of options.
export function readField(field, input) {
  const isEmpty = input === "" || input === null || (Array.isArray(input) && !input.length) || (field.kind === "lines" && !linesOf(input).length);
  if (field.kind === "flag") return { value: input };
  if (isEmpty && field.needed && field.isNullable) return { value: null };
  if (isEmpty && field.kind === "several") return field.needed ? sized(field, [], "Items", "chosen") : {};
  if (isEmpty) return field.needed ? { wrong: field.kind === "choice" ? "Choose one." : "This is needed." } : {};
  return READERS[field.kind](field, input);
}

const linesOf = (text) => text.split("\n").filter((line) => line.trim());

const READERS = {
  choice: (_, option) => ({ value: option.value }),
  several: (field, options) => sized(field, options.map((option) => option.value), "Items", "chosen"),
  lines: (field, text) => sized(field, linesOf(text), "Items", "lines"),
  text: readText,
  number: readNumber,
  whole: readNumber,
  json: readJson,
};

function readText(field, text) {
  const format = FORMATS[field.schema.format];
  if (format && !format.test(text)) return { wrong: format.says };
  const told = sized(field, [...text], "Length", "characters");
  if (told.wrong) return told;
  // what a browser lets one enter has no zone: it is the time here
  return { value: field.schema.format === "date-time" && !/(Z|[+-]\d\d:?\d\d)$/i.test(text) ? new Date(text).toISOString() : text };
}

function readNumber({ kind, schema }, text) {
  const value = /^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(text.trim()) ? Number(text) : NaN;
  if (!Number.isFinite(value) || (kind === "whole" && !Number.isSafeInteger(value))) return { wrong: `${WORDS[kind]}.` };
  if (schema.minimum !== undefined && value < schema.minimum) return { wrong: `At least ${schema.minimum}.` };
  if (schema.maximum !== undefined && value > schema.maximum) return { wrong: `At most ${schema.maximum}.` };
  return { value };
}

function readJson(field, text) {
  try {
    const value = JSON.parse(text);
    const isMeant = { object: isObject(value), array: Array.isArray(value) }[field.schema.type] ?? true;
    return isMeant ? { value } : { wrong: `JSON, as ${EXAMPLES[field.schema.type]}.` };
  } catch {
    return takesText(field.schema) ? { value: text } : { wrong: `JSON, as ${EXAMPLES[field.schema.type] ?? '"text", 3, true or [1, 2]'}.` };
  }
}

const EXAMPLES = { object: '{"name": "value"}', array: "[1, 2]" };

const takesText = (schema) => schema.type === "string" || (Array.isArray(schema.type) && schema.type.includes("string")) || (schema.anyOf ?? []).some(takesText) || (schema.type === undefined && !schema.anyOf);

function sized({ schema }, value, of, unit) {
  const [least, most] = [schema[`min${of}`], schema[`max${of}`]];
  if (least !== undefined && value.length < least) return { wrong: `${least} ${unit} or more.` };
  if (most !== undefined && value.length > most) return { wrong: `${most} ${unit} or fewer.` };
  return { value };
}
