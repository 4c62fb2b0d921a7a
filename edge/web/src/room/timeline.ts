/**
 * What has happened in a room, as one client sees it: a pure reducer over what the edge says. The time is an argument.
 *
 * `seq` is the last event that one has, or was told that one misses. An event is applied once, in the order of `seq`; what
 * comes twice changes nothing. A hole that nobody told of sets `hole`: whoever drives this connects again from `seq`.
 */

import {
  REVIEWS_MAX,
  type Ack,
  type Act,
  type Body,
  type EventFrame,
  type Gap,
  type Gift,
  type Message,
  type Notice,
  type Own,
  type Position,
  type Publish,
  type Review,
  type RoomEvent,
  type Sanction,
  type Sanctions,
  type ServerMessage,
  type Settings,
  type SettingsPatch,
  type Welcome,
  type You,
} from "./protocol";
import { firstOf, type Gifts, grown, isRush, joinedBy, lineOf } from "./gift-lines";
import { hasSeen, type SeenIds, withSeen } from "./seen-ids";
import { field, parsedJson, text } from "../lib/json";

/** Lines kept; the oldest go. */
export const LINES_MAX = 500;
/** Messages of one's own that may wait for an answer. */
export const PENDING_MAX = 20;

/** Somebody who came or went; lines of this kind that follow each other become one. */
export interface Moves {
  readonly joined: readonly string[];
  readonly left: readonly string[];
}

/** `key` is unique among the lines, and stays. */
export type Line = { readonly key: string; readonly atMs: number } & (
  | { readonly type: "message"; readonly message: Message }
  | { readonly type: "gap"; readonly messages: number | null }
  | { readonly type: "notice"; readonly notice: Notice }
  | { readonly type: "gift"; readonly gifts: Gifts }
  | { readonly type: "act"; readonly act: Act; readonly actor: string; readonly reason: string }
  | { readonly type: "answer"; readonly code: string; readonly text: string }
  | ({ readonly type: "moves" } & Moves)
);

/** A message of one's own that is not among the lines yet. */
export interface Pending {
  readonly publish: Publish;
  readonly sentMs: number;
  /** `sending`: no answer yet. `accepted`: the room has it, and it comes. `held`: waits for a moderator. */
  readonly state: "sending" | "accepted" | "held" | "failed";
  readonly id: string | null;
  readonly seq: number | null;
  readonly epoch: number | null;
  /** Why it failed. */
  readonly code: string;
  readonly sentence: string;
}

export interface Timeline {
  readonly position: Position | null;
  /** Events up to here are in the snapshot already: shown, not applied. */
  readonly historyTo: number;
  readonly lines: readonly Line[];
  /** Gifts that the lines have, or had. */
  readonly gifts: SeenIds;
  readonly pending: readonly Pending[];
  readonly settings: Settings;
  readonly pinned: Message | null;
  /** Why oneself may not speak. */
  readonly sanction: Sanction | null;
  /** For moderators; others have none. */
  readonly sanctions: Readonly<Record<string, Sanctions>>;
  readonly reviews: readonly Review[];
  readonly you: You | null;
  /** Not before this time, by the server's clock, does the room take another message of one's own. */
  readonly notBeforeMs: number;
  readonly hole: boolean;
  /** Where there was a hole the last time. If it is there again, it is a gap. */
  readonly holeAt: number | null;
  /** Makes keys of lines that have no id. */
  readonly count: number;
}

export const EMPTY: Timeline = {
  position: null,
  historyTo: 0,
  lines: [],
  gifts: [],
  pending: [],
  settings: { slow_mode_ms: 0, restrict: [], chat_per_second_max: 0, attrs: [] },
  pinned: null,
  sanction: null,
  sanctions: {},
  reviews: [],
  you: null,
  notBeforeMs: 0,
  hole: false,
  holeAt: null,
  count: 0,
};

type Content<L> = L extends unknown ? Omit<L, "key" | "atMs"> : never;

