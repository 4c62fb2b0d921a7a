/**
 * One client's connection to a room, for as long as the page wants it: WebSocket first; server-sent events and POST where
 * WebSockets do not open. It says hello, notices a dead link, and comes back. It knows nothing of what is said.
 */

import { backoffMs } from "../lib/backoff";
import { type ClientMessage, parseServerMessage, type Position, type ServerMessage } from "./protocol";
import { SseParser } from "./sse";

/**
 * `connecting`: no welcome yet. `open`. `waiting`: will try again by itself. `absent`: there are no rooms here, or not this
 * one. `denied`: the token is missing or refused. `removed`, `superseded`, `broken`: does not come back by itself.
 */
export type LinkState = "connecting" | "open" | "waiting" | "absent" | "denied" | "removed" | "superseded" | "broken";

/** What came of asking for another token: `again`: there is one, or none is needed; `later`: nobody answered; `no`: there is none. */
export type Renewal = "again" | "later" | "no";

export interface ConnectionOptions {
  readonly room: string;
  /** Read at each attempt: it may have changed. */
  token(): string | null;
  resume(): Position | null;
  holdMs(): number;
  onMessage(message: ServerMessage): void;
  onState(state: LinkState): void;
  /** The token that was shown has ended, or is refused. */
  renew(refused: boolean, shown: string | null): Promise<Renewal>;
}

const RETRY = { firstMs: 500, maxMs: 30_000 } as const;
/** A connection that lived so long was a good one: the next wait is a short one again. */
const STABLE_MS = 10_000;
const OPEN_MS_MAX = 10_000;
const PONG_MS_MAX = 10_000;
/** A POST without an answer holds up what was said after it. */
const POST_MS_MAX = 10_000;
const HEARTBEAT_MS = 20_000;
/** Heartbeats without a sign of life after which an event stream is dead: nobody can be asked there. */
const SILENT_BEATS_MAX = 2;
/** Sockets that did not open, in a row, before the other way is tried. */
const SOCKET_FAILURES_MAX = 2;
/** The same, where a socket has opened before: then the edge is away rather than that something forbids sockets. */
const SOCKET_FAILURES_KNOWN_MAX = 8;
const SUBPROTOCOL = "weir.room.v1.json";

/** What a close code, or the status of an answer, means. */
type End = "again" | "removed" | "broken" | "expired" | "superseded" | "refused" | "denied" | "absent";

const ENDS: Readonly<Record<string, End>> = {
  4002: "broken", 4010: "removed", 4011: "expired", 4012: "superseded",
  protocol: "broken", removed: "removed", expired: "expired", superseded: "superseded",
};

/** The path of a room's endpoints. */
export function roomPath(room: string): string {
  return `/api/rooms/${encodeURIComponent(room)}`;
}

/** Whether the edge has such a room: null when nobody answers, or who answers does not know. */
export async function hasRoom(room: string): Promise<boolean | null> {
  try {
    const response = await fetch(roomPath(room), { cache: "no-store", signal: AbortSignal.timeout(8000) });
    if (response.ok || response.status === 401 || response.status === 403) {
      return true;
    }
    return response.status === 404 ? false : null;
  } catch {
    return null;
  }
}

/** A way to the edge that is open, or will be. */
interface Transport {
  /** Whether a ping is answered. */
  readonly answers: boolean;
  send(message: ClientMessage): void;
  close(): void;
}

export class Connection {
  readonly #options: ConnectionOptions;
  #transport: Transport | null = null;
  #state: LinkState = "connecting";
  #wanted = false;
  #attempt = 0;
  #socketFailures = 0;
  #socketsWork = false;
  #heard = false;
  #welcomed = false;
  #heardMs = 0;
  #heartbeatMs = HEARTBEAT_MS;
  #nonce = 0;
  #retryAfterMs: number | null = null;
  #end: End | null = null;
  /** The token of this connection. */
  #shown: string | null = null;
  /** What is done when the wait is over. */
  #retry: (() => void) | null = null;
  #retryTimer: number | undefined;
  #openTimer: number | undefined;
  #stableTimer: number | undefined;
  #beatTimer: number | undefined;
  #pongTimer: number | undefined;

