// `/api/admin` of dev/staff.mjs. Not shipped.

import { answer, Refusal, world } from "./staff-world.mjs";

const done = new Map();

function users(request, url, body, [id, what, role]) {
  const { method } = request;
  if (id === undefined) {
    const login = url.searchParams.get("login") ?? "";
    const after = url.searchParams.get("after") ?? "";
    const limit = Number(url.searchParams.get("limit") ?? 50);
    const all = world.users.filter((user) => user.login.startsWith(login)).sort((a, b) => (a.login < b.login ? -1 : 1)).filter((user) => user.login > after);
    const page = all.slice(0, limit);
    return answer({ users: page, next: all.length > limit ? page.at(-1).login : null });
  }
  const user = world.users.find((known) => known.id === id);
  if (!user) throw new Refusal(404, "unknown-user", "there is no such user");
  if (what === undefined && method === "DELETE") {
    world.users.splice(world.users.indexOf(user), 1);
    return answer(null, 204);
  }
  if (what === undefined) return answer({ ...user, wallet: world.wallet(id) });
  if (what === "block") user.state = "blocked";
  if (what === "unblock") user.state = "active";
  if (what === "password" && body.password === "12345678") throw new Refusal(422, "common-password", "this password is among those that everybody tries first");
  if (what === "export") return answer({ user, wallet: world.wallet(id), gifts: world.gifts.filter(({ sender }) => sender.id === id) });
  if (what === "roles") {
    const room = url.searchParams.get("room");
    if (room === null) user.roles = change(user.roles, role, method);
    else user.rooms = { ...user.rooms, [room]: change(user.rooms[room] ?? [], role, method) };
    return answer(user);
  }
  if (what === "credits") return credit(request, user, body);
  return answer(null, 204);
}

const change = (roles, role, method) => [...roles.filter((known) => known !== role), ...(method === "PUT" ? [role] : [])];

function credit(request, user, { amount, note }) {
  const key = request.headers["idempotency-key"];
  if (!key) throw new Refusal(400, "no-key", "Idempotency-Key is missing");
  if (done.has(key)) return answer(done.get(key));
  if (world.wallet(user.id).available + amount < 0) throw new Refusal(409, "insufficient", `${user.name} has ${world.wallet(user.id).available} coins, so ${-amount} cannot be taken back`);
  const [debit, to] = amount > 0 ? ["coin:topup", `coin:${user.id}`] : [`coin:${user.id}`, "coin:topup"];
  world.move(`credit/${key}`, debit, to, Math.abs(amount), "coin", "adjustment", note, Date.now());
  done.set(key, { transfer: `credit/${key}`, balance: world.wallet(user.id).balance });
  if (amount === 503) throw new Refusal(503, "busy", "the ledger does not answer");
  return answer(done.get(key), 201);
}

function gifts(request, url, body, [id, what]) {
  if (id === undefined) {
    const [room, state] = [url.searchParams.get("room"), url.searchParams.get("state")];
    return answer(world.page(world.gifts.filter((gift) => (!room || gift.room === room) && (!state || gift.state === state)), url));
  }
  const gift = world.gifts.find((known) => known.id === id);
  if (!gift) throw new Refusal(404, "unknown-gift", "there is no such gift");
  if (what === undefined) {
    return answer({ ...gift, transfers: world.transfers.filter(({ reference }) => reference === id), signals: gift.state === "held" ? ["velocity", "new-account"] : [] });
  }
  if (what === "refund") {
    if (gift.state !== "given") throw new Refusal(409, "not-given", `this gift is ${gift.state}, and cannot be refunded`);
    for (const { id: paid, debit, credit: to, amount, currency } of world.transfers.filter(({ reference }) => reference === id)) world.move(`${paid}/back`, to, debit, amount, currency.slice(0, -1), "refund", id, Date.now(), paid);
    gift.state = "refunded";
    return answer(null, 204);
  }
  if (gift.state !== "held") throw new Refusal(409, "not-held", `this gift is ${gift.state} already`);
  gift.state = what === "approve" ? "given" : "rejected";
  if (what === "approve") world.pay(gift, Date.now());
  return answer(null, 204);
}

async function ledger(request, url, [what, id, more]) {
  const summed = (currency) => [...world.accounts].filter(([account]) => account.startsWith(`${currency}:`));
  const issued = (currency) => summed(currency).reduce((all, [, balance]) => all + Math.max(0, balance), 0);
  if (what === "summary") return answer({ currencies: ["coin", "diamond"].map((currency) => ({ currency, issued: issued(currency), accounts: summed(currency).length })), outbox_waiting: process.env.BROKEN ? 214 : 0, batches: world.transfers.length });
  if (what === "verify") {
    await new Promise((resolve) => setTimeout(resolve, 2500));
    const differences = process.env.BROKEN
      ? [{ sum: { currency: "coins", sum: 40 } }, { balance: { account: `coin:${world.users[2].id}`, stored: 20_040, computed: 20_000 } }, { gap: { sequence: "transfers", last: 118, found: 120 } }]
      : [];
    const sums = ["coin", "diamond"].map((currency) => ({ currency: `${currency}s`, accounts: summed(currency).length, sum: process.env.BROKEN && currency === "coin" ? 40 : 0 }));
    return answer({ ok: differences.length === 0, accounts: world.accounts.size, holds_open: 1, batches: world.transfers.length, transfers: world.transfers.length, messages_pending: 0, sums, differences, more: 0 });
  }
  if (what === "export") return { status: 200, lines: world.transfers.map((transfer) => JSON.stringify({ transfer })).join("\n") };
  const account = decodeURIComponent(id);
  if (world.balance(account) === undefined) throw new Refusal(404, "unknown-account", "there is no such account");
  if (more === "history") {
    const { items, next } = world.page(world.transfers.filter(({ debit, credit: to }) => debit === account || to === account).reverse(), url);
    return answer({ transfers: items, next });
  }
  const balance = world.balance(account);
  return answer({ id: account, currency: `${account.split(":")[0]}s`, overdraft: balance < 0, balance, held: 0 });
}

export async function admin(request, url, body) {
  const [, , , area, ...rest] = url.pathname.split("/");
  if (area === "users") return users(request, url, body, rest);
  if (area === "gifts") return gifts(request, url, body, rest);
  if (area === "ledger") return ledger(request, url, rest);
  if (area === "reports" && rest.length === 0) return answer({ reports: world.reports });
  if (area === "reports") {
    const before = world.reports.length;
    world.reports = world.reports.filter(({ room, review }) => room !== rest[0] || review.id !== rest[1]);
    if (world.reports.length === before) throw new Refusal(404, "unknown-review", "somebody else has seen to it already");
    return answer(null, 204);
  }
  throw new Refusal(404, "not-found", "there is nothing of this name");
}