function added(timeline: Timeline, line: Content<Line>, atMs: number, key?: string): Timeline {
  const count = timeline.count + 1;
  const whole = { ...line, atMs, key: key ?? `#${count}` } as Line;
  return { ...timeline, count, lines: [...timeline.lines, whole].slice(-LINES_MAX) };
}

/** The timeline after a message of the edge. */
export function reduce(timeline: Timeline, message: ServerMessage, nowMs: number): Timeline {
  switch (message.type) {
    case "you":
      return { ...timeline, you: message };
    case "welcome":
      return welcomed(timeline, message, nowMs);
    case "events":
      return framed(timeline, message, nowMs);
    case "gap":
      return gapped(timeline, message, nowMs);
    case "ack":
      return answered(timeline, message, nowMs);
    case "own":
      return echoed(timeline, message);
    case "notice":
      return noticed(timeline, message.notice, nowMs);
    case "state":
    case "change":
    case "close":
    case "pong":
      return timeline;
  }
}

function welcomed(timeline: Timeline, welcome: Welcome, nowMs: number): Timeline {
  const position = { epoch: welcome.epoch, seq: welcome.next - 1 };
  const own = { sanction: welcome.sanction, hole: false };
  if (welcome.recovery === "complete") {
    // The events that follow are not in a snapshot, but for those that were history before the connection was lost.
    const historyTo = timeline.position?.epoch === welcome.epoch ? timeline.historyTo : 0;
    return settled({ ...timeline, ...own, position, historyTo });
  }
  const knew = timeline.position !== null;
  const snapshot = welcome.snapshot;
  // Some of what is shown may have been deleted meanwhile. What nobody but this page knows stays.
  const begun: Timeline = {
    ...timeline,
    ...own,
    position,
    historyTo: welcome.seq,
    lines: [],
    gifts: [],
    settings: snapshot?.settings ?? EMPTY.settings,
    pinned: snapshot?.pinned ?? null,
    sanctions: snapshot?.sanctions ?? {},
    reviews: snapshot?.reviews ?? [],
    holeAt: null,
  };
  const told = knew || welcome.recovery === "not_recovered";
  return settled(told ? added(begun, { type: "gap", messages: null }, nowMs) : begun);
}

function framed(timeline: Timeline, frame: EventFrame, nowMs: number): Timeline {
  const { position } = timeline;
  // Of another life of the room: its welcome comes first.
  if (position === null || frame.epoch !== position.epoch || frame.last <= position.seq) {
    return timeline;
  }
  let next = timeline;
  if (frame.first > position.seq + 1) {
    if (timeline.holeAt !== position.seq) {
      return { ...timeline, hole: true, holeAt: position.seq };
    }
    next = added(next, { type: "gap", messages: null }, nowMs);
  }
  if (frame.dropped > 0) {
    next = missed(next, frame.dropped, nowMs);
  }
  for (const [at, event] of frame.events.entries()) {
    if (event.seq > position.seq) {
      next = happened(next, event, frame.events[at - 1]);
    }
  }
  return settled({ ...next, position: { epoch: frame.epoch, seq: frame.last }, holeAt: null });
}

function gapped(timeline: Timeline, gap: Gap, nowMs: number): Timeline {
  const { position } = timeline;
  if (position === null || gap.to <= position.seq) {
    return timeline;
  }
  const told = gap.messages === 0 ? timeline : missed(timeline, gap.messages, nowMs);
  return settled({ ...told, position: { ...position, seq: gap.to }, holeAt: null });
}

/** Two gaps in a row are one. */
function missed(timeline: Timeline, messages: number | null, nowMs: number): Timeline {
  const last = timeline.lines.at(-1);
  if (last?.type !== "gap") {
    return added(timeline, { type: "gap", messages }, nowMs);
  }
  const sum = last.messages === null || messages === null ? null : last.messages + messages;
  return { ...timeline, lines: [...timeline.lines.slice(0, -1), { ...last, messages: sum }] };
}

