import { describe, expect, it } from "vitest";
import * as golden from "./golden";
import { type Act, parseServerMessage, type Publish, type ServerMessage } from "./protocol";
import { hasSeen, SEEN_IDS_MIN, type SeenIds, withSeen } from "./seen-ids";
import { EMPTY, expired, isFull, LINES_MAX, moved, PENDING_MAX, reduce, sent, type Timeline, unanswered, withdrawn } from "./timeline";

const NOW = 1_795_000_000_000;
const EPOCH = 1_794_990_000_000;

function parse(json: string): ServerMessage {
  const message = parseServerMessage(json);
  if (message === null) {
    throw new Error(`no message: ${json}`);
  }
  return message;
}

function after(timeline: Timeline, ...messages: (string | ServerMessage)[]): Timeline {
  return messages.reduce<Timeline>((before, message) => reduce(before, typeof message === "string" ? parse(message) : message, NOW), timeline);
}

function frame(first: number, texts: readonly (string | Act)[], epoch = EPOCH): ServerMessage {
  const events = texts.map((what, index) => {
    const seq = first + index;
    const said = { type: "message", id: `m-${seq}`, author: { id: "u-bob", name: "Bob" }, kind: "text", text: what };
    return { seq, at_ms: NOW + seq, body: typeof what === "string" ? said : { type: "moderation", act: what } };
  });
  return parse(JSON.stringify({ type: "events", epoch, at_ms: NOW, first, last: first + texts.length - 1, events }));
}

const you = parse(JSON.stringify({ type: "you", user: golden.ADA, server_ms: NOW, heartbeat_ms: 20_000, can: ["speak"] }));
/** At position 90, with nothing of history left to come. */
const begun = after(EMPTY, you, golden.WELCOME_FRESH.replace('"next":41', '"next":91'));
const publish = (client_id: string, text = "good evening 👋"): Publish => ({ type: "publish", client_id, kind: "text", text, reply_to: null, media_ms: null });
const shown = (timeline: Timeline): readonly string[] => timeline.lines.map((line) => (line.type === "message" ? line.message.text : line.type));

