/** A room as a page has it: connection, timeline, state and identity put together. It draws nothing. */

import { Connection, type LinkState } from "./connection";
import { Hold } from "./hold";
import type { Identity } from "./identity";
import { type Act, type ActRequest, type EventFrame, LIKES_PER_CALL_MAX, type Outcome, type Publish, type RoomEvent, type ServerMessage, type You } from "./protocol";
import { liked, reduceState, type RoomState, UNKNOWN } from "./state";
import { EMPTY, expired, isFull, moved, reduce, resent, sent, type Timeline, told, unanswered, withdrawn } from "./timeline";

const TICK_MS = 1000;
/** No answer for so long on an open connection. */
const ANSWER_MS_MAX = 15_000;
/** Likes are counted here and sent at most so often. */
const LIKES_MS = 400;
const OUTCOME_AWAY: Outcome = { type: "refused", code: "unavailable", retry_after_ms: null };

/** Where nothing comes back by itself. */
const STOPPED: readonly LinkState[] = ["absent", "denied", "removed", "superseded", "broken"];

/** How far the picture is behind the camera, ms: by this machine's clock, which may be wrong, or by no clock at all. */
export interface Behind {
  readonly ms: number;
  readonly byClock: boolean;
}

export interface RoomOptions {
  readonly room: string;
  readonly identity: Identity;
  /** Null where one does not know. */
  pictureBehind(): Behind | null;
  /** Something to draw has changed. */
  onChange(): void;
  /** Others like it. */
  onBurst(count: number): void;
  /** Something has happened now: no history, and nothing twice unless the room says it twice. */
  onEvent?(event: RoomEvent): void;
  /** A connection has begun: what was missed may be more than what comes. */
  onWelcome?(): void;
}

interface WaitingAct {
  readonly request: ActRequest;
  atMs: number;
  resolve(outcome: Outcome): void;
}

export class Room {
  readonly identity: Identity;
  readonly #options: RoomOptions;
  readonly #connection: Connection;
  readonly #hold = new Hold();
  readonly #acts = new Map<string, WaitingAct>();
  #timeline: Timeline = EMPTY;
  #state: RoomState = UNKNOWN;
  #link: LinkState = "connecting";
  #linkSinceMs = performance.now();
  #clockOffsetMs = 0;
  /** The figures are of the connection before. */
  #stateIsOld = true;
  /** What the hello said. */
  #helloHoldMs = 0;
  /** The viewer's choice, if there was one. */
  #inStep: boolean | null = null;
  #opened = false;
  #likes = 0;
  #likesTimer: number | undefined;