function happened(timeline: Timeline, event: RoomEvent, before: RoomEvent | undefined): Timeline {
  const { body, at_ms: atMs } = event;
  switch (body.type) {
    case "message":
      return said(timeline, body.message, atMs, before?.seq === event.seq - 1 && mayApprove(before.body));
    case "gift":
      return gave(timeline, body.gift, atMs);
    case "notice":
      return noticed(timeline, body.notice, atMs);
    case "moderation": {
      const applied = event.seq > timeline.historyTo ? moderated(timeline, body.act) : timeline;
      return isShown(body) ? added(applied, { type: "act", act: body.act, actor: body.actor, reason: body.reason }, atMs) : applied;
    }
    case "review":
      return event.seq > timeline.historyTo ? reviewed(timeline, body.review) : timeline;
    case "void":
      return timeline;
  }
}

/** A gift is shown once, however often it comes. */
function gave(before: Timeline, gift: Gift, atMs: number): Timeline {
  if (hasSeen(before.gifts, gift.id)) {
    return before;
  }
  const timeline = { ...before, gifts: withSeen(before.gifts, gift.id) };
  const at = lineOf(timeline.lines, gift);
  const line = timeline.lines[at];
  if (line?.type === "gift") {
    return { ...timeline, lines: timeline.lines.map((known) => (known === line ? { ...line, gifts: grown(line.gifts, gift) } : known)) };
  }
  const last = timeline.lines.at(-1);
  return last?.type === "gift" && isRush(timeline.lines, gift, atMs)
    ? { ...timeline, lines: [...timeline.lines.slice(0, -1), { ...last, gifts: joinedBy(last.gifts, gift) }] }
    : added(timeline, { type: "gift", gifts: firstOf(gift) }, atMs);
}

/** Most notices are for people to read; those without words mean something to the page. */
function noticed(timeline: Timeline, notice: Notice, atMs: number): Timeline {
  if (notice.kind === "gift_refunded") {
    const id = text(field(parsedJson(notice.payload), "id"));
    // Of a series that was not paid back as a whole the line stays.
    return { ...timeline, lines: timeline.lines.filter((line) => line.type !== "gift" || line.gifts.ids.some((known) => known !== id)) };
  }
  return notice.text === "" ? timeline : added(timeline, { type: "notice", notice }, atMs);
}

/** Acts whose effect one sees anyway have no line of their own. */
function isShown(body: Body & { type: "moderation" }): boolean {
  return !["delete_message", "delete_user", "pin", "unpin", "approve", "dismiss"].includes(body.act.type);
}

/** An approval comes right before its message; to who is no moderator it is `void`. */
function mayApprove(body: Body): boolean {
  return body.type === "void" || (body.type === "moderation" && body.act.type === "approve");
}

function said(timeline: Timeline, message: Message, atMs: number, afterApproval: boolean): Timeline {
  const folds = foldOf(timeline, message, afterApproval);
  const pending = timeline.pending.filter((mine) => mine.id !== message.id && mine !== folds);
  const known = timeline.lines.some((line) => line.key === message.id);
  const folded = pending.length === timeline.pending.length ? timeline : { ...timeline, pending };
  return known ? folded : added(folded, { type: "message", message }, atMs, message.id);
}

/** A held message comes with an id that its author was never told, and as a filter has changed it. */
function foldOf({ pending, you }: Timeline, message: Message, afterApproval: boolean): Pending | undefined {
  if (message.author.id !== you?.user.id || pending.some((mine) => mine.id === message.id)) {
    return undefined;
  }
  const says = ({ publish }: Pending): boolean => publish.text === message.text;
  const held = pending.filter(({ state }) => state === "held");
  // The answer to what is on its way may come after the message itself.
  const isSent = pending.some((mine) => mine.state === "sending" && says(mine));
  return held.find(says) ?? (afterApproval && !isSent ? held[0] : undefined);
}

function without(timeline: Timeline, takes: (message: Message) => boolean): Timeline {
  const lines = timeline.lines.filter((line) => line.type !== "message" || !takes(line.message));
  const pinned = timeline.pinned !== null && takes(timeline.pinned) ? null : timeline.pinned;
  return { ...timeline, lines: lines.length === timeline.lines.length ? timeline.lines : lines, pinned };
}