  constructor(options: ConnectionOptions) {
    this.#options = options;
    const look = (): void => {
      if (document.visibilityState === "visible") {
        this.nudge();
      }
    };
    window.addEventListener("online", look);
    document.addEventListener("visibilitychange", look);
  }

  get state(): LinkState {
    return this.#state;
  }

  /** `ws` or `sse`, for the curious. */
  get way(): "ws" | "sse" {
    return this.#socketFailures >= this.#failuresMax ? "sse" : "ws";
  }

  get #failuresMax(): number {
    return this.#socketsWork ? SOCKET_FAILURES_KNOWN_MAX : SOCKET_FAILURES_MAX;
  }

  /** Connects, or connects anew: with another token, or because something was missed. */
  open(): void {
    this.#wanted = true;
    this.#drop();
    this.#connect();
  }

  close(): void {
    this.#wanted = false;
    this.#drop();
  }

  /** False when it could not be sent. */
  send(message: ClientMessage): boolean {
    if (this.#state !== "open" || this.#transport === null) {
      return false;
    }
    this.#transport.send(message);
    return true;
  }

  /** The network or the viewer is back: asks at once whether the link is alive, or tries at once. */
  nudge(): void {
    if (!this.#wanted) {
      return;
    }
    if (this.#state === "waiting" && this.#retryAfterMs === null) {
      this.#retry?.();
    } else if (this.#state === "open" && performance.now() - this.#heardMs > this.#heartbeatMs) {
      this.#beat(PONG_MS_MAX / 2);
    }
  }

  #connect(): void {
    window.clearTimeout(this.#retryTimer);
    this.#heard = false;
    this.#welcomed = false;
    this.#end = null;
    this.#retryAfterMs = null;
    this.#retry = null;
    this.#shown = this.#options.token();
    this.#enter("connecting");
    this.#openTimer = window.setTimeout(() => this.#lost("again"), OPEN_MS_MAX);
    const events: TransportEvents = {
      onText: (text) => this.#take(text),
      onEnd: (end) => this.#lost(end),
      onRefused: (message, status) => this.#refuse(message, status),
    };
    this.#transport = this.way === "ws" ? new SocketTransport(this.#options, events) : new EventsTransport(this.#options, events);
  }

  #take(text: string): void {
    this.#heard = true;
    this.#heardMs = performance.now();
    window.clearTimeout(this.#pongTimer);
    const message = text === "" ? null : parseServerMessage(text);
    if (message === null) {
      return;
    }
    if (message.type === "you") {
      this.#heartbeatMs = Math.min(120_000, Math.max(2000, message.heartbeat_ms || HEARTBEAT_MS));
      this.#options.onMessage(message);
    } else if (message.type === "welcome") {
      // First what is known is brought up to date, then those who wait to send are told.
      this.#options.onMessage(message);
      this.#welcome();
    } else if (message.type === "close") {
      this.#retryAfterMs = message.retry_after_ms;
      this.#end = ENDS[message.code] ?? "again";
    } else {
      this.#options.onMessage(message);
    }
  }

  #welcome(): void {
    if (this.#welcomed) {
      return;
    }
    this.#welcomed = true;
    window.clearTimeout(this.#openTimer);
    this.#stableTimer = window.setTimeout(() => (this.#attempt = 0), STABLE_MS);
    this.#beatTimer = window.setInterval(() => this.#beat(PONG_MS_MAX), this.#heartbeatMs);
    this.#enter("open");
  }

  /** Asks whether the link is alive; where nobody answers, by how long it has been silent. */
  #beat(deadlineMs: number): void {
    if (this.#transport?.answers === false) {
      if (performance.now() - this.#heardMs > SILENT_BEATS_MAX * this.#heartbeatMs) {
        this.#lost("again");
      }
      return;
    }
    this.#transport?.send({ type: "ping", nonce: (this.#nonce += 1) });
    window.clearTimeout(this.#pongTimer);
    this.#pongTimer = window.setTimeout(() => this.#lost("again"), deadlineMs);
  }

  /** A POST was refused: the author is told as over a socket. */
  #refuse(message: ClientMessage, status: number): void {
    if (status === 404 || status === 401) {
      this.#lost("again");
    } else if (message.type === "publish" || message.type === "act") {
      const code = status === 429 ? "too_fast" : status === 413 || status === 400 ? "malformed" : "unavailable";
      this.#options.onMessage({ type: "ack", client_id: message.client_id, outcome: { type: "refused", code, retry_after_ms: null } });
    }
  }

  #lost(end: End): void {
    const reason = end === "again" ? (this.#end ?? end) : end;
    const retryAfterMs = this.#retryAfterMs;
    if (this.way === "sse") {
      // The next attempt is a socket again, and if that fails, events.
      this.#socketFailures = this.#failuresMax - 1;
    } else {
      this.#socketFailures = this.#heard ? 0 : this.#socketFailures + 1;
      this.#socketsWork ||= this.#heard;
    }
    this.#drop();
    if (!this.#wanted) {
      return;
    }
    switch (reason) {
      case "again":
        this.#later(retryAfterMs);
        break;
      case "expired":
      case "refused":
        this.#renew(reason === "refused");
        break;
      default:
        this.#stop(reason);
    }
  }

  #stop(state: LinkState): void {
    this.#wanted = false;
    this.#enter(state);
  }

  #later(retryAfterMs: number | null): void {
    this.#retryAfterMs = retryAfterMs;
    this.#enter("waiting");
    this.#wait(retryAfterMs, () => this.#connect());
  }

  /** Until there is another token, or it is clear that there will be none. */
  #renew(refused: boolean): void {
    this.#enter("waiting");
    void this.#options.renew(refused, this.#shown).then((renewal) => {
      if (!this.#wanted || this.#transport !== null) {
        return;
      }
      if (renewal === "again") {
        this.#later(null);
      } else if (renewal === "later") {
        this.#wait(null, () => this.#renew(refused));
      } else {
        this.#stop("denied");
      }
    });
  }

  #wait(ms: number | null, then: () => void): void {
    const delay = ms ?? backoffMs(this.#attempt, RETRY, Math.random());
    this.#attempt += 1;
    this.#retry = () => {
      window.clearTimeout(this.#retryTimer);
      this.#retry = null;
      then();
    };
    this.#retryTimer = window.setTimeout(this.#retry, delay);
  }

  #drop(): void {
    for (const timer of [this.#retryTimer, this.#openTimer, this.#stableTimer, this.#pongTimer]) {
      window.clearTimeout(timer);
    }
    window.clearInterval(this.#beatTimer);
    this.#retry = null;
    const transport = this.#transport;
    this.#transport = null;
    transport?.close();
  }

  #enter(state: LinkState): void {
    if (state !== this.#state || state === "open") {
      this.#state = state;
      this.#options.onState(state);
    }
  }
}

