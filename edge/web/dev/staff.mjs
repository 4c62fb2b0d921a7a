// Accounts, gifts and the ledger to try the staff's page and the studio's earnings against, with invented people. What it does
// not know it passes on to dev/rooms.mjs.
//
//   npm run build && node dev/rooms.mjs 8088 & node dev/staff.mjs 8089        then http://localhost:8089/admin
//
// Logins: "staff", "host" (broadcaster of demo), "ada" (nobody in particular); the password of all is "weir-weir". ROOMS=8088
// is where the rooms are, EMPTY=1 has nothing to show, BROKEN=1 has a ledger that does not add up, SLOW=ms delays every
// answer, OFF=1 has no accounts. A credit of 503 is done and not answered, the first time. Not shipped.

import { request as forward, createServer } from "node:http";
import { readFileSync } from "node:fs";
import { connect } from "node:net";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { admin } from "./staff-admin.mjs";
import { answer, Refusal, world } from "./staff-world.mjs";

const port = Number(process.argv[2] ?? 8089);
const rooms = Number(process.env.ROOMS ?? 8088);
const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.DIST ?? join(root, "dist");
const slow = Number(process.env.SLOW ?? 0);
const sessions = new Map();

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml" };
const SECURITY = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

const cookieOf = (request) => /(?:^|; )weir_refresh=([^;]+)/.exec(request.headers.cookie ?? "")?.[1];

function begin(user) {
  const refresh = Math.random().toString(36).slice(2);
  const access = `a-${Math.random().toString(36).slice(2)}`;
  sessions.set(refresh, user);
  sessions.set(access, user);
  const cookie = `weir_refresh=${refresh}; HttpOnly; SameSite=Strict; Path=/api/session`;
  return answer({ access_token: access, token_type: "Bearer", expires_in: 600, user: world.shown(user) }, 200, { "Set-Cookie": cookie });
}

function session(request, path, body) {
  if (path === "/api/session" && request.method === "POST") {
    const user = world.users.find(({ login }) => login === body.login);
    if (!user || body.password !== "weir-weir") throw new Refusal(401, "wrong-credentials", "login or password is wrong");
    if (user.state === "blocked") throw new Refusal(403, "blocked", "this account is blocked");
    return begin(user);
  }
  const user = sessions.get(cookieOf(request));
  sessions.delete(cookieOf(request));
  if (path === "/api/session/end") return answer(null, 204, { "Set-Cookie": "weir_refresh=; Max-Age=0; Path=/api/session" });
  if (!user) throw new Refusal(401, "signed-out", "nobody is signed in");
  return begin(user);
}

const whoIs = (request) => sessions.get(request.headers.authorization?.slice("Bearer ".length));

/** What a viewer or a broadcaster asks of a room; undefined is for the rooms. */
function room(request, url, body) {
  const [, , , name, what, more] = url.pathname.split("/");
  const user = whoIs(request);
  const mine = user && (user.roles.includes("staff") || user.rooms[name]?.includes("broadcaster"));
  const own = () => {
    if (!user) throw new Refusal(401, "sign-in", "sign in first");
    if (!mine) throw new Refusal(403, "forbidden", "this is the broadcaster's");
  };
  if (what === "gifts" && more === "latest") {
    own();
    return answer(world.page(world.gifts.filter((gift) => gift.room === name), url));
  }
  if (what === "gifts" && request.method === "GET") return answer({ items: world.items(name) });
  if (what === "earnings") {
    own();
    return answer(world.earnings(name));
  }
  if (what === "leaderboard") return answer(world.board(url.searchParams.get("period")));
  if (what !== "goal") return undefined;
  if (request.method === "PUT") {
    own();
    if (typeof body.title !== "string" || body.title.length > 80 || !(body.target > 0)) throw new Refusal(422, "bad-goal", "a goal has a title and a target");
    world.goal = { ...body, progress: 0, set_at_ms: Date.now() };
  } else if (request.method === "DELETE") {
    own();
    world.goal = null;
    return answer(null, 204);
  }
  if (!world.goal) throw new Refusal(404, "no-goal", "there is no goal");
  return answer(world.goal);
}

async function api(request, url, body) {
  const path = url.pathname;
  const ours = path.startsWith("/api/session") || path.startsWith("/api/me") || path.startsWith("/api/admin/");
  if (ours && process.env.OFF) throw new Refusal(404, "not-found", "there are no accounts here");
  if (path.startsWith("/api/session")) return session(request, path, body);
  if (path === "/api/me") {
    const user = whoIs(request);
    if (!user) throw new Refusal(401, "signed-out", "nobody is signed in");
    return answer(world.shown(user));
  }
  if (path.startsWith("/api/admin/")) {
    const user = whoIs(request);
    if (!user) throw new Refusal(401, "signed-out", "nobody is signed in");
    if (!user.roles.includes("staff")) throw new Refusal(403, "forbidden", "this is for staff");
    return admin(request, url, body);
  }
  return path.startsWith("/api/rooms/") ? room(request, url, body) : undefined;
}

function send(response, { status, body, headers = {}, lines }) {
  const type = lines ? "application/x-ndjson" : status < 400 ? "application/json" : "application/problem+json";
  response.writeHead(status, { ...(status === 204 ? {} : { "Content-Type": type }), "Cache-Control": "no-store", ...headers });
  response.end(lines ?? (status === 204 ? undefined : JSON.stringify(body)));
}

function pass(request, response, text) {
  const onward = forward({ port: rooms, path: request.url, method: request.method, headers: request.headers }, (got) => {
    response.writeHead(got.statusCode, got.headers);
    got.pipe(response);
  });
  onward.on("error", () => send(response, { status: 502, body: { detail: "node dev/rooms.mjs does not run" } }));
  onward.end(text);
}

const server = createServer(async (request, response) => {
  const url = new URL(request.url, "http://edge");
  let text = "";
  for await (const piece of request) text += piece;
  if (!url.pathname.startsWith("/api/")) {
    const file = url.pathname === "/admin" ? "admin.html" : url.pathname.startsWith("/assets/") ? normalize(url.pathname) : null;
    if (file === null) return pass(request, response, text);
    try {
      const bytes = readFileSync(join(dist, file));
      response.writeHead(200, { "Content-Type": TYPES[extname(file)] ?? "application/octet-stream", ...SECURITY });
      return response.end(bytes);
    } catch {
      return send(response, { status: 404, body: { detail: "no such page" } });
    }
  }
  try {
    if (slow > 0) await new Promise((resolve) => setTimeout(resolve, slow));
    const done = await api(request, url, text === "" ? {} : JSON.parse(text));
    return done === undefined ? pass(request, response, text) : send(response, done);
  } catch (error) {
    const { status = 400, code = "bad", message } = error;
    return send(response, { status, body: { type: "about:blank", title: "Refused", status, detail: message, code } });
  }
});
server.on("upgrade", (request, socket, head) => {
  const onward = connect(rooms, "127.0.0.1", () => {
    const fields = Object.entries(request.headers).map(([name, value]) => `${name}: ${value}`);
    onward.write(`${request.method} ${request.url} HTTP/1.1\r\n${fields.join("\r\n")}\r\n\r\n`);
    onward.write(head);
    onward.pipe(socket).pipe(onward);
  });
  onward.on("error", () => socket.destroy());
  socket.on("error", () => onward.destroy());
});
server.listen(port, () => console.log(`http://localhost:${port}/admin and /studio/demo`));
