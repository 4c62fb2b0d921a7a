/** What a room's edge and its clients say, as JSON; the authority is `crates/rooms/src/schema`. Pure, and distrustful. */

import { type Gift, parseGift } from "./gift";

export type { Gift } from "./gift";

export type Role = "subscriber" | "vip" | "moderator" | "broadcaster" | "staff" | "verified" | "bot" | "muted";

export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

export interface Attr {
  readonly key: string;
  readonly value: string;
}

export interface User {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
  readonly level: number;
}

export interface Message {
  readonly id: string;
  readonly author: User;
  readonly kind: string;
  readonly text: string;
  readonly reply_to: string | null;
  readonly attrs: readonly Attr[];
}

export interface Settings {
  readonly slow_mode_ms: number;
  readonly restrict: readonly string[];
  readonly chat_per_second_max: number;
  readonly attrs: readonly Attr[];
}

export interface SettingsPatch {
  readonly slow_mode_ms?: number;
  readonly restrict?: readonly string[];
  readonly chat_per_second_max?: number;
  readonly attrs?: readonly Attr[];
}

export type Sanction = { readonly type: "ban" } | { readonly type: "timeout"; readonly until_ms: number };

export interface Sanctions {
  readonly silenced: Sanction | null;
  readonly shadow: boolean;
}

export type Act =
  | { readonly type: "delete_message"; readonly id: string }
  | { readonly type: "delete_user" | "ban" | "shadow_ban" | "unban" | "shadow_unban"; readonly user: string }
  | { readonly type: "clear" | "unpin" }
  | { readonly type: "timeout"; readonly user: string; readonly seconds: number; readonly until_ms: number }
  | { readonly type: "pin"; readonly id: string; readonly message: Message | null }
  | { readonly type: "settings"; readonly patch: SettingsPatch }
  | { readonly type: "approve" | "dismiss"; readonly id: string };

export interface Notice {
  readonly id: string;
  readonly kind: string;
  readonly text: string;
  /** JSON, by the kind; empty is none. */
  readonly payload: string;
}

export interface Review {
  readonly id: string;
  readonly kind: "held" | "report";
  readonly message: Message;
  readonly reason: string;
  readonly by: string;
}

export type Body =
  | { readonly type: "message"; readonly message: Message }
  | { readonly type: "moderation"; readonly actor: string; readonly reason: string; readonly act: Act }
  | { readonly type: "gift"; readonly gift: Gift }
  | { readonly type: "notice"; readonly notice: Notice }
  | { readonly type: "review"; readonly review: Review }
  | { readonly type: "void" };

export interface RoomEvent {
  readonly seq: number;
  readonly at_ms: number;
  readonly body: Body;
}

export interface Member {
  readonly id: string;
  readonly name: string;
  readonly roles: readonly string[];
}

export interface Score {
  readonly id: string;
  readonly name: string;
  readonly points: number;
}

export type Audience =
  | { readonly type: "everybody"; readonly members: readonly Member[] }
  | { readonly type: "crowd"; readonly top: readonly Member[] };

export type AudienceChange =
  | { readonly type: "same" }
  | { readonly type: "moves"; readonly joined: readonly Member[]; readonly left: readonly string[]; readonly changed: readonly Member[] }
  | { readonly type: "crowd"; readonly top: readonly Member[] | null; readonly joined: readonly Member[] }
  | { readonly type: "anew"; readonly audience: Audience };

interface Figures {
  readonly version: number;
  readonly likes: number;
  readonly sampled: number;
  readonly users: number;
  readonly connections: number;
}

export interface StateWhole extends Figures {
  readonly type: "state";
  readonly audience: Audience;
  readonly leaderboard: readonly Score[];
}

export interface StateChange extends Figures {
  readonly type: "change";
  readonly burst: number;
  readonly audience: AudienceChange;
  readonly leaderboard: readonly Score[] | null;
}

export interface You {
  readonly type: "you";
  readonly user: User;
  readonly session: string | null;
  readonly server_ms: number;
  readonly heartbeat_ms: number;
  readonly can: readonly string[];
}

