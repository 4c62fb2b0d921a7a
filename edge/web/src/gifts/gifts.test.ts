import { describe, expect, it } from "vitest";
import { grouped, joined, parseBalance, parsePage } from "../account/wallet";
import { hasKey } from "../i18n";
import { type Gift, parseGift } from "../room/gift";
import { parseBoard } from "./board";
import { inOrder, lookOf, parseCatalogue } from "./catalogue";
import { isOver, tapped, untapped } from "./combo";
import { gave, GOAL_FORM, NO_GOAL, noticed, parseGoal, reachedBy, share, told } from "./goal";
import { FramePace } from "./pace";
import { Seen } from "./seen";
import { parseGiven } from "./sender";
import { type Show, ShowQueue, SHOWS_MAX } from "./shows";
import { emptyTray, nextMs, settled, type Tray, trayAfter, trayEnded, withSlots } from "./tray-state";

const ANN = { id: "u-ann", name: "Ann", roles: [], level: 0 };
const gift = (more: object = {}, sender = ANN): Gift => parseGift({ id: "g", item: "rose", count: 1, points: 10, ...more }, sender);

describe("catalogue", () => {
  const rose = { id: "rose", name: "Rose", price: 10, currency: "coin", attrs: { emoji: "🌹", tier: "small", combo: "yes", duration_ms: "1500" } };
  it("takes what can be shown and paid for", () => {
    const items = parseCatalogue({ items: [rose, rose, { ...rose, id: "x", price: 0 }, { ...rose, id: "y", currency: "diamond" }, { ...rose, id: "z", price: 1.5 }, null, 7] });
    expect(items).toEqual([{ id: "rose", name: "Rose", price: 10, emoji: "🌹", tier: "small", combo: true, durationMs: 1500 }]);
    expect([parseCatalogue(null), parseCatalogue({ items: "x" })]).toEqual([[], []]);
  });

  it("distrusts what an item looks like", () => {
    const [item] = parseCatalogue({ items: [{ id: "odd", price: 1, currency: "coin", attrs: { emoji: "<b>not one at all</b>", tier: "giant", combo: "no" } }] });
    expect(item).toEqual({ id: "odd", name: "odd", price: 1, emoji: "🎁", tier: "small", combo: false, durationMs: 0 });
  });

  it("is in order of tier and price", () => {
    const items = parseCatalogue({ items: [["c", "huge", 5], ["a", "small", 9], ["b", "small", 2]].map(([id, tier, price]) => ({ id, price, currency: "coin", attrs: { tier } })) });
    expect(inOrder(items).map(({ id }) => id)).toEqual(["b", "a", "c"]);
  });

  it("knows what a gift looks like that the event does not describe", () => {
    const items = new Map(parseCatalogue({ items: [rose] }).map((item) => [item.id, item]));
    expect(lookOf(gift(), items)).toEqual({ emoji: "🌹", name: "Rose", tier: "small", durationMs: 1500 });
    const described = gift({ animation: { duration_ms: 99_999, payload: '{"emoji":"👑","name":"Crown","tier":"big"}' } });
    expect(lookOf(described, items)).toEqual({ emoji: "👑", name: "Crown", tier: "big", durationMs: 15_000 });
    expect(lookOf(gift({ item: "unknown", animation: { payload: "no json" } }), items).emoji).toBe("🎁");
  });
});

describe("own combo", () => {
  it("counts while the window is open", () => {
    const one = tapped(null, "rose", 1, 3000, 0);
    const two = tapped(one, "rose", 10, 3000, 3000);
    expect([two.total, two.taps, isOver(two, 6000), isOver(two, 6001)]).toEqual([11, 2, false, true]);
    expect(tapped(two, "rose", 1, 3000, 6001).total).toBe(1);
    expect(tapped(two, "cake", 1, 3000, 3100)).toMatchObject({ item: "cake", total: 1 });
  });

  it("goes back where a tap was not taken", () => {
    const two = tapped(tapped(null, "rose", 1, 3000, 0), "rose", 1, 3000, 1);
    expect([untapped(two, "rose", 1)?.total, untapped(two, "rose", 2), untapped(two, "cake", 1)?.total]).toEqual([1, null, 2]);
  });
});