function moderated(timeline: Timeline, act: Act): Timeline {
  switch (act.type) {
    case "delete_message":
      return without(timeline, (message) => message.id === act.id);
    case "delete_user":
      return without(timeline, (message) => message.author.id === act.user);
    case "clear":
      return without(timeline, () => true);
    case "timeout":
      return sanctioned(timeline, act.user, { silenced: { type: "timeout", until_ms: act.until_ms } });
    case "ban":
      return sanctioned(timeline, act.user, { silenced: { type: "ban" } });
    case "unban":
      return sanctioned(timeline, act.user, { silenced: null });
    case "shadow_ban":
    case "shadow_unban":
      return sanctioned(timeline, act.user, { shadow: act.type === "shadow_ban" });
    case "pin":
      return { ...timeline, pinned: act.message };
    case "unpin":
      return { ...timeline, pinned: null };
    case "settings":
      return { ...timeline, settings: patched(timeline.settings, act.patch) };
    case "approve":
    case "dismiss":
      return { ...timeline, reviews: timeline.reviews.filter((review) => review.id !== act.id) };
  }
}

function sanctioned(timeline: Timeline, user: string, change: Partial<Sanctions>): Timeline {
  const { [user]: before = { silenced: null, shadow: false }, ...others } = timeline.sanctions;
  const known = { ...before, ...change };
  const none = known.silenced === null && !known.shadow;
  const mine = user === timeline.you?.user.id && change.silenced !== undefined;
  return {
    ...timeline,
    sanctions: none ? others : { ...others, [user]: known },
    sanction: mine ? known.silenced : timeline.sanction,
  };
}

/** As `Settings::patched` of the hub. */
export function patched(settings: Settings, patch: SettingsPatch): Settings {
  const attrs = new Map(settings.attrs.map(({ key, value }) => [key, value]));
  for (const { key, value } of patch.attrs ?? []) {
    attrs.delete(key);
    if (value !== "") {
      attrs.set(key, value);
    }
  }
  return {
    slow_mode_ms: patch.slow_mode_ms ?? settings.slow_mode_ms,
    restrict: patch.restrict ?? settings.restrict,
    chat_per_second_max: patch.chat_per_second_max ?? settings.chat_per_second_max,
    attrs: [...attrs].map(([key, value]) => ({ key, value })),
  };
}

function reviewed(timeline: Timeline, review: Review): Timeline {
  const others = timeline.reviews.filter((known) => known.id !== review.id);
  return { ...timeline, reviews: [...others, review].slice(-REVIEWS_MAX) };
}

function echoed(timeline: Timeline, own: Own): Timeline {
  return said(timeline, own.message, own.at_ms, false);
}

function answered(timeline: Timeline, ack: Ack, nowMs: number): Timeline {
  const at = timeline.pending.findIndex((mine) => mine.publish.client_id === ack.client_id);
  const mine = timeline.pending[at];
  if (mine === undefined) {
    return timeline;
  }
  const { outcome } = ack;
  const rest = timeline.pending.filter((_, index) => index !== at);
  const change = (more: Partial<Pending>): readonly Pending[] => timeline.pending.map((known) => (known === mine ? { ...mine, ...more } : known));
  switch (outcome.type) {
    case "accepted": {
      const slow = timeline.settings.slow_mode_ms;
      // Whom slow mode does not touch the filter knows; of these it is likely.
      const free = timeline.you?.can.includes("moderate") === true || timeline.you?.user.roles.includes("vip") === true;
      const notBeforeMs = free || slow === 0 ? timeline.notBeforeMs : nowMs + slow;
      const epoch = timeline.position?.epoch ?? null;
      const { id, seq } = outcome;
      if (id !== "" && timeline.lines.some((line) => line.key === id)) {
        return { ...timeline, notBeforeMs, pending: rest };
      }
      return settled({ ...timeline, notBeforeMs, pending: change({ state: "accepted", id, seq, epoch }) });
    }
    case "held":
      return { ...timeline, pending: change({ state: "held" }) };
    case "rejected":
    case "refused": {
      const sentence = outcome.type === "rejected" ? outcome.message : "";
      if (outcome.code === "done") {
        return added({ ...timeline, pending: rest }, { type: "answer", code: "done", text: sentence }, nowMs);
      }
      const slow = ["slow-mode", "too-fast", "too_fast"].includes(outcome.code);
      const notBeforeMs = slow && outcome.retry_after_ms !== null ? nowMs + outcome.retry_after_ms : timeline.notBeforeMs;
      return { ...timeline, notBeforeMs, pending: change({ state: "failed", code: outcome.code, sentence }) };
    }
  }
}