  constructor(options: RoomOptions) {
    this.#options = options;
    this.identity = options.identity;
    this.#connection = new Connection({
      room: options.room,
      token: () => this.identity.token,
      resume: () => this.#timeline.position,
      holdMs: () => (this.#helloHoldMs = this.#hold.toldMs),
      onMessage: (message) => this.#take(message),
      onState: (state) => this.#linked(state),
      renew: async (refused, shown) => (refused ? this.identity.refuse(shown) : this.identity.replace(shown)),
    });
    // Once it is open, that is: before, the first attempt has it.
    this.identity.onChange(() => (this.#opened ? this.open() : undefined));
    window.setInterval(() => this.#tick(), TICK_MS);
  }

  get timeline(): Timeline {
    return this.#timeline;
  }

  get state(): RoomState {
    return this.#state;
  }

  get link(): LinkState {
    return this.#link;
  }

  get way(): "ws" | "sse" {
    return this.#connection.way;
  }

  /** How long the connection has not been open, ms; 0 when it is. */
  get troubledMs(): number {
    return this.#link === "open" ? 0 : performance.now() - this.#linkSinceMs;
  }

  get holdMs(): number {
    return this.#hold.toldMs;
  }

  /** Who moderates wants to see at once what is said; all others in step with the picture. */
  get inStep(): boolean {
    return this.#inStep ?? !this.canModerate;
  }

  get me(): string {
    return this.#timeline.you?.user.id ?? "";
  }

  get canSpeak(): boolean {
    return this.#timeline.you?.can.includes("speak") === true;
  }

  get canModerate(): boolean {
    return this.#timeline.you?.can.includes("moderate") === true;
  }

  /** What somebody is called, as far as one knows; else the id. */
  nameOf(id: string): string {
    if (id === this.me) {
      return this.#timeline.you?.user.name ?? id;
    }
    const said = this.#timeline.lines.findLast((line) => line.type === "message" && line.message.author.id === id);
    const audience = this.#state.whole?.audience;
    const members = audience?.type === "everybody" ? audience.members : (audience?.top ?? []);
    return (said?.type === "message" ? said.message.author.name : members.find((member) => member.id === id)?.name) ?? id;
  }

  /** The moment of the picture on the screen, by the edge's clock; null where one does not know. */
  get mediaMs(): number | null {
    const behind = this.#behindMs();
    return behind === null ? null : Math.round(this.nowMs() - behind);
  }

  /** Now, by the edge's clock. */
  nowMs(): number {
    return Date.now() + this.#clockOffsetMs;
  }

  open(): void {
    this.#opened = true;
    void this.identity.freshen().then(() => this.#connection.open());
  }

  setInStep(inStep: boolean | null): void {
    this.#inStep = inStep;
    this.#steer();
    this.#options.onChange();
  }

  /** A guest's name; then the room hears from somebody, not from nobody. Throws a `GuestError`. */
  async join(name: string): Promise<void> {
    await this.identity.name(name);
    this.#connection.open();
  }

  /** False when too much waits already. */
  say(text: string, replyTo: string | null): boolean {
    if (isFull(this.#timeline)) {
      return false;
    }
    this.#publish({
      type: "publish",
      client_id: newId(),
      kind: "text",
      text,
      reply_to: replyTo,
      media_ms: this.mediaMs,
    });
    return true;
  }

  /** With the same client id: if the room has it after all, it does not come twice. */
  retry(clientId: string): void {
    const mine = this.#timeline.pending.find(({ publish }) => publish.client_id === clientId);
    if (mine !== undefined) {
      this.#publish(mine.publish);
    }
  }

  withdraw(clientId: string): void {
    this.#timeline = withdrawn(this.#timeline, clientId);
    this.#options.onChange();
  }

  /** What the page itself answers. */
  tell(text: string): void {
    this.#timeline = told(this.#timeline, "info", text, this.nowMs());
    this.#options.onChange();
  }

  async act(act: Act, reason = ""): Promise<Outcome> {
    const request: ActRequest = { type: "act", client_id: newId(), reason, act };
    return new Promise((resolve) => {
      if (STOPPED.includes(this.#link)) {
        resolve(OUTCOME_AWAY);
        return;
      }
      this.#acts.set(request.client_id, { request, atMs: performance.now(), resolve });
      this.#connection.send(request);
    });
  }

  like(count: number): void {
    this.#likes = Math.min(LIKES_PER_CALL_MAX, this.#likes + count);
    this.#state = liked(this.#state, count);
    this.#likesTimer ??= window.setTimeout(() => {
      this.#likesTimer = undefined;
      if (this.#connection.send({ type: "like", count: this.#likes })) {
        this.#likes = 0;
      }
    }, LIKES_MS);
    this.#options.onChange();
  }

  #publish(publish: Publish): void {
    this.#timeline = sent(this.#timeline, publish, this.nowMs());
    this.#connection.send(publish);
    this.#options.onChange();
  }

  #linked(state: LinkState): void {
    if (this.#link === "open" || state === "open") {
      this.#linkSinceMs = performance.now();
    }
    this.#link = state;
    if (state === "connecting") {
      this.#stateIsOld = true;
    } else if (STOPPED.includes(state)) {
      this.#giveUp(() => true);
    } else if (state === "open") {
      this.#timeline = resent(this.#timeline, this.nowMs());
      for (const publish of unanswered(this.#timeline)) {
        this.#connection.send(publish);
      }
      for (const act of this.#acts.values()) {
        act.atMs = performance.now();
        this.#connection.send(act.request);
      }
      if (this.#hold.toldMs !== this.#helloHoldMs) {
        this.#connection.send({ type: "hold", hold_ms: this.#hold.toldMs });
      }
    }
    this.#options.onChange();
  }