describe("seen", () => {
  it("is true the first time, and remembers so many", () => {
    const seen = new Seen(2);
    expect(["a", "a", "b", "c", "a"].map((id) => seen.add(id))).toEqual([true, false, true, true, true]);
  });
});

describe("pace", () => {
  it("is slow after many long frames, well again after many short ones, and takes no pause for a frame", () => {
    const pace = new FramePace();
    let nowMs = 0;
    const play = (frames: number, ms: number): boolean => {
      for (let frame = 0; frame < frames; frame += 1) {
        pace.frame((nowMs += ms));
      }
      return pace.isSlow;
    };
    expect([play(60, 16), play(3, 120), play(40, 60)]).toEqual([false, false, true]);
    pace.pause();
    expect([play(1, 900), play(5, 16), play(80, 16)]).toEqual([true, true, false]);
  });
});

describe("shows", () => {
  const show = (sender: string, item: string, tier: Show["tier"] = "small", count = 1): Show => ({ tier, item, emoji: "🌹", name: item, sender, senderId: sender, count, durationMs: 0 });

  it("come in order of their tier, and of one sender and item as one", () => {
    const queue = new ShowQueue();
    [show("a", "rose"), show("b", "bear", "big"), show("a", "rose", "small", 10), show("b", "rose")].forEach((one) => queue.push(one, 0));
    expect([queue.take("huge", 0), queue.take("big", 0)?.item, queue.take("small", 0)?.count, queue.take("small", 0)?.sender, queue.take("small", 0)]).toEqual([null, "bear", 11, "b", null]);
  });

  it("are bounded: small ones merge, and are counted still", () => {
    const queue = new ShowQueue();
    for (let n = 0; n < 500; n += 1) {
      queue.push(show(`u${n}`, n % 2 === 0 ? "rose" : "cake"), 0);
    }
    expect(queue.length).toBe(SHOWS_MAX);
    let count = 0;
    for (let one = queue.take("small", 0); one !== null; one = queue.take("small", 0)) {
      count += one.count;
    }
    expect(count).toBe(500);
  });

  it("keep the dear ones when there are too many", () => {
    const queue = new ShowQueue(4);
    ["a", "b", "c", "d"].forEach((sender) => queue.push(show(sender, "rose"), 0));
    ["e", "f"].forEach((sender) => queue.push(show(sender, "castle", "huge"), 0));
    ["g", "h", "i"].forEach((sender) => queue.push(show(sender, "bear", "big"), 0));
    expect([queue.length, queue.count("huge"), queue.count("big")]).toEqual([4, 2, 2]);
    queue.push(show("j", "castle", "huge"), 0);
    queue.push(show("k", "rose"), 0);
    expect([queue.length, queue.count("huge"), queue.count("big"), queue.count("small")]).toEqual([4, 3, 1, 0]);
  });

  it("are not played when their moment is long over", () => {
    const queue = new ShowQueue();
    queue.push(show("a", "castle", "huge"), 0);
    queue.push(show("b", "bear", "big"), 0);
    queue.push(show("c", "bear", "big"), 15_000);
    queue.push(show("d", "rose"), 15_000);
    expect([queue.take("big", 21_000)?.sender, queue.take("small", 26_000), queue.take("huge", 26_000)?.sender, queue.length]).toEqual(["c", null, "a", 0]);
  });
});