export interface Snapshot {
  readonly settings: Settings;
  readonly pinned: Message | null;
  readonly sanctions: Readonly<Record<string, Sanctions>>;
  readonly reviews: readonly Review[];
}

export interface Welcome {
  readonly type: "welcome";
  readonly epoch: number;
  readonly seq: number;
  readonly next: number;
  readonly recovery: "fresh" | "complete" | "not_recovered";
  readonly lost: { readonly from: number; readonly to: number } | null;
  readonly snapshot: Snapshot | null;
  readonly sanction: Sanction | null;
}

export interface EventFrame {
  readonly type: "events";
  readonly epoch: number;
  readonly first: number;
  readonly last: number;
  readonly dropped: number;
  readonly events: readonly RoomEvent[];
}

export interface Gap {
  readonly type: "gap";
  readonly from: number;
  readonly to: number;
  readonly messages: number | null;
}

export type Outcome =
  | { readonly type: "accepted"; readonly seq: number | null; readonly id: string }
  | { readonly type: "refused"; readonly code: string; readonly retry_after_ms: number | null }
  | { readonly type: "rejected"; readonly code: string; readonly message: string; readonly retry_after_ms: number | null }
  | { readonly type: "held" };

export interface Ack {
  readonly type: "ack";
  readonly client_id: string;
  readonly outcome: Outcome;
}

export interface Own {
  readonly type: "own";
  readonly at_ms: number;
  readonly message: Message;
}

export interface Close {
  readonly type: "close";
  readonly code: string;
  readonly retry_after_ms: number | null;
}

export interface Pong {
  readonly type: "pong";
  readonly nonce: number;
  readonly server_ms: number;
}

export interface ServerNotice {
  readonly type: "notice";
  readonly notice: Notice;
}

export type ServerMessage = You | Welcome | EventFrame | Gap | StateWhole | StateChange | Ack | Own | Close | Pong | ServerNotice;

export interface Publish {
  readonly type: "publish";
  readonly client_id: string;
  readonly kind: string;
  readonly text: string;
  readonly reply_to: string | null;
  readonly media_ms: number | null;
}

export interface ActRequest {
  readonly type: "act";
  readonly client_id: string;
  readonly reason: string;
  readonly act: Act;
}

export type ClientMessage =
  | { readonly type: "hello"; readonly resume: Position | null; readonly hold_ms: number }
  | Publish
  | ActRequest
  | { readonly type: "like"; readonly count: number }
  | { readonly type: "hold"; readonly hold_ms: number }
  | { readonly type: "ping"; readonly nonce: number };

/** Bytes of a message's text that the hub takes. */
export const TEXT_BYTES_MAX = 2000;
export const LIKES_PER_CALL_MAX = 100;
export const HOLD_MS_MAX = 60_000;
export const REVIEWS_MAX = 200;

type Json = Readonly<Record<string, unknown>>;

function record(value: unknown): Json {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Json) : {};
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function text(value: unknown): string {
  return typeof value === "string" ? value : "";
}

function number(value: unknown): number {
  return typeof value === "number" && Number.isFinite(value) ? value : 0;
}

