// The invented people, gifts and money of dev/staff.mjs. Not shipped.

import { ITEMS } from "./gifts.mjs";

export class Refusal extends Error {
  constructor(status, code, detail) {
    super(detail);
    Object.assign(this, { status, code });
  }
}

export const answer = (body, status = 200, headers = {}) => ({ status, body, headers });

const NAMES = ["Ada", "Jun", "ياسمين", "小林同学", "Tom", "Eva 🌻", "Kai Ångström", "Ivy", "נועה", "Marek", "Sofía", "dan_the_extraordinarily_long_named_person"];
const DAY = 86_400_000;
let seed = 7;
const chance = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
const hex = (n) => Array.from({ length: n }, () => Math.floor(chance() * 16).toString(16)).join("");
const user = (login, name, roles = [], rooms = {}) => ({ id: `u-${hex(32)}`, login, name, roles, rooms, created_at_ms: Date.now() - Math.floor(chance() * 300 * DAY), state: "active" });
const empty = Boolean(process.env.EMPTY);

const users = [
  user("staff", "Robin of the team", ["staff"]),
  user("host", "Marta Oliveira", [], { demo: ["broadcaster"], walks: ["moderator", "broadcaster"] }),
  user("ada", "Ada", ["verified"], { demo: ["moderator"] }),
  ...Array.from({ length: 57 }, (_, n) => user(`${["viewer", "guest", "river", "night"][n % 4]}.${n + 10}`, NAMES[n % NAMES.length])),
];
users[7].state = "blocked";
if (empty) users.splice(3);

const balances = new Map();
const transfers = [];
const move = (id, debit, credit, amount, currency, kind, reference, at_ms, reverses = null) => {
  transfers.push({ seq: transfers.length + 1, batch: transfers.length + 1, at_ms, id, debit, credit, amount, currency: `${currency}s`, kind, reference, reverses });
  balances.set(debit, (balances.get(debit) ?? 0) - amount);
  balances.set(credit, (balances.get(credit) ?? 0) + amount);
};
for (const { id } of users) move(`topup/${id}`, "coin:topup", `coin:${id}`, 20_000, "coin", "topup", id, Date.now() - 40 * DAY);

function pay({ id, sender, room, total }, at_ms) {
  move(`${id}/1`, `coin:${sender.id}`, "coin:filter:gifts", total, "coin", "gift", id, at_ms);
  if (total > 1) move(`${id}/2`, "diamond:filter:gifts:issue", `diamond:room:${room}`, Math.floor(total / 2), "diamond", "gift", id, at_ms);
}

const gifts = [];
for (let n = 0; n < (empty ? 0 : 140); n += 1) {
  const sender = users[3 + Math.floor(chance() * 30)];
  const item = ITEMS[Math.min(ITEMS.length - 1, Math.floor(chance() ** 2.2 * ITEMS.length))];
  const count = item.attrs.tier === "small" ? 1 + Math.floor(chance() * 12) : 1;
  const total = item.price * count;
  const at_ms = Date.now() - Math.floor((140 - n) ** 1.7 * 60_000);
  const state = n % 37 === 11 || n === 138 ? "held" : n % 29 === 5 ? "refunded" : n % 41 === 9 ? "rejected" : "given";
  const id = `g-${hex(24)}`;
  gifts.unshift({ id, seq: n + 1, at_ms, room: n % 9 === 4 ? "walks" : "demo", sender: { id: sender.id, name: sender.name }, item: item.id, count, total, points: total, state, ...(chance() < 0.2 ? { note: "for the heron at the bridge, you have made my evening" } : {}) });
  if (state === "given" || state === "refunded") pay(gifts[0], at_ms);
}

export const world = {
  users,
  gifts,
  transfers,
  move,
  pay,
  balance: (id) => balances.get(id),
  accounts: balances,
  goal: empty ? null : { title: "A longer walk on Sunday", target: 25_000, progress: 16_480, set_at_ms: Date.now() - DAY },
  reports: empty
    ? []
    : [
        { room: "demo", review: { id: "r-1", kind: "held", message: { id: "m-1", author: { id: users[6].id, name: users[6].name, roles: [], level: 0 }, kind: "text", text: "cheap coins at https://example.com/coins, thank me later", attrs: [] }, reason: "links", by: "" } },
        { room: "demo", review: { id: "r-2", kind: "report", message: { id: "m-2", author: { id: users[9].id, name: users[9].name, roles: [], level: 0 }, kind: "text", text: "you people have no idea what you are talking about and should leave", attrs: [] }, reason: "rude, third time today", by: users[4].id } },
        { room: "walks", review: { id: "r-3", kind: "report", message: { id: "m-3", author: { id: users[12].id, name: users[12].name, roles: [], level: 0 }, kind: "text", text: "مرحبا بكم جميعا", attrs: [] }, reason: "spam", by: users[5].id } },
      ],
  shown: ({ state, ...rest }) => rest,
  wallet: (id) => ({ balance: balances.get(`coin:${id}`) ?? 0, available: (balances.get(`coin:${id}`) ?? 0) - (id === users[5].id ? 499 : 0), held: id === users[5].id ? 499 : 0 }),
  items: (room) => (empty || room === "quiet" ? [] : ITEMS),
  page(all, url) {
    const before = Number(url.searchParams.get("before") ?? Infinity);
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const items = all.filter(({ seq }) => seq < before).slice(0, limit);
    return { items, next: items.length === limit ? items.at(-1).seq : null };
  },
  board(period) {
    const points = new Map();
    for (const { sender, points: more, at_ms, state } of gifts) {
      if (state === "given" && (period !== "day" || Date.now() - at_ms < DAY)) points.set(sender.id, { user: sender, points: (points.get(sender.id)?.points ?? 0) + more });
    }
    const entries = [...points.values()].sort((a, b) => b.points - a.points).slice(0, 50);
    return { period, entries: entries.map((entry, index) => ({ rank: index + 1, ...entry })), total: entries.reduce((all, entry) => all + entry.points, 0) };
  },
  earnings(room) {
    const days = Array.from({ length: 30 }, (_, n) => {
      const swell = empty ? 0 : Math.max(0, Math.round(900 + 800 * Math.sin(n / 3) + (n % 7 === 5 ? 2600 : 0) - (n % 11 === 3 ? 2000 : 0)));
      return { day: new Date(Date.now() - (29 - n) * DAY).toISOString().slice(0, 10), gifts: Math.round(swell / 70), coins: swell * 2, diamonds: swell };
    });
    return { currency: "diamond", balance: balances.get(`diamond:room:${room}`) ?? 0, days };
  },
};