describe("timeline", () => {
  it("shows history and applies none of it", () => {
    const timeline = after(EMPTY, golden.WELCOME_FRESH, golden.EVENTS);
    expect(timeline.position).toEqual({ epoch: EPOCH, seq: 59 });
    expect(shown(timeline)).toEqual(["good evening 👋", "gift", "notice", "act", "act", "act", "act", "act", "act", "act"]);
    expect(timeline.settings.slow_mode_ms).toBe(0);
    expect(timeline.sanctions).toEqual({});
  });

  it("applies what comes after the snapshot", () => {
    const timeline = after(EMPTY, golden.WELCOME_FRESH.replace('"seq":90', '"seq":40'), golden.EVENTS);
    expect(shown(timeline)).toEqual(["gift", "notice", "act", "act", "act", "act", "act", "act", "act"]);
    expect(timeline.settings).toEqual({ slow_mode_ms: 5000, restrict: ["subscriber"], chat_per_second_max: 20, attrs: [{ key: "emote_only", value: "on" }] });
    expect(timeline.sanctions).toEqual({});
    expect(timeline.pinned).toBeNull();
  });

  it("takes nothing twice", () => {
    const once = after(begun, frame(91, ["a", "b"]));
    expect(after(once, frame(91, ["a", "b"]))).toEqual(once);
    expect(shown(after(once, frame(91, ["a", "b", "c"])))).toEqual(["a", "b", "c"]);
  });

  it("ignores frames of another life of the room", () => {
    expect(after(begun, frame(91, ["a"], EPOCH + 1))).toBe(begun);
    expect(after(EMPTY, frame(1, ["a"]))).toBe(EMPTY);
  });

  it("tells of gaps, as one where they follow each other", () => {
    const before = { ...begun, position: { epoch: EPOCH, seq: 29 } };
    const timeline = after(before, golden.GAP, golden.EVENTS_DROPPED);
    expect(timeline.lines[0]).toMatchObject({ type: "gap", messages: 12 });
    expect(shown(timeline)).toEqual(["gap", "gift"]);
    expect(timeline.position?.seq).toBe(43);
    expect(after(timeline, golden.GAP)).toBe(timeline);
    expect(after(before, golden.GAP.replace("11", "0")).lines).toEqual([]);
  });

  it("asks again where there is a hole, and once only", () => {
    const holed = after(begun, frame(95, ["e"]));
    expect(holed).toMatchObject({ hole: true, lines: [], position: { seq: 90 } });
    const again = after(holed, golden.WELCOME_COMPLETE.replace('"next":41', '"next":91'), frame(95, ["e"]));
    expect(again.hole).toBe(false);
    expect(shown(again)).toEqual(["gap", "e"]);
  });

  it("goes on after a complete recovery", () => {
    const before = after(begun, frame(91, ["a"]));
    const welcome = golden.WELCOME_COMPLETE.replace('"next":41', '"next":92');
    const timeline = after(before, welcome, frame(92, ["b", { type: "clear" }, "c"]));
    expect(shown(timeline)).toEqual(["c", "act"].reverse());
    expect(timeline.sanction).toEqual({ type: "ban" });
  });

  it("begins anew when it was not recovered", () => {
    const before = after(begun, frame(91, ["a", "b"]));
    const timeline = after(before, golden.WELCOME_NOT_RECOVERED);
    expect(shown(timeline)).toEqual(["gap"]);
    expect(timeline).toMatchObject({ position: { epoch: EPOCH, seq: 40 }, historyTo: 90 });
    expect(timeline.pinned?.id).toBe("edge-1.17");
    expect(timeline.sanctions["u-troll"]).toEqual({ silenced: { type: "timeout", until_ms: 1_795_000_600_000 }, shadow: true });
    expect(timeline.sanction).toEqual({ type: "timeout", until_ms: 1_795_000_600_000 });
    const other = after(before, golden.WELCOME_NOT_RECOVERED.replace("1794990000000", "1794990000009"), frame(41, ["x"], EPOCH + 9));
    expect(shown(other)).toEqual(["gap", "x"]);
  });

  it("deletes, also what it does not have", () => {
    const before = after(begun, frame(91, ["a", "b"]));
    expect(shown(after(before, frame(93, [{ type: "delete_message", id: "m-91" }])))).toEqual(["b"]);
    expect(after(before, frame(93, [{ type: "delete_message", id: "long-gone" }])).lines).toBe(before.lines);
    expect(shown(after(before, frame(93, [{ type: "delete_user", user: "u-bob" }])))).toEqual([]);
  });

  it("takes a pin away with its message", () => {
    const message = parse(golden.OWN);
    const pin = { type: "pin", id: "edge-1.17", message: message.type === "own" ? message.message : null } as const;
    const pinned = after(begun, frame(91, [pin]));
    expect(pinned.pinned?.text).toBe("good evening 👋");
    expect(after(pinned, frame(92, [{ type: "delete_user", user: "u-ada" }])).pinned).toBeNull();
    expect(after(pinned, frame(92, [{ type: "delete_user", user: "u-bob" }])).pinned).not.toBeNull();
  });

  it("keeps sanctions, and knows its own", () => {
    const timed = after(begun, frame(91, [{ type: "timeout", user: "u-ada", seconds: 60, until_ms: NOW + 60_000 }]));
    expect(timed.sanction).toEqual({ type: "timeout", until_ms: NOW + 60_000 });
    const shadowed = after(timed, frame(92, [{ type: "unban", user: "u-ada" }, { type: "shadow_ban", user: "u-x" }]));
    expect(shadowed.sanction).toBeNull();
    expect(shadowed.sanctions).toEqual({ "u-x": { silenced: null, shadow: true } });
    expect(after(shadowed, frame(94, [{ type: "shadow_unban", user: "u-x" }])).sanctions).toEqual({});
  });

  it("opens and closes reviews", () => {
    const event = { seq: 91, at_ms: NOW, body: { type: "review", id: "r-1", kind: "held", message: { id: "h", author: golden.ADA, kind: "text", text: "hm" }, reason: "words", by: "" } };
    const opened = after(begun, JSON.stringify({ type: "events", epoch: EPOCH, first: 91, last: 91, events: [event] }));
    expect(opened.reviews).toMatchObject([{ id: "r-1", kind: "held", reason: "words" }]);
    expect(after(opened, frame(92, [{ type: "dismiss", id: "r-1" }]))).toMatchObject({ reviews: [], lines: [] });
  });

  it("is bounded", () => {
    let timeline = begun;
    for (let at = 0; at < 3 * LINES_MAX; at += 50) {
      timeline = after(timeline, frame(91 + at, Array.from({ length: 50 }, (_, index) => String(at + index))));
    }
    expect(timeline.lines.length).toBe(LINES_MAX);
    expect(shown(timeline).at(-1)).toBe(String(3 * LINES_MAX - 1));
  });
});

