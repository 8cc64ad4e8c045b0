// Shows /openapi.json. Text only ever goes in as text, so nothing in the document can become markup.
"use strict";

const methods = ["get", "post", "put", "patch", "delete"];
let document_ = null;

function element(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes || {})) made.setAttribute(key, value);
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

// Follows a reference within the document.
function resolved(value) {
  if (!value || !value.$ref) return value || {};
  return value.$ref.slice(2).split("/").reduce((at, key) => (at || {})[key], document_) || {};
}

function nameOf(schema) {
  return schema && schema.$ref ? schema.$ref.split("/").pop() : null;
}

// A schema in one line.
function typeOf(schema) {
  if (!schema) return "";
  if (schema.$ref) return nameOf(schema);
  const choices = schema.oneOf || schema.anyOf;
  if (choices) return choices.filter((choice) => choice.type !== "null").map(typeOf).join(" | ");
  if (schema.allOf) return schema.allOf.map(typeOf).filter(Boolean).join(" + ");
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const types = [].concat(schema.type || []).filter((type) => type !== "null");
  if (types.includes("array")) return "list of " + typeOf(schema.items);
  return types.join(" | ") + (schema.format ? " (" + schema.format + ")" : "");
}

// The fields of a schema as a table, those within it as tables below, each once.
function fields(schema, seen) {
  const whole = resolved(schema);
  const name = nameOf(schema);
  if (name) {
    if (seen.has(name)) return [];
    seen.add(name);
  }
  const parts = [];
  for (const part of [...(whole.allOf || []), ...(whole.oneOf || []), ...(whole.anyOf || [])]) parts.push(...fields(part, seen));
  if (whole.items) parts.push(...fields(whole.items, seen));
  const properties = Object.entries(whole.properties || {});
  if (properties.length > 0) {
    const rows = properties.map(([key, value]) =>
      element("tr", {},
        element("td", {}, element("code", {}, key), (whole.required || []).includes(key) ? "" : " ?"),
        element("td", {}, typeOf(value)),
        element("td", {}, value.description || resolved(value).description || "")));
    parts.unshift(element("h3", {}, name || "fields"), element("table", {}, ...rows));
    for (const [, value] of properties) parts.push(...fields(value, seen));
  }
  return parts;
}

function parameters(list) {
  if (!list || list.length === 0) return [];
  const rows = list.map(resolved).map((parameter) =>
    element("tr", {},
      element("td", {}, element("code", {}, parameter.name), parameter.required ? "" : " ?"),
      element("td", {}, parameter.in),
      element("td", {}, typeOf(parameter.schema)),
      element("td", {}, parameter.description || "")));
  return [element("h3", {}, "Parameters"), element("table", {}, ...rows)];
}

function bodies(title, content, seen) {
  return Object.entries(content || {}).flatMap(([kind, media]) => [
    element("h3", {}, title + " ", element("code", {}, kind), " " + typeOf(media.schema)),
    ...fields(media.schema, seen),
  ]);
}

function curl(path, method, operation) {
  const key = operation.security ? " -H \"Authorization: Bearer $TRUNKLINE_API_KEY\"" : "";
  const verb = method === "get" ? "" : " -X " + method.toUpperCase();
  const body = operation.requestBody ? " -H 'Content-Type: application/json' -d '{}'" : "";
  return "curl" + verb + key + body + " " + location.origin + path;
}

function route(path, method, operation) {
  const seen = new Set(["Problem"]);
  const answers = Object.entries(operation.responses || {}).map(([status, answer]) =>
    element("tr", {}, element("td", {}, status), element("td", {}, resolved(answer).description || "")));
  const good = Object.entries(operation.responses || {}).filter(([status]) => status.startsWith("2"));
  return element("details", { id: method + path },
    element("summary", {}, element("span", { class: "method" }, method), element("code", {}, path), " ",
      element("span", { class: "about" }, operation.summary || "")),
    element("p", {}, operation.description || ""),
    element("pre", {}, curl(path, method, operation)),
    ...parameters(operation.parameters),
    ...bodies("Body", operation.requestBody && resolved(operation.requestBody).content, seen),
    element("h3", {}, "Answers"), element("table", {}, ...answers),
    ...good.flatMap(([status, answer]) => bodies(status, resolved(answer).content, seen)));
}

function show(filter) {
  const words = filter.toLowerCase().split(/\s+/).filter(Boolean);
  const sections = (document_.tags || []).map((tag) => {
    const routes = Object.entries(document_.paths).flatMap(([path, item]) =>
      methods.filter((method) => item[method] && (item[method].tags || []).includes(tag.name))
        .filter((method) => words.every((word) => (path + " " + method + " " + (item[method].summary || "")).toLowerCase().includes(word)))
        .map((method) => route(path, method, item[method])));
    return routes.length > 0 && element("section", {}, element("h2", {}, tag.name),
      element("p", { class: "about" }, tag.description || ""), ...routes);
  });
  document.getElementById("routes").replaceChildren(...sections.filter(Boolean));
}

async function start() {
  const answer = await fetch("/openapi.json");
  if (!answer.ok) throw new Error("status " + answer.status);
  document_ = await answer.json();
  const { title, version, description } = document_.info;
  document.getElementById("title").textContent = title + " " + version;
  document.querySelector("header").append(element("p", {}, description || ""));
  const filter = document.getElementById("filter");
  filter.addEventListener("input", () => show(filter.value));
  show("");
}

start().catch((error) => {
  document.getElementById("routes").textContent = "The document could not be loaded: " + error.message;
});