interface TransportEvents {
  /** One message; empty text is only a sign of life. */
  onText(text: string): void;
  onEnd(end: End): void;
  onRefused(message: ClientMessage, status: number): void;
}

class SocketTransport implements Transport {
  readonly answers = true;
  readonly #socket: WebSocket;
  #closed = false;

  constructor(options: ConnectionOptions, events: TransportEvents) {
    const url = new URL(`${roomPath(options.room)}/socket`, location.href);
    url.protocol = url.protocol === "https:" ? "wss:" : "ws:";
    const token = options.token();
    if (token !== null) {
      // Browsers send no header with a WebSocket.
      url.searchParams.set("token", token);
    }
    this.#socket = new WebSocket(url, SUBPROTOCOL);
    this.#socket.addEventListener("open", () => this.send({ type: "hello", resume: options.resume(), hold_ms: options.holdMs() }));
    this.#socket.addEventListener("message", (event: MessageEvent<unknown>) => {
      if (!this.#closed && typeof event.data === "string") {
        events.onText(event.data);
      }
    });
    this.#socket.addEventListener("close", ({ code }) => {
      if (!this.#closed) {
        events.onEnd(ENDS[String(code)] ?? "again");
      }
    });
  }

  send(message: ClientMessage): void {
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#socket.send(JSON.stringify(message));
    }
  }

  close(): void {
    this.#closed = true;
    this.#socket.close();
  }
}