describe("own messages", () => {
  it("are folded by id, whichever comes first", () => {
    const [first] = (JSON.parse(golden.EVENTS) as { events: object[] }).events;
    const event = JSON.stringify({ type: "events", epoch: EPOCH, first: 91, last: 91, events: [{ ...first, seq: 91 }] });
    const ack = golden.ACCEPTED.replace("41", "91");
    const acked = after(sent(begun, publish("c-5"), NOW), ack);
    expect(acked.pending).toMatchObject([{ state: "accepted", id: "edge-1.17", seq: 91 }]);
    for (const timeline of [after(acked, event), after(sent(begun, publish("c-5"), NOW), event, ack)]) {
      expect(timeline.pending).toEqual([]);
      expect(shown(timeline)).toEqual(["good evening 👋"]);
    }
  });

  it("that the room does not get are shown like others", () => {
    const timeline = after(sent(begun, publish("c-5"), NOW), golden.ACCEPTED_ALONE, golden.OWN);
    expect(timeline.pending).toEqual([]);
    expect(shown(timeline)).toEqual(["good evening 👋"]);
  });

  it("go again after a reconnect, with the same client id", () => {
    const pending = sent(sent(begun, publish("c-5"), NOW), publish("c-6", "two"), NOW);
    const welcomed = after(pending, golden.ACCEPTED.replace("41", "95"), golden.WELCOME_COMPLETE.replace('"next":41', '"next":91'));
    expect(unanswered(welcomed).map(({ client_id }) => client_id)).toEqual(["c-6"]);
    // The answer repeats the first one's id: what came meanwhile is not shown twice.
    const late = after(pending, frame(91, ["two"]), '{"type":"ack","client_id":"c-6","outcome":{"type":"accepted","seq":91,"id":"m-91"}}');
    expect(late.pending.map(({ publish }) => publish.client_id)).toEqual(["c-5"]);
    expect(shown(late)).toEqual(["two"]);
  });

  it("whose place has gone by come no more", () => {
    const accepted = after(sent(begun, publish("c-5"), NOW), golden.ACCEPTED.replace("41", "92"));
    expect(after(accepted, '{"type":"gap","from":91,"to":95,"messages":5}').pending).toEqual([]);
    expect(after(accepted, golden.WELCOME_NOT_RECOVERED.replace("1794990000000", "1794990000009")).pending).toEqual([]);
  });

  it("say why they were refused, and can be tried again", () => {
    const refused = after(sent(begun, publish("c-5"), NOW), golden.REFUSED);
    expect(refused.pending).toMatchObject([{ state: "failed", code: "timed_out" }]);
    expect(sent(refused, publish("c-5"), NOW).pending).toMatchObject([{ state: "sending", code: "" }]);
    expect(withdrawn(refused, "c-5").pending).toEqual([]);
    const rejected = after(sent(begun, publish("c-5"), NOW), golden.REJECTED);
    expect(rejected).toMatchObject({ notBeforeMs: NOW + 3000, pending: [{ code: "slow-mode", sentence: "Three seconds more." }] });
  });

  it("wait for a moderator, and are folded when one approves", () => {
    const held = after(sent(begun, publish("c-5", "x"), NOW), golden.HELD);
    expect(held.pending).toMatchObject([{ state: "held" }]);
    const approved = after(held, JSON.stringify(frame(91, ["x"])).replace("u-bob", "u-bob"));
    expect(approved.pending.length).toBe(1);
    const mine = { seq: 92, at_ms: NOW, body: { type: "message", id: "h-1", author: golden.ADA, kind: "text", text: "x" } };
    expect(after(approved, JSON.stringify({ type: "events", epoch: EPOCH, first: 92, last: 92, events: [mine] })).pending).toEqual([]);
  });

  it("are folded when they are approved in other words", () => {
    const two = sent(sent(begun, publish("c-5", "the b word"), NOW), publish("c-6", "other"), NOW);
    const held = after(two, golden.HELD, golden.HELD.replace("c-5", "c-6"));
    const events = (bodies: readonly object[]): string =>
      JSON.stringify({ type: "events", epoch: EPOCH, first: 91, last: 90 + bodies.length, events: bodies.map((body, at) => ({ seq: 91 + at, at_ms: NOW, body })) });
    const mine = { type: "message", id: "h-1", author: golden.ADA, kind: "text", text: "the * word" };
    const waiting = (...bodies: object[]): readonly string[] => after(held, events(bodies)).pending.map(({ publish }) => publish.client_id);
    expect(waiting({ type: "void" }, mine)).toEqual(["c-6"]);
    expect(waiting({ type: "moderation", act: { type: "approve", id: "h-1" } }, mine)).toEqual(["c-6"]);
    expect(waiting({ type: "void" }, { ...mine, text: "other" })).toEqual(["c-5"]);
    // From another window, or somebody else's.
    expect(waiting(mine)).toEqual(["c-5", "c-6"]);
    expect(waiting({ type: "void" }, { ...mine, author: { id: "u-bob", name: "Bob" } })).toEqual(["c-5", "c-6"]);
    const sending = after(sent(held, publish("c-7", "new"), NOW), events([{ type: "void" }, { ...mine, text: "new" }]));
    expect(sending.pending.length).toBe(3);
  });

  it("are none of them lost", () => {
    let timeline = begun;
    for (let count = 0; !isFull(timeline); count += 1) {
      timeline = sent(timeline, publish(`c-${count}`), NOW);
    }
    expect(timeline.pending.length).toBe(PENDING_MAX);
    expect(sent(timeline, publish("c-0"), NOW).pending.length).toBe(PENDING_MAX);
  });

  it("that were commands show the answer to their author", () => {
    const done = after(sent(begun, publish("c-5", "/help"), NOW), golden.REJECTED.replace("slow-mode", "done"));
    expect(done.pending).toEqual([]);
    expect(done.lines).toMatchObject([{ type: "answer", text: "Three seconds more." }]);
  });

  it("fail without an answer", () => {
    const pending = sent(begun, publish("c-5"), NOW);
    expect(expired(pending, NOW + 9999, 10_000)).toBe(pending);
    expect(expired(pending, NOW + 10_000, 10_000).pending).toMatchObject([{ state: "failed", code: "unavailable" }]);
  });
});