function maybe(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

function texts(value: unknown): readonly string[] {
  return list(value).filter((item): item is string => typeof item === "string");
}

function user(value: unknown): User {
  const from = record(value);
  return { id: text(from["id"]), name: text(from["name"]), roles: texts(from["roles"]), level: number(from["level"]) };
}

function members(value: unknown): readonly Member[] {
  return list(value).map((item) => {
    const { id, name, roles } = user(item);
    return { id, name, roles };
  });
}

function attrs(value: unknown): readonly Attr[] {
  return list(value).map((item) => ({ key: text(record(item)["key"]), value: text(record(item)["value"]) }));
}

export function parseMessage(value: unknown): Message {
  const from = record(value);
  const reply = from["reply_to"];
  return {
    id: text(from["id"]),
    author: user(from["author"]),
    kind: text(from["kind"]),
    text: text(from["text"]),
    reply_to: typeof reply === "string" ? reply : null,
    attrs: attrs(from["attrs"]),
  };
}

function message(value: unknown): Message | null {
  return value === undefined || value === null ? null : parseMessage(value);
}

function sanction(value: unknown): Sanction | null {
  const from = record(value);
  switch (from["type"]) {
    case "ban":
      return { type: "ban" };
    case "timeout":
      return { type: "timeout", until_ms: number(from["until_ms"]) };
    default:
      return null;
  }
}

function settings(value: unknown): Settings {
  const from = record(value);
  return {
    slow_mode_ms: number(from["slow_mode_ms"]),
    restrict: texts(from["restrict"]),
    chat_per_second_max: number(from["chat_per_second_max"]),
    attrs: attrs(from["attrs"]),
  };
}

function patch(value: unknown): SettingsPatch {
  const from = record(value);
  const has = (key: string): boolean => from[key] !== undefined && from[key] !== null;
  return {
    ...(has("slow_mode_ms") ? { slow_mode_ms: number(from["slow_mode_ms"]) } : {}),
    ...(has("restrict") ? { restrict: texts(from["restrict"]) } : {}),
    ...(has("chat_per_second_max") ? { chat_per_second_max: number(from["chat_per_second_max"]) } : {}),
    ...(has("attrs") ? { attrs: attrs(from["attrs"]) } : {}),
  };
}

function act(value: unknown): Act | null {
  const from = record(value);
  const type = from["type"];
  switch (type) {
    case "delete_message":
    case "approve":
    case "dismiss":
      return { type, id: text(from["id"]) };
    case "delete_user":
    case "ban":
    case "shadow_ban":
    case "unban":
    case "shadow_unban":
      return { type, user: text(from["user"]) };
    case "clear":
    case "unpin":
      return { type };
    case "timeout":
      return { type, user: text(from["user"]), seconds: number(from["seconds"]), until_ms: number(from["until_ms"]) };
    case "pin":
      return { type, id: text(from["id"]), message: message(from["message"]) };
    case "settings":
      return { type, patch: patch(from["patch"]) };
    default:
      return null;
  }
}

function notice(value: unknown): Notice {
  const from = record(value);
  const payload = from["payload"];
  return {
    id: text(from["id"]),
    kind: text(from["kind"]),
    text: text(from["text"]),
    payload: typeof payload === "object" && payload !== null ? JSON.stringify(payload) : text(payload),
  };
}

function review(value: unknown): Review {
  const from = record(value);
  return {
    id: text(from["id"]),
    kind: from["kind"] === "report" ? "report" : "held",
    message: parseMessage(from["message"]),
    reason: text(from["reason"]),
    by: text(from["by"]),
  };
}

/** What a page of today does not know is `void`: it takes its slot, and nothing else. */
function body(value: unknown): Body {
  const from = record(value);
  switch (from["type"]) {
    case "message":
      return { type: "message", message: parseMessage(from) };
    case "moderation": {
      const done = act(from["act"]);
      return done === null ? { type: "void" } : { type: "moderation", actor: text(from["actor"]), reason: text(from["reason"]), act: done };
    }
    case "gift":
      return { type: "gift", gift: parseGift(from, user(from["sender"])) };
    case "notice":
      return { type: "notice", notice: notice(from) };
    case "review":
      return { type: "review", review: review(from) };
    default:
      return { type: "void" };
  }
}

function audience(value: unknown): Audience {
  const from = record(value);
  return from["type"] === "crowd" ? { type: "crowd", top: members(from["top"]) } : { type: "everybody", members: members(from["members"]) };
}

function audienceChange(value: unknown): AudienceChange {
  const from = record(value);
  switch (from["type"]) {
    case "moves":
      return { type: "moves", joined: members(from["joined"]), left: texts(from["left"]), changed: members(from["changed"]) };
    case "crowd":
      return { type: "crowd", top: from["top"] === undefined || from["top"] === null ? null : members(from["top"]), joined: members(from["joined"]) };
    case "anew":
      return { type: "anew", audience: audience(from["audience"]) };
    default:
      return { type: "same" };
  }
}

function scores(value: unknown): readonly Score[] {
  return list(value).map((item) => ({ id: text(record(item)["id"]), name: text(record(item)["name"]), points: number(record(item)["points"]) }));
}

function figures(from: Json): Figures {
  return {
    version: number(from["version"]),
    likes: number(from["likes"]),
    sampled: number(from["sampled"]),
    users: number(from["users"]),
    connections: number(from["connections"]),
  };
}

function snapshot(value: unknown): Snapshot | null {
  if (value === undefined || value === null) {
    return null;
  }
  const from = record(value);
  const sanctions = Object.entries(record(from["sanctions"])).map(([id, known]): [string, Sanctions] => [
    id,
    { silenced: sanction(record(known)["silenced"]), shadow: record(known)["shadow"] === true },
  ]);
  return {
    settings: settings(from["settings"]),
    pinned: message(from["pinned"]),
    sanctions: Object.fromEntries(sanctions),
    reviews: list(from["reviews"]).map(review),
  };
}

function welcome(from: Json): Welcome {
  const recovery = from["recovery"];
  const lost = from["lost"];
  return {
    type: "welcome",
    epoch: number(from["epoch"]),
    seq: number(from["seq"]),
    next: number(from["next"]),
    recovery: recovery === "fresh" || recovery === "complete" ? recovery : "not_recovered",
    lost: lost === undefined || lost === null ? null : { from: number(record(lost)["from"]), to: number(record(lost)["to"]) },
    snapshot: snapshot(from["snapshot"]),
    sanction: sanction(from["sanction"]),
  };
}

function outcome(value: unknown): Outcome {
  const from = record(value);
  switch (from["type"]) {
    case "accepted":
      return { type: "accepted", seq: maybe(from["seq"]), id: text(from["id"]) };
    case "rejected":
      return { type: "rejected", code: text(from["code"]), message: text(from["message"]), retry_after_ms: maybe(from["retry_after_ms"]) };
    case "held":
      return { type: "held" };
    default:
      return { type: "refused", code: text(from["code"]), retry_after_ms: maybe(from["retry_after_ms"]) };
  }
}

function parsed(from: Json): ServerMessage | null {
  const type = from["type"];
  switch (type) {
    case "you":
      return {
        type,
        user: user(from["user"]),
        session: typeof from["session"] === "string" ? from["session"] : null,
        server_ms: number(from["server_ms"]),
        heartbeat_ms: number(from["heartbeat_ms"]),
        can: texts(from["can"]),
      };
    case "welcome":
      return welcome(from);
    case "events":
      return {
        type,
        epoch: number(from["epoch"]),
        first: number(from["first"]),
        last: number(from["last"]),
        dropped: number(from["dropped"]),
        events: list(from["events"]).map((event) => ({
          seq: number(record(event)["seq"]),
          at_ms: number(record(event)["at_ms"]),
          body: body(record(event)["body"]),
        })),
      };
    case "gap":
      return { type, from: number(from["from"]), to: number(from["to"]), messages: maybe(from["messages"]) };
    case "state":
      return { type, ...figures(from), audience: audience(from["audience"]), leaderboard: scores(from["leaderboard"]) };
    case "change":
      return {
        type,
        ...figures(from),
        burst: number(from["burst"]),
        audience: audienceChange(from["audience"]),
        leaderboard: Array.isArray(from["leaderboard"]) ? scores(from["leaderboard"]) : null,
      };
    case "ack":
      return { type, client_id: text(from["client_id"]), outcome: outcome(from["outcome"]) };
    case "own":
      return { type, at_ms: number(from["at_ms"]), message: parseMessage(from["message"]) };
    case "notice":
      return { type, notice: notice(from["notice"]) };
    case "close":
      return { type, code: text(from["code"]), retry_after_ms: maybe(from["retry_after_ms"]) };
    case "pong":
      return { type, nonce: number(from["nonce"]), server_ms: number(from["server_ms"]) };
    default:
      return null;
  }
}

/** None for what is no JSON, or a message that this page does not know. */
export function parseServerMessage(json: string): ServerMessage | null {
  try {
    return parsed(record(JSON.parse(json)));
  } catch {
    return null;
  }
}