/** Server-sent events by `fetch`: unlike `EventSource` it can send the token as a header, and tells the status. */
class EventsTransport implements Transport {
  /** The edge sends comments by itself. */
  readonly answers = false;
  readonly #options: ConnectionOptions;
  readonly #events: TransportEvents;
  readonly #abort = new AbortController();
  #session: string | null = null;
  /** One after the other: what was said first comes first. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: ConnectionOptions, events: TransportEvents) {
    this.#options = options;
    this.#events = events;
    void this.#read();
  }

  send(message: ClientMessage): void {
    this.#queue = this.#queue.then(() => this.#post(message));
  }

  close(): void {
    this.#abort.abort();
  }

  #headers(): Record<string, string> {
    const token = this.#options.token();
    return token === null ? {} : { Authorization: `Bearer ${token}` };
  }

  async #read(): Promise<void> {
    const { signal } = this.#abort;
    let end: End = "again";
    try {
      const url = new URL(`${roomPath(this.#options.room)}/events`, location.href);
      const resume = this.#options.resume();
      if (resume !== null) {
        url.searchParams.set("resume", `${resume.epoch}.${resume.seq}`);
      }
      url.searchParams.set("hold_ms", String(this.#options.holdMs()));
      const response = await fetch(url, { headers: { ...this.#headers(), Accept: "text/event-stream" }, cache: "no-store", signal });
      if (!response.ok || response.body === null) {
        end = endOfStatus(response.status);
      } else {
        await this.#follow(response.body);
      }
    } catch {
      // As any lost connection.
    }
    if (!signal.aborted) {
      this.#events.onEnd(end);
    }
  }

  async #follow(body: ReadableStream<Uint8Array>): Promise<void> {
    const reader = body.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>).getReader();
    const parser = new SseParser();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || this.#abort.signal.aborted) {
        return;
      }
      const texts = parser.push(value);
      if (texts.length === 0) {
        this.#events.onText("");
      }
      for (const text of texts) {
        if (this.#abort.signal.aborted) {
          // What came before this one made the page connect anew.
          return;
        }
        const message = this.#session === null ? parseServerMessage(text) : null;
        if (message?.type === "you") {
          this.#session = message.session;
        }
        this.#events.onText(text);
      }
    }
  }

  async #post(message: ClientMessage): Promise<void> {
    const url = `${roomPath(this.#options.room)}/messages?session=${encodeURIComponent(this.#session ?? "")}`;
    const { signal } = this.#abort;
    const late = new AbortController();
    const stop = (): void => late.abort();
    const timer = window.setTimeout(stop, POST_MS_MAX);
    signal.addEventListener("abort", stop);
    try {
      signal.throwIfAborted();
      const headers = { ...this.#headers(), "Content-Type": "application/json" };
      const response = await fetch(url, { method: "POST", headers, body: JSON.stringify(message), signal: late.signal });
      if (!response.ok) {
        this.#events.onRefused(message, response.status);
      }
    } catch {
      // No answer: the message waits, and goes again over the next connection.
    } finally {
      window.clearTimeout(timer);
      signal.removeEventListener("abort", stop);
    }
  }
}

function endOfStatus(status: number): End {
  switch (status) {
    case 401:
      return "refused";
    case 403:
      return "denied";
    case 404:
      return "absent";
    default:
      return "again";
  }
}
