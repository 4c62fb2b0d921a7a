// Gifts to try the pages against: a catalogue, giving, series, a leaderboard and a goal. `dev/rooms.mjs` says how. Not shipped.

import { entry, roomUser, wallet, whoHas } from "./accounts.mjs";

const WINDOW_MS = 3000;
const item = (id, name, price, emoji, tier, duration_ms) => ({ id, name, price, currency: "coin", animation: "", attrs: { emoji, tier, combo: tier === "huge" ? "no" : "yes", duration_ms: String(duration_ms) } });
export const ITEMS = [
  item("rose", "Rose", 1, "🌹", "small", 2000),
  item("heart", "Heart", 5, "💖", "small", 2000),
  item("coffee", "Coffee", 10, "☕", "small", 2000),
  item("clap", "Applause", 10, "👏", "small", 2000),
  item("cake", "Slice of birthday cake", 25, "🍰", "small", 2000),
  item("star", "Star", 50, "⭐", "small", 2000),
  item("bear", "Teddy bear", 100, "🧸", "big", 3000),
  item("guitar", "Guitar", 200, "🎸", "big", 3000),
  item("crown", "Crown", 500, "👑", "big", 3500),
  item("rocket", "Rocket", 1000, "🚀", "huge", 5000),
  item("castle", "Castle", 5000, "🏰", "huge", 6000),
];