/** Accepted messages whose place in the room has gone by were deleted, or fell into a gap: they come no more. */
function settled(timeline: Timeline): Timeline {
  const { position } = timeline;
  const pending = timeline.pending.filter(
    ({ state, seq, epoch }) => state !== "accepted" || seq === null || position === null || (epoch === position.epoch && seq > position.seq),
  );
  return pending.length === timeline.pending.length ? timeline : { ...timeline, pending };
}

/** Whether one has to wait before one says more: none of what waits may be lost without a word. */
export function isFull(timeline: Timeline): boolean {
  return timeline.pending.length >= PENDING_MAX;
}

/** One says something: it is shown at once. */
export function sent(timeline: Timeline, publish: Publish, nowMs: number): Timeline {
  const again = timeline.pending.filter((mine) => mine.publish.client_id !== publish.client_id);
  const mine: Pending = { publish, sentMs: nowMs, state: "sending", id: null, seq: null, epoch: null, code: "", sentence: "" };
  return { ...timeline, pending: [...again, mine] };
}

/** One does not try any longer. */
export function withdrawn(timeline: Timeline, clientId: string): Timeline {
  return { ...timeline, pending: timeline.pending.filter((mine) => mine.publish.client_id !== clientId) };
}

/** What has to be sent on a new connection, with the same client ids. */
export function unanswered(timeline: Timeline): readonly Publish[] {
  return timeline.pending.filter((mine) => mine.state === "sending").map((mine) => mine.publish);
}

/** No answer for too long: one may try again, with the same client id. */
export function expired(timeline: Timeline, nowMs: number, afterMs: number): Timeline {
  const late = (mine: Pending): boolean => mine.state === "sending" && nowMs - mine.sentMs >= afterMs;
  if (!timeline.pending.some(late)) {
    return timeline;
  }
  const pending = timeline.pending.map((mine): Pending => (late(mine) ? { ...mine, state: "failed", code: "unavailable" } : mine));
  return { ...timeline, pending };
}

/** People came and went. Names at most `NAMES_MAX` of each; a run of such lines is one. */
export function moved(timeline: Timeline, moves: Moves, nowMs: number): Timeline {
  if (moves.joined.length === 0 && moves.left.length === 0) {
    return timeline;
  }
  const last = timeline.lines.at(-1);
  if (last?.type !== "moves") {
    return added(timeline, { type: "moves", ...moves }, nowMs);
  }
  const joined = [...last.joined.filter((name) => !moves.left.includes(name)), ...moves.joined];
  const left = [...last.left.filter((name) => !moves.joined.includes(name)), ...moves.left.filter((name) => !last.joined.includes(name))];
  const lines = timeline.lines.slice(0, -1);
  return joined.length === 0 && left.length === 0
    ? { ...timeline, lines }
    : { ...timeline, lines: [...lines, { ...last, joined: joined.slice(-NAMES_MAX), left: left.slice(-NAMES_MAX) }] };
}

const NAMES_MAX = 30;

/** What waits for an answer was sent once more. */
export function resent(timeline: Timeline, nowMs: number): Timeline {
  return { ...timeline, pending: timeline.pending.map((mine) => (mine.state === "sending" ? { ...mine, sentMs: nowMs } : mine)) };
}

/** A line that only this page has: what a command answered. */
export function told(timeline: Timeline, code: string, text: string, nowMs: number): Timeline {
  return added(timeline, { type: "answer", code, text }, nowMs);
}