describe("coming and going", () => {
  it("is one line, and nothing for who only looked in", () => {
    const ann = moved(begun, { joined: ["Ann"], left: [] }, NOW);
    const both = moved(ann, { joined: ["Bob"], left: ["Cem"] }, NOW);
    expect(both.lines).toMatchObject([{ type: "moves", joined: ["Ann", "Bob"], left: ["Cem"] }]);
    expect(moved(ann, { joined: [], left: ["Ann"] }, NOW).lines).toEqual([]);
    expect(moved(begun, { joined: [], left: [] }, NOW)).toBe(begun);
  });
});

describe("gifts", () => {
  const gift = (id: string, more: object = {}): object => ({ type: "gift", id, sender: golden.ADA, recipient: "room:x", item: "rose", count: 1, points: 10, combo: { id: "c-1", count: 1, window_ms: 3000 }, ...more });
  let seq = 90;
  const frameOf = (...bodies: object[]): ServerMessage => {
    const events = bodies.map((body) => ({ seq: (seq += 1), at_ms: NOW, body }));
    return parse(JSON.stringify({ type: "events", epoch: EPOCH, at_ms: NOW, first: seq - bodies.length + 1, last: seq, events }));
  };
  const lines = (timeline: Timeline): readonly unknown[] => timeline.lines.map((line) => (line.type === "gift" ? [line.gifts.total, line.gifts.points, ...line.gifts.ids] : line.type));

  it("of a series are one line, each counted once", () => {
    seq = 90;
    const timeline = after(begun, frameOf(gift("a"), gift("b", { count: 10, points: 100 })), frameOf(gift("a"), gift("other", { combo: null })), frameOf(gift("c"), gift("said", { note: "hi" })));
    expect(lines(timeline)).toEqual([[12, 120, "a", "b", "c"], [1, 10, "other"], [1, 10, "said"]]);
  });

  it("in a rush are a number in the last line, but for dear ones and those with words", () => {
    seq = 90;
    const of = (id: string, more: object = {}): object => gift(id, { combo: null, sender: { id: `u-${id}`, name: id }, ...more });
    const big = { animation: { payload: '{"tier":"big"}' } };
    const timeline = after(begun, frameOf(of("a"), of("b"), of("c"), of("d", { count: 5 }), of("e"), of("d"), of("f", big), of("g", { note: "hi" })), frame(99, ["said"]));
    expect(timeline.lines.map((line) => (line.type === "gift" ? [line.gifts.gift.id, line.gifts.more] : line.type))).toEqual([["a", 0], ["b", 0], ["c", 6], ["f", 0], ["g", 0], "message"]);
  });

  it("that come now and then have lines of their own", () => {
    seq = 90;
    let timeline = begun;
    for (let n = 0; n < 5; n += 1) {
      const body = gift(`g${n}`, { combo: null, sender: { id: `u-${n}`, name: "x" } });
      timeline = after(timeline, parse(JSON.stringify({ type: "events", epoch: EPOCH, at_ms: NOW, first: (seq += 1), last: seq, events: [{ seq, at_ms: NOW + n * 4000, body }] })));
    }
    expect(timeline.lines.length).toBe(5);
  });

  it("that were seen do not come again where their line is gone, but do in a room that begins anew", () => {
    seq = 90;
    const notice = { type: "notice", id: "n", kind: "gift_refunded", text: "", payload: '{"id":"a"}' };
    const timeline = after(begun, frameOf(gift("a"), notice, gift("a")));
    expect(lines(timeline)).toEqual([]);
    const anew = after(timeline, golden.WELCOME_FRESH.replace('"next":41', '"next":91'));
    seq = 90;
    expect(lines(after(anew, frameOf(gift("a"))))).toEqual(["gap", [1, 10, "a"]]);
  });

  it("are looked for among all that were seen at once, however many there are", () => {
    const ids = (from: number, count: number): string[] => Array.from({ length: count }, (_, at) => `g${from + at}`);
    const some = ids(0, 100).reduce(withSeen, [] as SeenIds);
    const many = ids(100, 5000).reduce(withSeen, some);
    expect([hasSeen(some, "g0"), hasSeen(some, "g100"), hasSeen(many, "g0")]).toEqual([true, false, false]);
    expect(ids(5100 - SEEN_IDS_MIN, SEEN_IDS_MIN).every((id) => hasSeen(many, id))).toBe(true);
    expect(many.reduce((sum, { size }) => sum + size, 0)).toBeLessThanOrEqual(SEEN_IDS_MIN + 64);
  });

  it("that were paid back go, and notices without words are no lines", () => {
    seq = 90;
    const notice = (kind: string, payload: string): object => ({ type: "notice", id: kind, kind, text: "", payload });
    const timeline = after(begun, frameOf(gift("a"), notice("combo_end", "{}"), notice("goal", "{}"), notice("gift_refunded", '{"id":"b"}')));
    expect(lines(timeline)).toEqual([[1, 10, "a"]]);
    expect(lines(after(timeline, frameOf(notice("gift_refunded", '{"id":"a"}'))))).toEqual([]);
  });
});
