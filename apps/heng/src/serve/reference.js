"use strict";
// Draws the OpenAPI document of this server. Everything shown is set as text, never as markup.
const el = (tag, text, attributes = {}) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
};
const put = (parent, ...children) => { parent.append(...children); return parent; };

function example(schema, components, depth = 0) {
  if (!schema || depth > 6) return null;
  if (schema.$ref) return example(components[schema.$ref.split("/").pop()], components, depth + 1);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples && schema.examples.length) return schema.examples[0];
  if (schema.enum) return schema.enum[0];
  const any = schema.oneOf || schema.anyOf || schema.allOf;
  if (any) return example(any.find((one) => one.type !== "null") || any[0], components, depth + 1);
  const type = Array.isArray(schema.type) ? schema.type.find((one) => one !== "null") : schema.type;
  if (type === "object") {
    const entries = Object.entries(schema.properties || {});
    return Object.fromEntries(entries.map(([name, one]) => [name, example(one, components, depth + 1)]));
  }
  if (type === "array") return [example(schema.items, components, depth + 1)];
  return { string: "…", integer: 0, number: 0, boolean: true }[type] ?? null;
}

function describe(schema) {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").pop();
  const type = Array.isArray(schema.type) ? schema.type.join(" or ") : schema.type || "";
  const bounds = ["enum", "pattern", "minimum", "maximum", "minLength", "maxLength", "default"]
    .filter((name) => schema[name] !== undefined)
    .map((name) => `${name} ${JSON.stringify(schema[name])}`);
  return [type, ...bounds].join(", ");
}

function curl(method, path, operation, body) {
  const parts = [`curl -sS -X ${method} "$HENG${path}"`];
  if (!operation.security) parts.push('-H "authorization: Bearer $TOKEN"');
  if (body !== undefined) parts.push("-H 'content-type: application/json'", `-d '${JSON.stringify(body)}'`);
  return parts.join(" \\\n  ");
}

function table(rows, heads) {
  const body = el("table");
  put(body, put(el("tr"), ...heads.map((head) => el("th", head))));
  rows.forEach((row) => put(body, put(el("tr"), ...row.map((cell) => el("td", cell)))));
  return body;
}

function draw(method, path, operation, components) {
  const section = el("section", undefined, { id: operation.operationId });
  const title = put(el("h3"), el("span", method, { class: `method ${method}` }), el("code", ` ${path}`));
  put(section, title, el("p", operation.summary || ""));
  if (operation.description) put(section, el("p", operation.description));
  if (operation["x-heng-action"]) put(section, el("p", `Needs the action ${operation["x-heng-action"]}.`));
  if (operation.parameters) {
    const rows = operation.parameters.map((one) =>
      [one.name + (one.required ? " *" : ""), one.in, describe(one.schema), one.description || ""]);
    put(section, table(rows, ["parameter", "in", "type", "meaning"]));
  }
  let body;
  const content = operation.requestBody && Object.values(operation.requestBody.content)[0];
  if (content) {
    body = content.example ?? example(content.schema, components);
    put(section, el("h4", "Body"), el("pre", JSON.stringify(body, null, 2)));
  }
  put(section, el("h4", "Example"), el("pre", curl(method, path, operation, body)), el("h4", "Answers"));
  const rows = Object.entries(operation.responses).map(([status, one]) => {
    const kinds = Object.entries(one.content || {}).map(([media, of]) => `${media} ${describe(of.schema)}`);
    return [status, one.description, kinds.join(", ")];
  });
  put(section, table(rows, ["status", "meaning", "content"]));
  const good = Object.entries(operation.responses).find(([status]) => status.startsWith("2"));
  const json = good && good[1].content && good[1].content["application/json"];
  if (json) put(section, el("pre", JSON.stringify(example(json.schema, components), null, 2)));
  return section;
}

async function start() {
  const answer = await fetch("/openapi.json");
  const document_ = await answer.json();
  const [main, list, find] = ["main", "list", "find"].map((id) => document.getElementById(id));
  const groups = new Map();
  for (const [path, methods] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      const tag = operation.tags[0];
      if (!groups.has(tag)) groups.set(tag, []);
      groups.get(tag).push([method.toUpperCase(), path, operation]);
    }
  }
  main.replaceChildren(el("h1", `${document_.info.title} API ${document_.info.version}`), el("p", document_.info.description));
  for (const [tag, operations] of [...groups].sort()) {
    put(list, el("h2", tag));
    put(main, el("h2", tag));
    for (const [method, path, operation] of operations) {
      const link = put(el("a", undefined, { href: `#${operation.operationId}`, title: operation.summary || "" }),
        el("span", method, { class: `method ${method}` }), ` ${path}`);
      link.dataset.words = `${method} ${path} ${operation.summary} ${operation.operationId}`.toLowerCase();
      put(list, link);
      put(main, draw(method, path, operation, document_.components.schemas));
    }
  }
  find.addEventListener("input", () => {
    const word = find.value.toLowerCase();
    for (const link of list.querySelectorAll("a")) link.hidden = !link.dataset.words.includes(word);
  });
  if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
}

start().catch((error) => { document.getElementById("main").textContent = `The document cannot be read: ${error}`; });