/** `happen` puts a body into the room; `people` are those who give by themselves. */
export function makeGifts(happen, people) {
  const given = new Map();
  const points = { day: new Map(), all: new Map() };
  const combos = new Map();
  let goal = process.env.GOAL === "0" ? null : { title: "A new microphone", target: 3000, progress: 1840, set_at_ms: Date.now() };
  let trick = { what: "", left: 0 };
  let number = 0;

  const notice = (kind, payload) => happen({ type: "notice", id: `g-${++number}`, kind, text: "", payload: JSON.stringify(payload) });

  function show(sender, what, count, id = `gift-${++number}`, note) {
    const key = `${sender.id} ${what.id}`;
    const known = combos.get(key);
    clearTimeout(known?.timer);
    const combo = { id: known?.id ?? `combo-${++number}`, count: (known?.count ?? 0) + count, points: (known?.points ?? 0) + what.price * count };
    combo.timer = setTimeout(() => {
      combos.delete(key);
      notice("combo_end", { id: combo.id, sender: { id: sender.id, name: sender.name }, item: what.id, count: combo.count, points: combo.points });
    }, WINDOW_MS);
    if (what.attrs.combo === "yes") combos.set(key, combo);
    else clearTimeout(combo.timer);
    const { emoji, tier, duration_ms } = what.attrs;
    happen({
      type: "gift", id, sender, recipient: "room:demo", item: what.id, count, points: what.price * count, ...(note ? { note } : {}),
      ...(what.attrs.combo === "yes" ? { combo: { id: combo.id, count: combo.count, window_ms: WINDOW_MS } } : {}),
      animation: { asset: "", duration_ms: Number(duration_ms), layer: { small: 0, big: 1, huge: 2 }[tier], payload: JSON.stringify({ emoji, name: what.name, tier }) },
    });
    for (const board of Object.values(points)) board.set(sender.id, { user: { id: sender.id, name: sender.name }, points: (board.get(sender.id)?.points ?? 0) + what.price * count });
    if (goal) {
      const before = goal.progress;
      goal.progress += what.price * count;
      if (before < goal.target && goal.progress >= goal.target) {
        goal.reached_at_ms = Date.now();
        notice("goal_reached", { title: goal.title, target: goal.target });
      }
    }
  }

  function give(user, room, body, answer) {
    const known = given.get(`${user.id} ${body.client_id}`);
    if (known) return answer.json(200, { ...known, available: user.coins });
    const tricky = trick.left > 0 ? trick.what : "";
    trick.left -= 1;
    if (tricky === "429") return answer.problem(429, "too-many", "slow down", { retry_after_ms: 3000 });
    if (tricky === "403") return answer.problem(403, "banned", "you may not give here");
    if (tricky === "503") return answer.problem(503, "busy", "busy");
    const what = ITEMS.find(({ id }) => id === body.item);
    if (!what) return answer.problem(404, "unknown-gift", "no such gift");
    const total = what.price * body.count;
    if (total > user.coins || tricky === "402") return answer.problem(402, "insufficient", "too few coins");
    user.coins -= total;
    const state = tricky === "held" ? "held" : "given";
    const done = { id: `gift-${++number}`, state, total, currency: "coin" };
    given.set(`${user.id} ${body.client_id}`, done);
    if (state === "held") user.held += total;
    else {
      entry(user, "gift", -total, { gift: { id: done.id, room, item: what.id, count: body.count } });
      show(roomUser(user, room), what, body.count, done.id, body.note);
    }
    // The answer is lost once: the same client id comes again.
    if (tricky === "lost") return answer.drop();
    setTimeout(() => answer.json(201, { ...done, available: user.coins }), 60);
  }

  function board(period) {
    const all = [...points[period === "all" ? "all" : "day"].values()].sort((a, b) => b.points - a.points);
    return { period, entries: all.slice(0, 50).map((line, index) => ({ rank: index + 1, ...line })), total: all.reduce((sum, line) => sum + line.points, 0) };
  }

  // Something to see at once.
  for (const [index, person] of people.entries()) {
    const sum = Math.round(4000 / (index + 1));
    points.all.set(person.id, { user: { id: person.id, name: person.name }, points: sum });
    if (index % 2 === 0) points.day.set(person.id, { user: { id: person.id, name: person.name }, points: Math.round(sum / 7) });
  }

  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  const some = (rate, seconds, items = ITEMS.filter(({ attrs }) => attrs.tier === "small")) => {
    let owed = 0;
    const timer = setInterval(() => {
      for (owed += rate / 20; owed >= 1; owed -= 1) show(pick(people), Math.random() < 0.05 && rate > 5 ? pick(ITEMS) : pick(items), pick([1, 1, 1, 10]));
    }, 50);
    setTimeout(() => clearInterval(timer), seconds * 1000);
  };
  if (Number(process.env.GIFTS ?? 0) > 0) some(Number(process.env.GIFTS), 1e6);

  return {
    /** What somebody types as "!gifts 50 10", "!gift rocket", "!answer 429 3", "!goal". */
    trick(what) {
      const [name, first = "", second = ""] = what.split(" ");
      if (name === "gifts") some(Number(first || 50), Number(second || 10));
      else if (name === "gift") show(people[3], ITEMS.find(({ id }) => id === first) ?? ITEMS[0], Number(second || 1));
      else if (name === "answer") trick = { what: first, left: Number(second || 1) };
      else if (name === "goal" && goal) show(people[3], { ...ITEMS[5], price: goal.target - goal.progress }, 1);
      else return false;
      return true;
    },
    async http(request, url, answer, bodyOf) {
      const [, , , room, what] = url.pathname.split("/");
      const user = whoHas((request.headers.authorization ?? "").replace("Bearer ", ""));
      const rules = user !== undefined && roomUser(user, room).roles.some((role) => ["moderator", "broadcaster", "staff"].includes(role));
      switch (`${request.method} ${what}`) {
        case "GET gifts":
          return process.env.GIFTS === "0" ? answer.problem(404, "not-found", "no gifts here") : answer.json(200, { items: ITEMS });
        case "POST gifts": {
          const body = await bodyOf(request);
          return user === undefined ? answer.problem(401, "sign-in", "sign in") : give(user, room, body, answer);
        }
        case "GET leaderboard":
          return answer.json(200, board(url.searchParams.get("period") ?? "day"));
        case "GET goal":
          return goal ? answer.json(200, goal) : answer.problem(404, "no-goal", "none");
        case "PUT goal": {
          const body = await bodyOf(request);
          if (!rules) return answer.problem(403, "forbidden", "not yours");
          goal = { title: body.title, target: body.target, progress: 0, set_at_ms: Date.now() };
          notice("goal", { title: goal.title, target: goal.target, progress: 0 });
          return answer.json(200, goal);
        }
        case "DELETE goal":
          if (!rules) return answer.problem(403, "forbidden", "not yours");
          goal = null;
          notice("goal", {});
          return answer.empty();
        default:
          return false;
      }
    },
    wallet,
  };
}
