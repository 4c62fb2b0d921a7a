// An edge's rooms to try the pages against: the built pages, a room with invented people, and the JSON protocol.
//
//   npm run build && node dev/rooms.mjs [PORT]        then http://localhost:PORT/watch/demo
//
// RATE=20 messages a second, CROWD=10000 viewers, MEDIA=folder with index.m3u8 (served as /live/demo/, re-read on each
// request), SSE=1 refuses WebSockets, OFF=1 has no rooms. Tokens: `#token=mod` is a moderator, `#token=host` the
// broadcaster. What one types can play tricks: "!gap", "!reset", "!hole", "!drop", "!slow", "!kick", "!held", "!reject",
// "!mute", "!lose" (no answer to the next message), "!notice"; of gifts "!gifts 50 10" (50 a second for 10 s), "!gift rocket",
// "!goal" (reaches it), and "!answer 429 3" (to the next three gifts: 402, 403, 429, 503, held, lost). Who can sign in
// `accounts.mjs` says; ACCOUNTS=0 has no accounts, GIFTS=0 no gifts, GIFTS=5 that many a second. Not shipped.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { WebSocketServer } from "ws";
import { accounts, leftOf, roomUser, whoHas } from "./accounts.mjs";
import { makeGifts } from "./gifts.mjs";