  #take(message: ServerMessage): void {
    switch (message.type) {
      case "you":
        this.#clockOffsetMs = message.server_ms > 0 ? message.server_ms - Date.now() : 0;
        // Roles change in the middle of a connection, too: then what is counted goes on.
        this.#state = this.#stateIsOld ? UNKNOWN : this.#state;
        if (this.#becomesModerator(message)) {
          // What moderators have is in no recovery.
          this.#timeline = { ...reduce(this.#timeline, message, this.nowMs()), position: null };
          this.#connection.open();
          return;
        }
        this.#stateIsOld = false;
        break;
      case "ack": {
        const waiting = this.#acts.get(message.client_id);
        this.#acts.delete(message.client_id);
        waiting?.resolve(message.outcome);
        break;
      }
      case "state":
      case "change":
        this.#state = reduceState(this.#state, message, this.me);
        this.#timeline = moved(this.#timeline, this.#state.moves, this.nowMs());
        if (this.#state.burst > 0) {
          this.#options.onBurst(this.#state.burst);
        }
        break;
      default:
    }
    const before = this.#timeline.position;
    this.#timeline = reduce(this.#timeline, message, this.nowMs());
    if (message.type === "welcome") {
      this.#options.onWelcome?.();
    } else if (message.type === "events" && !this.#timeline.hole && before !== null) {
      this.#tellOf(message, Math.max(before.seq, this.#timeline.historyTo));
    }
    if (this.#timeline.hole) {
      // Once more from where we are; if the hole is there again, it is a gap.
      this.#timeline = { ...this.#timeline, hole: false };
      this.#connection.open();
    }
    this.#options.onChange();
  }

  #tellOf({ epoch, events }: EventFrame, afterSeq: number): void {
    for (const event of events) {
      if (event.seq > afterSeq && epoch === this.#timeline.position?.epoch) {
        this.#options.onEvent?.(event);
      }
    }
  }

  #tick(): void {
    this.#steer();
    void this.#renew();
    if (this.#link !== "open") {
      this.#options.onChange();
      return;
    }
    this.#timeline = expired(this.#timeline, this.nowMs(), ANSWER_MS_MAX);
    this.#giveUp(({ atMs }) => performance.now() - atMs > ANSWER_MS_MAX);
    this.#options.onChange();
  }

  #giveUp(takes: (act: WaitingAct) => boolean): void {
    for (const [id, act] of this.#acts) {
      if (takes(act)) {
        this.#acts.delete(id);
        act.resolve(OUTCOME_AWAY);
      }
    }
  }

  /** On a new connection that goes on where the one before ended; of any other one the edge knows by itself. */
  #becomesModerator(now: You): boolean {
    const { you: before, position } = this.#timeline;
    return this.#stateIsOld && position !== null && before !== null && now.can.includes("moderate") && !before.can.includes("moderate");
  }

  /** How far the picture is behind, by the edge's clock. */
  #behindMs(): number | null {
    const behind = this.#options.pictureBehind();
    return behind === null ? null : behind.ms + (behind.byClock ? this.#clockOffsetMs : 0);
  }

  async #renew(): Promise<void> {
    // Who slept past the end of the token came back as nobody.
    if ((await this.identity.renew()) && this.#link === "open" && this.me !== this.identity.guest?.id) {
      this.#connection.open();
    }
  }

  /** Tells the edge how far the picture is behind. */
  #steer(): void {
    const holdMs = this.#hold.observe(this.#behindMs(), this.inStep);
    if (holdMs !== null) {
      this.#connection.send({ type: "hold", hold_ms: holdMs });
    }
  }
}

/** Unique for this user: `crypto.randomUUID` is not there on a page over plain HTTP. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(12));
  return `w-${Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