describe("tray", () => {
  const look = { emoji: "🌹", name: "Rose" };
  const combo = (id: string, count: number, more: object = {}): Gift => gift({ combo: { id, count, window_ms: 3000 }, ...more });
  const slots = (tray: Tray): unknown[] => tray.slots.map((run) => (run === null ? null : [run.key, run.total]));

  it("grows a series in its slot, and ends it when the room says so", () => {
    let tray = trayAfter(emptyTray(2), combo("c", 1), look, 0);
    tray = trayAfter(tray, combo("c", 2, { count: 10 }), look, 1000);
    expect(slots(tray)).toEqual([["c", 11], null]);
    expect(slots(settled(tray, 5000))).toEqual([["c", 11], null]);
    tray = trayEnded(tray, "c", 4000);
    expect([nextMs(tray), slots(settled(tray, 5200))]).toEqual([5200, [null, null]]);
    expect(slots(settled(trayAfter(emptyTray(1), combo("c", 1), look, 0), 4500))).toEqual([null]);
  });

  it("knows how long a series is that it sees the middle of", () => {
    expect(slots(trayAfter(emptyTray(1), combo("c", 7), look, 0))).toEqual([["c", 7]]);
  });

  it("lets the dearest wait for a slot", () => {
    let tray = trayAfter(emptyTray(1), combo("a", 1), look, 0);
    tray = trayAfter(tray, combo("b", 1, { points: 5 }), look, 10);
    tray = trayAfter(tray, combo("c", 1, { points: 500 }), look, 20);
    expect([slots(tray), tray.waiting.map(({ key }) => key)]).toEqual([[["a", 1]], ["c", "b"]]);
    expect(slots(settled(trayEnded(tray, "a", 100), 1300))).toEqual([["c", 1]]);
  });
});

describe("tray on a phone that is turned", () => {
  const look = { emoji: "🌹", name: "Rose" };
  const full = ["a", "b", "c", "d"].reduce((tray, id, at) => trayAfter(tray, gift({ combo: { id, count: 1, window_ms: 3000 }, points: 10 + at }), look, 0), emptyTray(4));
  const keys = (tray: Tray): unknown[] => [tray.slots.map((run) => run?.key ?? null), tray.waiting.map(({ key }) => key)];

  it("lets a series that has no place any more wait for one, and come back", () => {
    const upright = withSlots(full, 3, 100);
    expect([keys(full), keys(upright)]).toEqual([[["a", "b", "c", "d"], []], [["a", "b", "c"], ["d"]]]);
    expect(keys(settled(trayEnded(upright, "b", 200), 1500))).toEqual([["a", "d", "c"], []]);
    expect([keys(withSlots(upright, 4, 300)), withSlots(upright, 3, 300) === upright]).toEqual([[["a", "b", "c", "d"], []], true]);
  });
});

describe("goal", () => {
  const goal = parseGoal({ title: "Mic", target: 100, progress: 40, set_at_ms: 1 });
  const begun = told(NO_GOAL, goal, 1000);

  it("is counted on from what the edge said, by gifts that came since", () => {
    const after = gave(gave(gave(begun, 10, 1000), 20, 1001), 5, 999);
    expect([after.goal?.progress, share({ ...goal!, progress: 250 })]).toEqual([60, 1]);
    expect(noticed(after, '{"title":"Mic","target":100,"progress":70}', 2000).goal?.progress).toBe(70);
    expect([noticed(after, "{}", 2000).goal, noticed(after, "nonsense", 1).goal, parseGoal({ target: -1 })]).toEqual([null, null, null]);
  });

  it("is reached and celebrated when the room says so, once, and not because of what is counted here", () => {
    const crossed = gave(begun, 90, 2000);
    expect([crossed.goal?.progress, crossed.goal?.reached]).toEqual([130, false]);
    const notice = '{"title":"Mic","target":100}';
    const first = reachedBy(crossed, notice, 2500);
    expect([first.celebrates, first.state.goal?.reached, reachedBy(first.state, notice, 2600).celebrates]).toEqual([true, true, false]);
    expect([reachedBy(begun, notice, 1500).celebrates, reachedBy(NO_GOAL, notice, 1).state.goal?.title, reachedBy(NO_GOAL, "{}", 1).celebrates]).toEqual([true, "Mic", false]);
  });

  it("is what the edge says again when it is asked again, and the notice that comes in step with the picture still counts", () => {
    const drifted = gave(begun, 30, 2000);
    const refunded = told(drifted, parseGoal({ title: "Mic", target: 100, progress: 40 }), 3000);
    const asked = told(refunded, parseGoal({ title: "Mic", target: 100, progress: 100, reached_at_ms: 7 }), 4000);
    expect([refunded.goal?.progress, asked.goal?.reached, reachedBy(asked, '{"title":"Mic","target":100}', 3900).celebrates]).toEqual([40, true, true]);
  });

  it("is not what an answer says that is older than what the room has told", () => {
    const set = noticed(NO_GOAL, '{"title":"Mic","target":100,"progress":0}', 2000);
    expect([told(set, null, 1900).goal?.title, told(set, null, 2000).goal]).toEqual(["Mic", null]);
    const { state } = reachedBy(set, '{"title":"Mic","target":100}', 3000);
    expect(told(state, parseGoal({ title: "Mic", target: 100, progress: 90 }), 2900).goal?.reached).toBe(true);
  });

  it("has a title of as many bytes as the origin takes; what is wrong is said at its field", () => {
    const { about, body, check } = GOAL_FORM;
    const wrong = [{ title: "目".repeat(40), target: "5" }, { title: "目".repeat(41), target: "5" }, { title: "x".repeat(120), target: "0" }].map(check);
    expect([wrong, about["long-title"], about["out-of-range"], about["bad-target"]]).toEqual([[null, "long-title", "bad-target"], "title", "title", "target"]);
    expect([body({ title: " Mic ", target: "500" }), parseGoal({ title: "x".repeat(120), target: 5 })?.title.length]).toEqual(['{"title":"Mic","target":500}', 120]);
    // There are words for what the page finds.
    expect([hasKey("problem.long_title"), hasKey("problem.bad_target")]).toEqual([true, true]);
  });

  it("that is set anew is celebrated anew", () => {
    const notice = '{"title":"Mic","target":100,"progress":0}';
    const anew = noticed(reachedBy(begun, notice, 1500).state, notice, 2000);
    expect([anew.goal?.reached, reachedBy(anew, notice, 2500).celebrates]).toEqual([false, true]);
  });
});