const port = Number(process.argv[2] ?? 8088);
const root = fileURLToPath(new URL("..", import.meta.url));
const dist = process.env.DIST ?? join(root, "dist");
const media = process.env.MEDIA ?? "";
const RATE = Number(process.env.RATE ?? 0.5);
const CROWD = Number(process.env.CROWD ?? 0);
const WINDOW = 400;
const TICK_MS = 100;
const began = Date.now();

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".m3u8": "application/vnd.apple.mpegurl", ".m4s": "video/mp4", ".mp4": "video/mp4", ".ts": "video/mp2t" };
const SECURITY = {
  "Content-Security-Policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

// People and what they say

const user = (id, name, ...roles) => ({ id, name, roles, level: 0 });
const PEOPLE = [
  user("u-host", "Marta Oliveira", "broadcaster", "verified"),
  user("u-mod", "Jun", "moderator"),
  user("u-bot", "weirbot", "bot"),
  user("u-ada", "Ada", "subscriber", "vip"),
  user("u-yas", "ياسمين", "subscriber"),
  user("u-wei", "小林同学"),
  user("u-dan", "dan_the_extraordinarily_long_named_person_of_the_internet"),
  user("u-eva", "Eva 🌻"),
  user("u-noa", "נועה"),
  user("u-tom", "Tom", "vip"),
  user("u-ivy", "Ivy"),
  user("u-kai", "Kai Ångström"),
];
const SAYINGS = [
  "good evening from Lisbon 👋", "the light is lovely tonight", "what lens is that?", "hello everyone", "مساء الخير جميعًا، الصورة رائعة اليوم",
  "这个角度真好看", "@Ada did you see the heron?", "lol", "first time here, how often do you stream?", "היי לכולם!", "🎉🎉🎉",
  "the map is at https://example.org/walks/river?day=3 if anyone wants to follow along", "that bridge is older than it looks, they rebuilt it after the flood of 1967 with the same stones",
  "can you go a bit closer to the water please", "W", "same", "is that the old mill?", "so calm", "Grüße aus Köln", "el sonido es increíble", "👏👏", "brb tea",
];
const pick = (list) => list[Math.floor(Math.random() * list.length)];

// The room

let epoch = Date.now();
let seq = 0;
let number = 0;
let window_ = [];
let frame = [];
let settings = { slow_mode_ms: 0, restrict: [], chat_per_second_max: 0, attrs: [] };
let pinned = null;
let sanctions = {};
let reviews = [];
let likes = 1234;
let burst = 0;
let version = 1;
let members = new Map(PEOPLE.slice(0, 9).map(({ id, name, roles }) => [id, { id, name, roles }]));
let moves = { joined: [], left: [], changed: [] };
let trick = "";
const taken = new Map();
const clients = new Set();
const guests = new Map();

const isMod = (who) => who.roles.some((role) => ["moderator", "broadcaster", "staff"].includes(role));
const message = (author, text, more = {}) => ({ id: `edge-1.${++number}`, author, kind: "text", text, ...more });
const publicBody = (body) => {
  if (body.type === "review") return { type: "void" };
  if (body.type !== "moderation") return body;
  if (["shadow_ban", "shadow_unban", "approve", "dismiss"].includes(body.act.type)) return { type: "void" };
  const { actor, ...rest } = body;
  return rest;
};

function happen(body) {
  const event = { seq: ++seq, at_ms: Date.now(), body };
  if (body.type === "moderation") apply(body.act);
  frame.push(event);
  return event;
}

function say(author, text, more) {
  const said = message(author, text, more);
  return { event: happen({ type: "message", ...said }), said };
}

const takes = (act) => (said) => act.type === "clear" || (act.type === "delete_message" ? said.id === act.id : act.type === "delete_user" && said.author.id === act.user);

function apply(act) {
  const known = (id) => (sanctions[id] ??= {});
  if (["clear", "delete_message", "delete_user"].includes(act.type)) {
    for (const event of [...window_, ...frame]) if (event.body.type === "message" && takes(act)(event.body)) event.body = { type: "void" };
    if (pinned && takes(act)(pinned)) pinned = null;
  }
  if (act.type === "timeout") known(act.user).silenced = { type: "timeout", until_ms: (act.until_ms = Date.now() + act.seconds * 1000) };
  if (act.type === "ban") known(act.user).silenced = { type: "ban" };
  if (act.type === "unban") delete known(act.user).silenced;
  if (act.type === "shadow_ban") known(act.user).shadow = true;
  if (act.type === "shadow_unban") delete known(act.user).shadow;
  for (const [id, all] of Object.entries(sanctions)) if (Object.keys(all).length === 0) delete sanctions[id];
  if (act.type === "pin") pinned = act.message;
  if (act.type === "unpin") pinned = null;
  if (act.type === "approve" || act.type === "dismiss") reviews = reviews.filter(({ id }) => id !== act.id);
  if (act.type === "settings") {
    const { attrs = [], ...rest } = act.patch;
    const changed = new Set(attrs.map(({ key }) => key));
    settings = { ...settings, ...rest, attrs: [...settings.attrs.filter(({ key }) => !changed.has(key)), ...attrs.filter(({ value }) => value !== "")] };
  }
}

function flush() {
  if (frame.length === 0) return;
  const events = frame;
  frame = [];
  window_ = [...window_, ...events].slice(-WINDOW);
  for (const client of clients) if (client.welcomed) client.frame(events);
}

function review(kind, said, reason, by = "") {
  const body = { type: "review", id: `r-${++number}`, kind, message: said, reason, by };
  reviews.push({ id: body.id, kind, message: said, reason, by });
  happen(body);
}

// STATE

const audience = () => {
  const all = [...members.values()];
  return CROWD > 0 ? { type: "crowd", top: all } : { type: "everybody", members: all };
};
const figures = () => ({ version, likes, sampled: 0, users: CROWD + members.size, connections: CROWD + members.size + 1 });
const whole = () => ({ type: "state", ...figures(), audience: audience(), leaderboard: [{ id: "u-ada", name: "Ada", points: 30 }] });

function enter(who) {
  if (members.has(who.id)) return;
  const member = { id: who.id, name: who.name, roles: who.roles };
  members.set(who.id, member);
  moves.joined.push(member);
}
function leave(id) {
  if (members.delete(id)) moves.left.push(id);
}

setInterval(() => {
  if (Math.random() < 0.15) Math.random() < 0.5 ? enter(pick(PEOPLE.slice(4))) : leave(pick(PEOPLE.slice(4)).id);
  const cheers = Math.random() < 0.4 ? Math.ceil(Math.random() * (CROWD > 0 ? 60 : 3)) : 0;
  likes += cheers;
  burst += cheers;
  version += 1;
  const same = moves.joined.length + moves.left.length === 0;
  const change = CROWD > 0 ? { type: "crowd", joined: moves.joined } : { type: "moves", ...moves };
  const state = { type: "change", ...figures(), burst, audience: same ? { type: "same" } : change };
  burst = 0;
  moves = { joined: [], left: [], changed: [] };
  for (const client of clients) if (client.welcomed) client.send(state);
}, 500);

let owed = 0;
setInterval(() => {
  owed += (RATE * TICK_MS) / 1000;
  for (; owed >= 1; owed -= 1) {
    const author = pick(PEOPLE);
    const last = [...window_].reverse().find(({ body }) => body.type === "message");
    const reply = Math.random() < 0.12 && last ? { reply_to: last.body.id } : {};
    Math.random() < 0.04 ? say(author, "waves at the camera", { kind: "emote" }) : say(author, pick(SAYINGS), reply);
  }
  flush();
}, TICK_MS);

for (const [index, text] of SAYINGS.slice(0, Number(process.env.HISTORY ?? 14)).entries()) say(PEOPLE[index % PEOPLE.length], text);
happen({ type: "notice", id: "n-1", kind: "system", text: "The stream is live.", payload: "" });
flush();
const gifts = makeGifts(happen, PEOPLE.slice(3));

// One connection

class Client {
  constructor(who, write, end) {
    Object.assign(this, { who, write, end, welcomed: false, holdMs: 0, waiting: [], mod: isMod(who) });
    clients.add(this);
  }
  send(body) {
    this.write(body);
  }
  you(session) {
    const anonymous = this.who.id === "";
    this.send({ type: "you", user: this.who, ...(session ? { session } : {}), server_ms: Date.now(), heartbeat_ms: 20000, can: [...(anonymous ? [] : ["speak"]), ...(this.mod ? ["moderate"] : [])] });
  }
  hello(resume, holdMs, forced = false) {
    this.holdMs = holdMs;
    const first = window_[0]?.seq ?? seq + 1;
    const complete = !forced && resume?.epoch === epoch && resume.seq + 1 >= first && resume.seq <= seq;
    const next = complete ? resume.seq + 1 : first;
    const snapshot = { settings, ...(pinned ? { pinned } : {}), ...(this.mod ? { sanctions, reviews } : {}) };
    const sanction = sanctions[this.who.id]?.silenced;
    const recovery = complete ? "complete" : resume || forced ? "not_recovered" : "fresh";
    this.send({ type: "welcome", version: 1, epoch, seq, next, recovery, ...(complete ? {} : { snapshot }), ...(sanction ? { sanction } : {}) });
    this.welcomed = true;
    this.send(whole());
    const missed = window_.filter((event) => event.seq >= next && event.seq <= seq - frame.length);
    if (missed.length > 0) this.frame(missed, 0);
    if (this.who.id !== "") enter(this.who);
  }
  frame(events, holdMs = this.holdMs) {
    const deliver = () => {
      const shown = events.map((event) => (this.mod ? event : { ...event, body: publicBody(event.body) }));
      this.send({ type: "events", epoch, at_ms: Date.now(), first: events[0].seq, last: events.at(-1).seq, events: shown });
    };
    holdMs > 0 ? setTimeout(deliver, holdMs) : deliver();
  }
  ack(client_id, outcome) {
    this.send({ type: "ack", client_id, outcome });
  }
  take(said) {
    if (said.type === "hello") return this.hello(said.resume, said.hold_ms);
    if (said.type === "ping") return this.send({ type: "pong", nonce: said.nonce, server_ms: Date.now() });
    if (said.type === "hold") this.holdMs = said.hold_ms;
    if (said.type === "like") [likes, burst] = [likes + said.count, burst + said.count];
    if (said.type === "publish") this.publish(said);
    if (said.type === "act") this.act(said);
  }
  publish({ client_id, text, reply_to }) {
    const refuse = (code, more = {}) => this.ack(client_id, { type: "refused", code, ...more });
    const reject = (code, words, more = {}) => this.ack(client_id, { type: "rejected", code, message: words, ...more });
    if (this.who.id === "") return refuse("forbidden");
    const key = `${this.who.id} ${client_id}`;
    if (taken.has(key)) return this.ack(client_id, taken.get(key));
    if (trick === "lose") return void (trick = "");
    const { silenced } = sanctions[this.who.id] ?? {};
    if (silenced?.type === "ban") return refuse("banned");
    if (silenced && silenced.until_ms > Date.now()) return refuse("timed_out", { retry_after_ms: silenced.until_ms - Date.now() });
    if (settings.restrict.length > 0 && !this.mod && !settings.restrict.some((role) => this.who.roles.includes(role))) return refuse("restricted");
    if (!this.mod && settings.slow_mode_ms > 0 && Date.now() - (this.spokeMs ?? 0) < settings.slow_mode_ms) {
      return reject("slow-mode", "Slow mode is on.", { retry_after_ms: settings.slow_mode_ms - (Date.now() - this.spokeMs) });
    }
    if (text.startsWith("!")) return this.tricks(text.slice(1), client_id, reject);
    if (text.startsWith("/me ")) return this.accept(key, client_id, text.slice(4), { kind: "emote" });
    if (text === "/help") return reject("done", "/me <text>, /report <message id> [reason], /help");
    if (text.startsWith("/report")) {
      const reported = window_.find(({ body }) => body.type === "message" && body.id === (text.split(" ")[1] ?? reply_to));
      if (reported) review("report", { ...reported.body, type: undefined }, text.split(" ").slice(2).join(" ") || "spam", this.who.id);
      return reported ? reject("done", "Thank you. A moderator will look at it.") : reject("bad-command", "There is no such message.");
    }
    if (text.startsWith("/")) return reject("unknown-command", `There is no command ${text.split(" ")[0]}.`);
    if (text.includes("badword")) return reject("blocked-word", "That word is not wanted here.");
    this.accept(key, client_id, text, reply_to ? { reply_to } : {});
  }
  accept(key, client_id, text, more) {
    this.spokeMs = Date.now();
    const mentions = [...text.matchAll(/@(\S+)/g)].map(([, name]) => name);
    const attrs = mentions.length > 0 ? { attrs: [{ key: "mentions", value: JSON.stringify(mentions) }] } : {};
    if (sanctions[this.who.id]?.shadow) {
      const said = message(this.who, text, { ...more, ...attrs });
      this.ack(client_id, { type: "accepted", id: said.id });
      return this.send({ type: "own", at_ms: Date.now(), message: said });
    }
    const { event, said } = say(this.who, text, { ...more, ...attrs });
    const outcome = { type: "accepted", seq: event.seq, id: said.id };
    taken.set(key, outcome);
    setTimeout(() => this.ack(client_id, outcome), 40);
  }
  tricks(what, client_id, reject) {
    if (gifts.trick(what)) return reject("done", `Did "${what}".`);
    // Answered first: what has no answer is sent again, and would play its trick again.
    if (["drop", "slow", "kick"].includes(what)) reject("done", `Does "${what}".`);
    switch (what) {
      case "gap": {
        flush();
        const from = seq + 1;
        for (let n = 0; n < 7; n++) say(PEOPLE[3], `missed ${n}`);
        window_.push(...frame);
        for (const other of clients) if (other.welcomed) other === this ? this.send({ type: "gap", from, to: seq, messages: 7 }) : other.frame(frame);
        frame = [];
        break;
      }
      case "hole":
        flush();
        say(PEOPLE[3], "nobody told of this one");
        window_.push(...frame);
        frame = [];
        say(PEOPLE[3], "after the hole");
        break;
      case "reset":
        epoch = Date.now();
        window_.forEach((event, index) => (event.seq = index + 1));
        frame = [];
        seq = window_.length;
        for (const other of clients) if (other.welcomed) other.hello(null, other.holdMs, true);
        break;
      case "drop":
        return this.end(1006);
      case "slow":
        this.send({ type: "close", code: "draining", retry_after_ms: 4000 });
        return this.end(4001);
      case "kick":
        this.send({ type: "close", code: "removed" });
        return this.end(4010);
      case "held":
        review("held", message(this.who, "a message that waits"), "words");
        return this.ack(client_id, { type: "held" });
      case "reject":
        return reject("made-up", "The filter says this in its own words.");
      case "mute":
        happen({ type: "moderation", reason: "trying it", act: { type: "timeout", user: this.who.id, seconds: 30, until_ms: 0 } });
        break;
      case "lose":
        trick = "lose";
        break;
      case "notice":
        this.send({ type: "notice", notice: { id: `n-${++number}`, kind: "welcome", text: `Welcome, ${this.who.name}! Be kind to each other.`, payload: "" } });
        break;
    }
    reject("done", `Did "${what}".`);
  }
  act({ client_id, act, reason }) {
    const refuse = (code) => this.ack(client_id, { type: "refused", code });
    if (!this.mod) return refuse("forbidden");
    if (act.type === "pin") {
      const found = window_.find(({ body }) => body.type === "message" && body.id === act.id);
      if (!found) return refuse("unknown_message");
      act.message = found.body;
    }
    const open = reviews.find(({ id }) => id === act.id);
    if (act.type === "approve" && open?.kind === "held") happen({ type: "message", ...open.message });
    const event = happen({ type: "moderation", actor: this.who.id, reason, act });
    this.ack(client_id, { type: "accepted", seq: event.seq, id: "" });
  }
  gone() {
    clients.delete(this);
    if (this.who.id !== "" && ![...clients].some((other) => other.who.id === this.who.id)) leave(this.who.id);
  }
}

function whoIs(request, url) {
  const room = url.pathname.split("/")[3] ?? "";
  const token = request.headers.authorization?.slice("Bearer ".length) ?? url.searchParams.get("token") ?? "";
  return { mod: PEOPLE[1], host: PEOPLE[0] }[token] ?? guests.get(token) ?? (whoHas(token) ? roomUser(whoHas(token), room) : user("", ""));
}

// HTTP

function json(response, code, body, headers = {}) {
  const type = code < 400 ? "application/json" : "application/problem+json";
  response.writeHead(code, { "Content-Type": type, "Cache-Control": "no-store", ...headers });
  response.end(JSON.stringify(body));
}
const refuse = (response, status, detail, more = {}) => json(response, status, { type: "about:blank", title: "Refused", status, detail, ...more });

/** How `accounts.mjs` and `gifts.mjs` answer. */
const answerOf = (response) => ({
  json: (status, body, headers) => json(response, status, body, headers),
  problem: (status, code, detail, more = {}) => refuse(response, status, detail, { code, ...more }),
  empty: () => response.writeHead(204).end(),
  drop: () => response.destroy(),
});

async function bodyOf(request) {
  let text = "";
  for await (const piece of request) text += piece;
  return JSON.parse(text);
}

function file(response, path, headers = {}) {
  try {
    const bytes = readFileSync(path);
    response.writeHead(200, { "Content-Type": TYPES[extname(path)] ?? "application/octet-stream", ...headers });
    response.end(bytes);
  } catch {
    refuse(response, 404, "no such file");
  }
}

async function guest(request, response, url) {
  const { name } = await bodyOf(request);
  if (typeof name !== "string" || name.trim().length < 2 || name.length > 40) return refuse(response, 400, "no name", { code: "bad-name" });
  const mine = whoIs(request, url);
  const others = [...PEOPLE, ...guests.values()].filter(({ id }) => id !== mine.id);
  if (others.some((other) => other.name.toLowerCase() === name.trim().toLowerCase())) return refuse(response, 409, "taken", { code: "name-taken" });
  const who = user(mine.id || `g-${Math.random().toString(36).slice(2, 10)}`, name.trim());
  const token = `guest-${Math.random().toString(36).slice(2)}`;
  guests.set(token, who);
  json(response, 201, { token, user: { id: who.id, name: who.name }, expires_at_ms: Date.now() + 3600_000 });
}

const sessions = new Map();

function events(request, response, url) {
  response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  const session = Math.random().toString(36).slice(2);
  const client = new Client(whoIs(request, url), (body) => response.write(`data: ${JSON.stringify(body)}\n\n`), () => response.end());
  sessions.set(session, client);
  const [at, last] = (url.searchParams.get("resume") ?? "").split(".").map(Number);
  client.you(session);
  client.hello(at > 0 ? { epoch: at, seq: last } : null, Number(url.searchParams.get("hold_ms") ?? 0));
  const beat = setInterval(() => response.write(": beat\n\n"), 20_000);
  response.on("close", () => {
    clearInterval(beat);
    sessions.delete(session);
    client.gone();
  });
}

async function rooms(request, response, url) {
  const [, , , room, what] = url.pathname.split("/");
  if (process.env.OFF || room === "none") return refuse(response, 404, "no rooms here");
  if (what === "events") return events(request, response, url);
  if (what === "messages") {
    const client = sessions.get(url.searchParams.get("session"));
    const said = await bodyOf(request);
    if (!client) return refuse(response, 404, "no such session");
    response.writeHead(202).end();
    return client.take(said);
  }
  if ((await gifts.http(request, url, answerOf(response), bodyOf)) !== false) return;
  if (what === undefined) return json(response, 200, { name: room, connections: CROWD + members.size });
  return refuse(response, 426, "a WebSocket is wanted");
}

const server = createServer((request, response) => {
  const url = new URL(request.url, "http://edge");
  const { pathname } = url;
  const page = { "/": "index.html", "/watch": "watch.html", "/studio": "studio.html" };
  const [, first, stream] = pathname.split("/");
  if (pathname === "/api/streams") {
    const viewers = process.env.OFF ? {} : { viewers: CROWD + members.size };
    const demo = { name: "demo", title: "An evening walk along the river", started_at: new Date(began - 4 * 60_000).toISOString(), width: 1280, height: 720, fps: 30, renditions: [{ name: "720p" }, { name: "360p" }], ...viewers };
    json(response, 200, { streams: [demo] });
  } else if (pathname === "/api/guests" && request.method === "POST") {
    guest(request, response, url).catch(() => refuse(response, 400, "no JSON"));
  } else if (first === "api" && stream !== "rooms") {
    accounts(request, url, answerOf(response), bodyOf)
      .then((answered) => (answered === false ? refuse(response, 404, "no such thing") : undefined))
      .catch(() => refuse(response, 400, "no JSON"));
  } else if (first === "api") {
    rooms(request, response, url).catch(() => refuse(response, 400, "no JSON"));
  } else if (first === "live") {
    media !== "" && stream === "demo" ? file(response, join(media, normalize(pathname.slice("/live/demo".length))), { "Cache-Control": "no-store" }) : refuse(response, 404, "not live");
  } else if (pathname === "/" || ((first === "watch" || first === "studio") && stream)) {
    file(response, join(dist, page[first === "" ? "/" : `/${first}`]), { ...SECURITY, "Cache-Control": "no-cache" });
  } else {
    file(response, join(dist, normalize(pathname)), SECURITY);
  }
});

const sockets = new WebSocketServer({ noServer: true, handleProtocols: (offered) => (offered.has("weir.room.v1.json") ? "weir.room.v1.json" : false) });
server.on("upgrade", (request, socket, head) => {
  const url = new URL(request.url, "http://edge");
  if (process.env.SSE || process.env.OFF || !/^\/api\/rooms\/[^/]+\/socket$/.test(url.pathname) || url.pathname.includes("/none/")) {
    return socket.end("HTTP/1.1 404 Not Found\r\nConnection: close\r\n\r\n");
  }
  sockets.handleUpgrade(request, socket, head, (opened) => {
    const write = (body) => opened.readyState === 1 && opened.send(JSON.stringify(body));
    const client = new Client(whoIs(request, url), write, (code) => (code === 1006 ? opened.terminate() : opened.close(code)));
    client.you();
    const left = leftOf(url.searchParams.get("token"));
    if (left !== null) setTimeout(() => opened.close(4011), left);
    opened.on("message", (data) => client.take(JSON.parse(data.toString())));
    opened.on("close", () => client.gone());
  });
});
server.listen(port, () => console.log(`http://localhost:${port}/watch/demo and /studio/demo#token=host`));
