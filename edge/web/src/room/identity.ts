/** Who one is in a room: the token that a link gave, or that of a guest. */

import { roomPath } from "./connection";

const GUEST_KEY = "weir.guest";
/** Renewed when less than this is left. */
const RENEW_MS = 10 * 60_000;
const RENEW_INTERVAL_MS = 30_000;

export interface Guest {
  readonly token: string;
  readonly id: string;
  readonly name: string;
  readonly expiresMs: number;
}

/** `name-taken`, `bad-name`, `too-many`, `unavailable`. */
export class GuestError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(code);
    this.code = code;
  }
}

/** The token of an address' fragment, `#token=...`. Pure. */
export function tokenOfFragment(hash: string): string | null {
  const token = new URLSearchParams(hash.replace(/^#/, "")).get("token");
  return token === null || token === "" ? null : token;
}

/** What a stored or received guest is; none if it is not one. Pure. */
export function parseGuest(value: unknown): Guest | null {
  const from = typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
  const user = typeof from["user"] === "object" && from["user"] !== null ? (from["user"] as Record<string, unknown>) : {};
  const { token, expires_at_ms: expiresMs } = from;
  const { id, name } = user;
  return typeof token === "string" && token !== "" && typeof id === "string" && typeof name === "string" && typeof expiresMs === "number"
    ? { token, id, name, expiresMs }
    : null;
}

/** The `code` of a problem, or what the status means. Pure. */
export function guestErrorCode(status: number, problem: unknown): string {
  const code = typeof problem === "object" && problem !== null ? (problem as Record<string, unknown>)["code"] : undefined;
  if (code === "name-taken" || code === "bad-name") {
    return code;
  }
  switch (status) {
    case 409:
      return "name-taken";
    case 400:
      return "bad-name";
    case 429:
      return "too-many";
    default:
      return "unavailable";
  }
}

export class Identity {
  readonly #key: string;
  readonly #playback: string | null;
  #given: string | null;
  #guest: Guest | null;
  #renewedMs = Number.NEGATIVE_INFINITY;

  /** Takes the token out of the address at once, so that nobody copies it with the link. `playback`: the page's `?token=`. */
  constructor(room: string, playback: string | null) {
    this.#key = `weir.token.${roomPath(room)}`;
    this.#playback = playback;
    const token = tokenOfFragment(location.hash);
    if (token !== null) {
      load(() => sessionStorage.setItem(this.#key, token));
      history.replaceState(history.state, "", location.pathname + location.search);
    }
    this.#given = token ?? load(() => sessionStorage.getItem(this.#key));
    this.#guest = parseGuest(parse(load(() => localStorage.getItem(GUEST_KEY))));
  }

  /** What to show at the door. */
  get token(): string | null {
    return this.#given ?? this.#guestToken ?? this.#playback;
  }

  /** With a token of one's own there is nothing to choose. */
  get isGiven(): boolean {
    return this.#given !== null;
  }

  get guest(): Guest | null {
    return this.#guest;
  }

  get #guestToken(): string | null {
    return this.#guest !== null && this.#guest.expiresMs > Date.now() ? this.#guest.token : null;
  }

  /** A guest's name, the first or another one; the id stays. Throws a `GuestError`. */
  async name(name: string): Promise<Guest> {
    const old = this.#guestToken;
    const guest = await ask(name, old);
    this.#keep(guest);
    return guest;
  }

  /** Before the guest's token ends. True if there is another one now. */
  async renew(force: boolean): Promise<boolean> {
    const guest = this.#guest;
    if (this.#given !== null || guest === null) {
      return false;
    }
    if (guest.expiresMs - Date.now() > RENEW_MS) {
      // What has ended is one that was renewed since.
      return force;
    }
    if (performance.now() - this.#renewedMs < RENEW_INTERVAL_MS) {
      return false;
    }
    this.#renewedMs = performance.now();
    try {
      this.#keep(await ask(guest.name, this.#guestToken));
      return true;
    } catch {
      return false;
    }
  }

  /** A guest of another day is one again; where the name is somebody else's by now, they are asked anew. */
  async freshen(): Promise<void> {
    const guest = this.#guest;
    if (this.#given !== null || guest === null || guest.expiresMs > Date.now()) {
      return;
    }
    try {
      this.#keep(await ask(guest.name, guest.token));
    } catch (error) {
      if (!(error instanceof GuestError && error.code === "unavailable")) {
        this.forget();
      }
    }
  }

  /** The edge does not take the token: what is left is to listen. True if there was one to forget. */
  forget(): boolean {
    const had = this.#given !== null || this.#guest !== null;
    this.#given = null;
    this.#guest = null;
    load(() => sessionStorage.removeItem(this.#key));
    load(() => localStorage.removeItem(GUEST_KEY));
    return had;
  }

  #keep(guest: Guest): void {
    this.#guest = guest;
    const { token, id, name, expiresMs } = guest;
    load(() => localStorage.setItem(GUEST_KEY, JSON.stringify({ token, user: { id, name }, expires_at_ms: expiresMs })));
  }
}

async function ask(name: string, old: string | null): Promise<Guest> {
  let response: Response;
  try {
    response = await fetch("/api/guests", {
      method: "POST",
      headers: { "Content-Type": "application/json", ...(old === null ? {} : { Authorization: `Bearer ${old}` }) },
      body: JSON.stringify({ name }),
      signal: AbortSignal.timeout(8000),
    });
  } catch {
    throw new GuestError("unavailable");
  }
  const body: unknown = await response.json().catch(() => null);
  const guest = response.ok ? parseGuest(body) : null;
  if (guest === null) {
    throw new GuestError(guestErrorCode(response.status, body));
  }
  return guest;
}

function parse(json: string | null | undefined): unknown {
  try {
    return json === null || json === undefined ? null : JSON.parse(json);
  } catch {
    return null;
  }
}

/** Storage may be forbidden, or full: then it lasts as long as the page. */
function load<T>(use: () => T): T | null {
  try {
    return use();
  } catch {
    return null;
  }
}
