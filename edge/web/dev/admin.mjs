// An admin listener to try the operators' page against: the built page, and figures from the tests' fixtures that move.
//
//   npm run build && node dev/admin.mjs [PORT]        then http://localhost:PORT/filters
//
// Tokens: "operator" for the registry, "node" for one of the wrong role, "edge" for admin.token. The case is chosen in the
// address of the page, and kept: /filters?case=empty, off, away. Not shipped.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

const port = Number(process.argv[2] ?? 9443);
const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.DIST ?? join(root, "dist");
const fixture = (name) => JSON.parse(readFileSync(join(root, "src/lib/filters/fixtures", `${name}.json`), "utf8"));
const host = fixture("host");
const status = fixture("status");
const overview = fixture("overview");
const audit = fixture("audit").records;
const logs = fixture("logs").lines;
const began = Date.now();
const FROZEN = overview.now_unix_ms;
let mode = "";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const SECURITY = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

/** Times of the fixtures, brought up to now. */
function moved(value, key = "") {
  if (Array.isArray(value)) return value.map((item) => moved(item));
  if (value !== null && typeof value === "object") return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, moved(v, k)]));
  return typeof value === "number" && key.endsWith("unix_ms") && key !== "started_unix_ms" ? value - FROZEN + Date.now() : value;
}

/** Lets the counters of what serves run, with a swell. */
function tick() {
  const seconds = (Date.now() - began) / 1000;
  for (const filter of Object.values(host.filters)) {
    if (!filter.enabled) continue;
    for (const version of filter.versions) {
      const pace = { [filter.active]: 1, [filter.canary]: 0.05 }[version.id] ?? (version.shadow ? 0.5 : 0);
      for (const hook of version.hooks) {
        const calls = Math.round((60 + 25 * Math.sin(seconds / 9) + 10 * Math.random()) * pace);
        hook.calls += calls;
        const [most] = Object.keys(hook.decisions);
        if (most) hook.decisions[most] += calls;
        hook.p99_us = Math.max(1, Math.round(hook.p99_us * (1 + (Math.random() - 0.5) * 0.04)));
      }
    }
  }
}
setInterval(tick, 1000).unref();

function json(response, code, body) {
  const type = code < 400 ? "application/json" : "application/problem+json";
  response.writeHead(code, { "Content-Type": type, "Cache-Control": "no-store" });
  response.end(JSON.stringify(body));
}

function refuse(response, code, detail, more = {}) {
  json(response, code, { type: "about:blank", title: "Refused", status: code, detail, ...more });
}

function record(action, fields) {
  overview.generation += 1;
  audit.push({ seq: audit.at(-1).seq + 1, at_unix_ms: FROZEN + Date.now() - began, actor: "maria", peer: null, generation: overview.generation, action, ...fields });
}

function change(name, what, body, response) {
  const wanted = overview.filters[name]?.desired;
  const node = host.filters[name];
  if (wanted === undefined) return refuse(response, 404, `there is no filter ${name}`);
  const version = overview.filters[name].versions.find((known) => known.id === body.version);
  if (what === "activate" && Object.keys(version.rejected_on).length > 0) {
    const [[who, rejection]] = Object.entries(version.rejected_on);
    return refuse(response, 422, `${who} refused this version`, { ...rejection, node: who });
  }
  if (what === "activate" && body.percent < 100) {
    wanted.canary = { version: body.version, percent: body.percent };
    Object.assign(node, { canary: body.version, canary_percent: body.percent });
  } else if (what === "activate") {
    Object.assign(wanted, { previous: wanted.active, active: body.version, canary: null });
    Object.assign(node, { previous: node.active, active: body.version, canary: null, canary_percent: null, taken_back: [] });
  } else if (what === "rollback" && wanted.canary !== null) {
    wanted.canary = null;
    Object.assign(node, { canary: null, canary_percent: null, watched: null });
  } else if (what === "rollback") {
    Object.assign(wanted, { active: wanted.previous, previous: null });
    Object.assign(node, { active: wanted.active, previous: null, taken_back: [] });
  } else if (what === "shadow") {
    wanted.shadow = node.shadow = body.version;
  } else {
    wanted.enabled = node.enabled = body.enabled;
  }
  const number = version?.number ?? null;
  const action = { activate: "activated", rollback: "rolled-back", shadow: "shadowed", enabled: "enabled-set" }[what];
  record(action, { filter: name, ...body, number, reason: body.reason ?? "" });
  return json(response, 200, { generation: overview.generation, changed: true });
}

function registry(request, response, path, url, body) {
  if (mode === "away") return refuse(response, 502, "the registry cannot be reached");
  const token = request.headers.authorization?.slice("Bearer ".length);
  if (token === "node") return refuse(response, 403, 'token "edges" does not open this: role "operator" is needed');
  if (token !== "operator") return refuse(response, 401, "a bearer token of this registry is needed");
  if (path === "/v1/filters") {
    return json(response, 200, mode === "empty" ? { ...moved(overview), filters: {} } : moved(overview));
  }
  if (path === "/v1/filters/audit") {
    const after = Number(url.searchParams.get("after") ?? 0);
    return json(response, 200, { records: moved(audit.filter((entry) => entry.seq > after).slice(0, 500)) });
  }
  const [, , , name, what] = path.split("/");
  return change(name, what, body, response);
}

function node(request, response, path, url, body) {
  if (path === "/v1/status") {
    const agent = mode === "away" ? { ...status.filters.agent, connected: false, problem: "https://origin-1:8447: connection refused" } : status.filters.agent;
    return json(response, 200, { ...status, filters: { enabled: mode !== "off", agent: mode === "off" ? null : agent } });
  }
  if (mode === "off") return refuse(response, 404, "this edge runs no filters (filters.enabled)");
  if (path === "/v1/node/filters") return json(response, 200, mode === "empty" ? { ...host, filters: {} } : moved(host));
  const [, , , , name, what] = path.split("/");
  if (what === "logs") {
    const after = Number(url.searchParams.get("after") ?? 0);
    const lines = name === "auth" ? moved(logs.filter((line) => line.number > after)) : [];
    return json(response, 200, { lines, next: lines.at(-1)?.number ?? after });
  }
  if (request.headers.authorization !== "Bearer edge") return refuse(response, 401, "this needs the bearer token admin.token of this edge");
  const filter = host.filters[name];
  const from = filter.active;
  Object.assign(filter, { active: filter.previous, previous: null, taken_back: [from] });
  return json(response, 200, { from, to: filter.active, reason: body.reason });
}

function page(response, path) {
  const file = path === "/filters" ? "admin/filters.html" : normalize(path);
  try {
    const content = readFileSync(join(dist, file));
    response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", ...SECURITY });
    response.end(content);
  } catch {
    refuse(response, 404, "there is no such page");
  }
}

createServer(async (request, response) => {
  const url = new URL(request.url, "http://localhost");
  const path = url.pathname;
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  const text = Buffer.concat(chunks).toString();
  const body = text === "" ? {} : JSON.parse(text);
  if (path === "/filters" && url.searchParams.has("case")) mode = url.searchParams.get("case");
  if (path === "/v1/filters" || path.startsWith("/v1/filters/")) return registry(request, response, path, url, body);
  return path.startsWith("/v1/") ? node(request, response, path, url, body) : page(response, path);
}).listen(port, "127.0.0.1", () => console.log(`http://localhost:${port}/filters`));