describe("answers", () => {
  it("of the leaderboard are places", () => {
    expect(parseBoard({ period: "day", entries: [{ rank: 1, user: { id: "u", name: "U" }, points: 5 }, {}], total: 9 })).toEqual({
      places: [{ rank: 1, id: "u", name: "U", points: 5 }, { rank: 2, id: "", name: "", points: 0 }],
      total: 9,
    });
    expect(parseBoard("x")).toEqual({ places: [], total: 0 });
  });

  it("of a gift say what became of it, though nobody knows what is left", () => {
    const given = { id: "g", state: "given", total: 10, currency: "coin", available: 90 };
    expect(parseGiven(given)).toEqual({ id: "g", state: "given", available: 90 });
    expect(parseGiven({ ...given, state: "held", available: null })).toEqual({ id: "g", state: "held", available: null });
    expect([parseGiven({ ...given, state: "lost" }), parseGiven(null)]).toEqual([null, null]);
  });

  it("of the wallet are coins and lines, each once", () => {
    expect([parseBalance({ balance: 9, available: 7, held: 2 }), parseBalance({})]).toEqual([{ balance: 9, available: 7, held: 2 }, null]);
    const page = parsePage({ items: [{ seq: 2, at_ms: 5, kind: "gift", amount: -20, gift: { id: "g", room: "demo", item: "rose", count: 2 } }, { seq: 1, kind: "topup", amount: 5 }], next: 1 });
    expect(grouped(page.lines)).toHaveLength(2);
    expect([page.lines[0]?.item, page.lines[1]?.item, page.next, joined(page.lines, page).lines.length]).toEqual(["rose", "", 1, 2]);
  });

  it("of the wallet are read as one line where they are the same in a row", () => {
    const line = (seq: number, at_ms: number, item: string, kind = "gift"): object => ({ seq, at_ms, kind, amount: -10, gift: { room: "demo", item, count: 1 } });
    const { lines } = parsePage({ items: [line(9, 200_000, "rose"), line(8, 150_000, "rose"), line(7, 80_000, "rose"), line(6, 79_000, "cake"), line(5, 78_000, "cake", "refund"), line(4, 78_000, "cake", "refund")] });
    expect(grouped(lines).map(({ item, kind, amount, count }) => [item, kind, amount, count])).toEqual([
      ["rose", "gift", -20, 2], ["rose", "gift", -10, 1], ["cake", "gift", -10, 1], ["cake", "refund", -10, 1], ["cake", "refund", -10, 1],
    ]);
  });
});
