/** The STATE lane: the latest of everything, and what is worth a notice on the way there. Pure. */

import type { Audience, Member, StateChange, StateWhole } from "./protocol";
import type { Moves } from "./timeline";

/** With more people than this nobody wants to read who came. */
export const NOTICES_USERS_MAX = 50;

export interface RoomState {
  readonly whole: StateWhole | null;
  /** Likes of others since the state before. */
  readonly burst: number;
  /** Likes of one's own that no state has counted yet. */
  readonly owed: number;
  readonly moves: Moves;
}

const STILL: Moves = { joined: [], left: [] };

export const UNKNOWN: RoomState = { whole: null, burst: 0, owed: 0, moves: STILL };

/** One has liked: hearts that are on the screen already are not shown again. */
export function liked(state: RoomState, count: number): RoomState {
  return { ...state, owed: Math.min(state.owed + count, 1000) };
}

/** The state after `message`; a change that does not follow is ignored, the whole comes. */
export function reduceState(state: RoomState, message: StateWhole | StateChange, me: string): RoomState {
  if (message.type === "state") {
    // How many of them are new nobody says; after a pause they are no burst.
    return { whole: message, burst: 0, owed: 0, moves: STILL };
  }
  const before = state.whole;
  if (before === null || message.version !== before.version + 1) {
    return { ...state, burst: 0, moves: STILL };
  }
  const audience = audienceAfter(before.audience, message);
  if (audience === null) {
    return { ...state, burst: 0, moves: STILL };
  }
  const own = Math.min(state.owed, message.burst);
  const { version, likes, sampled, users, connections } = message;
  const leaderboard = message.leaderboard ?? before.leaderboard;
  return {
    whole: { type: "state", version, likes, sampled, users, connections, audience, leaderboard },
    burst: message.burst - own,
    owed: state.owed - own,
    moves: movesOf(before, message, me),
  };
}

function audienceAfter(before: Audience, { audience: change }: StateChange): Audience | null {
  switch (change.type) {
    case "same":
      return before;
    case "anew":
      return change.audience;
    case "moves": {
      if (before.type !== "everybody") {
        return null;
      }
      const left = new Set(change.left);
      const members = new Map(before.members.filter(({ id }) => !left.has(id)).map((member) => [member.id, member]));
      for (const member of [...change.joined, ...change.changed]) {
        members.set(member.id, member);
      }
      return { type: "everybody", members: [...members.values()] };
    }
    case "crowd":
      return before.type === "crowd" ? { type: "crowd", top: change.top ?? before.top } : null;
  }
}

function movesOf(before: StateWhole, { audience: change, users }: StateChange, me: string): Moves {
  if (change.type !== "moves" || before.audience.type !== "everybody" || users > NOTICES_USERS_MAX) {
    return STILL;
  }
  const left = new Set(change.left);
  const gone = before.audience.members.filter((member) => left.has(member.id));
  const names = (members: readonly Member[]): string[] => members.filter(({ id, name }) => id !== me && name !== "").map(({ name }) => name);
  return { joined: names(change.joined), left: names(gone) };
}

const ORDER = ["broadcaster", "staff", "moderator", "vip", "subscriber"];

/** Greater comes first. As `Roles::rank`. */
export function rank(roles: readonly string[]): number {
  const at = ORDER.findIndex((role) => roles.includes(role));
  return at === -1 ? 0 : ORDER.length - at;
}

/** Who is there, as a list for people: by role, then by name. A crowd's top has its order. */
export function listed(audience: Audience, compare: (a: string, b: string) => number): readonly Member[] {
  return audience.type === "crowd"
    ? audience.top
    : [...audience.members].sort((a, b) => rank(b.roles) - rank(a.roles) || compare(a.name, b.name));
}
