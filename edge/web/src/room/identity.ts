/** Who one is in a room: by the token that a link gave, by one's account, or as a guest. */

import { type Renewal, roomPath } from "./connection";

const GUEST_KEY = "weir.guest";
/** Renewed when less than this is left. */
const RENEW_MS = 10 * 60_000;
const RENEW_INTERVAL_MS = 30_000;
/** So often an account's token is shown to an edge that refuses it. */
const REFUSALS_MAX = 3;

export interface Guest {
  readonly token: string;
  readonly id: string;
  readonly name: string;
  readonly expiresMs: number;
}

/** Who is signed in, as far as a room has to know. */
export interface Account {
  readonly token: string | null;
  renew(shown: string | null): Promise<Renewal>;
  onChange(listener: () => void): void;
}

/** `name-taken`, `bad-name`, `closed`, `too-many`, `unavailable`. */
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

/** Whether a token says that its time is over. One that says nothing is not. Pure. */
export function hasEnded(token: string, nowMs: number): boolean {
  try {
    const [, claims = ""] = token.split(".");
    const { exp } = JSON.parse(atob(claims.replaceAll("-", "+").replaceAll("_", "/"))) as { exp?: unknown };
    return typeof exp === "number" && exp * 1000 <= nowMs;
  } catch {
    return false;
  }
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
    case 403:
      return "closed";
    case 429:
      return "too-many";
    default:
      return "unavailable";
  }
}

export class Identity {
  readonly #key: string;
  readonly #playback: string | null;
  readonly #account: Account | null;
  /** What the account showed when it was heard of last. */
  #accountShown: string | null;
  readonly #listeners: (() => void)[] = [];
  #given: string | null;
  #guest: Guest | null;
  /** A guest's token that this room does not take. Another room may. */
  #refused: string | null = null;
  /** As `#refused`, of the account's. */
  #refusedAccount: string | null = null;
  #refusals = 0;
  #renewedMs = Number.NEGATIVE_INFINITY;
  #renewal: Promise<Renewal> | null = null;

  /** Takes the token out of the address at once, so that nobody copies it with the link. `playback`: the page's `?token=`. */
  constructor(room: string, playback: string | null, account: Account | null = null) {
    this.#account = account;
    this.#accountShown = account?.token ?? null;
    this.#key = `weir.token.${roomPath(room)}`;
    this.#playback = playback;
    const token = tokenOfFragment(location.hash);
    if (token !== null) {
      load(() => sessionStorage.setItem(this.#key, token));
      hideFragment();
    }
    this.#given = token ?? load(() => sessionStorage.getItem(this.#key));
    this.#guest = stored();
    // From the beginning: somebody may have come before anybody listens here.
    account?.onChange(() => this.#follow(account.token));
    // A link to the page that is open loads nothing: only the fragment changes.
    window.addEventListener("hashchange", () => this.#take(tokenOfFragment(location.hash)));
  }

  /** What to show at the door. */
  get token(): string | null {
    return this.#given ?? this.#accountToken ?? this.#guestToken ?? this.#playback;
  }

  /** With a token of one's own there is nothing to choose. */
  get isGiven(): boolean {
    return this.#given !== null || this.#accountToken !== null;
  }

  /** Whether it is the account that one is here by. */
  get isAccount(): boolean {
    return this.#given === null && this.#accountToken !== null;
  }

  /** Calls back when another token is the one to show, because somebody has signed in or out, or has another name or other roles. */
  onChange(listener: () => void): void {
    this.#listeners.push(listener);
  }

  #follow(token: string | null): void {
    if (token === this.#accountShown) {
      // Something else is known, such as whether there are accounts at all.
      return;
    }
    this.#accountShown = token;
    this.#acceptAccount();
    if (this.#given === null) {
      for (const listener of this.#listeners) {
        listener();
      }
    }
  }

  #acceptAccount(): void {
    this.#refusedAccount = null;
    this.#refusals = 0;
  }

  get #accountToken(): string | null {
    const token = this.#account?.token ?? null;
    return token === this.#refusedAccount ? null : token;
  }

  /** None where the room did not take them: then they are asked for a name again. */
  get guest(): Guest | null {
    return this.#guest?.token === this.#refused ? null : this.#guest;
  }

  get #guestToken(): string | null {
    const guest = this.guest;
    return guest !== null && guest.expiresMs > Date.now() ? guest.token : null;
  }

  /** A guest's name, the first or another one; the id stays. Throws a `GuestError`. */
  async name(name: string): Promise<Guest> {
    // Also one that is refused or has ended: the origin knows who it was, and whose the name is.
    const guest = await ask(name, this.#guest?.token ?? null);
    this.#keep(guest);
    return guest;
  }

  /** A guest's token, before it ends. True if there is another one now. */
  async renew(): Promise<boolean> {
    const { guest } = this;
    if (this.isGiven || guest === null || guest.expiresMs - Date.now() > RENEW_MS || performance.now() - this.#renewedMs < RENEW_INTERVAL_MS) {
      return false;
    }
    return (await this.#askOrForget(guest)) === "again";
  }

  /** The token that was shown has ended, says the edge. */
  async replace(shown: string | null): Promise<Renewal> {
    if (this.#given !== null) {
      return "no";
    }
    if (this.#account !== null && this.#accountToken !== null) {
      const renewal = await this.#account.renew(shown);
      // Who is signed out listens, or is a guest again.
      return renewal === "no" ? "again" : renewal;
    }
    // Another tab, or a moment ago this one, may have renewed it.
    const kept = stored();
    if (kept !== null && kept.expiresMs > (this.#guest?.expiresMs ?? 0)) {
      this.#guest = kept;
    }
    const { guest } = this;
    if (guest === null) {
      return "no";
    }
    if (guest.expiresMs > Date.now() && guest.token !== shown) {
      return "again";
    }
    const renewal = await this.#ask(guest);
    if (renewal === "no") {
      // Then one listens.
      this.#forgetGuest();
      return "again";
    }
    return renewal;
  }

  /**
   * The edge refuses the token that was shown. One that was given is kept until its time is over: an edge that has just
   * started knows no keys yet, and a broadcaster has no other one. A guest listens.
   */
  async refuse(shown: string | null): Promise<Renewal> {
    if (this.#given !== null) {
      if (!hasEnded(this.#given, Date.now())) {
        return "no";
      }
      this.#given = null;
      load(() => sessionStorage.removeItem(this.#key));
      return "again";
    }
    if (this.#account !== null && this.#accountToken !== null) {
      return this.#refuseAccount(this.#account, shown);
    }
    if (shown !== null && shown === this.#guest?.token) {
      this.#refused = shown;
      return "again";
    }
    // Who is a guest came as nobody, because the token had ended.
    return this.guest === null ? "no" : this.replace(shown);
  }

  /** A guest of another day is one again; where the name is somebody else's by now, they are asked anew. */
  async freshen(): Promise<void> {
    // Who connects again by hand wants it to be tried.
    this.#refused = null;
    this.#acceptAccount();
    const guest = this.#guest;
    if (!this.isGiven && guest !== null && guest.expiresMs <= Date.now()) {
      await this.#askOrForget(guest);
    }
  }

  /** It may have ended. An edge that has just started may know no keys yet; one that goes on refusing has one listen. */
  async #refuseAccount(account: Account, shown: string | null): Promise<Renewal> {
    const token = this.#accountToken;
    if (token !== null && token === shown && !hasEnded(token, Date.now())) {
      this.#refusals += 1;
      this.#refusedAccount = this.#refusals < REFUSALS_MAX ? null : token;
      return "again";
    }
    const renewal = await account.renew(shown);
    return renewal === "no" ? "again" : renewal;
  }

  async #askOrForget(guest: Guest): Promise<Renewal> {
    const renewal = await this.#ask(guest);
    if (renewal === "no" && guest.expiresMs <= Date.now()) {
      this.#forgetGuest();
    }
    return renewal;
  }

  /** The origin takes a token for some days after its end: the guest stays the same one. */
  #ask(guest: Guest): Promise<Renewal> {
    this.#renewedMs = performance.now();
    this.#renewal ??= ask(guest.name, guest.token)
      .then(
        (renewed): Renewal => {
          this.#keep(renewed);
          return "again";
        },
        (error: unknown): Renewal => (error instanceof GuestError && !["unavailable", "too-many"].includes(error.code) ? "no" : "later"),
      )
      .finally(() => (this.#renewal = null));
    return this.#renewal;
  }

  #take(token: string | null): void {
    if (token === null) {
      return;
    }
    // Where nothing can be kept, the page that is loaded finds it in the address.
    if (load(() => sessionStorage.setItem(this.#key, token) ?? true) === true) {
      hideFragment();
    }
    location.reload();
  }

  #forgetGuest(): void {
    this.#guest = null;
    load(() => localStorage.removeItem(GUEST_KEY));
  }

  #keep(guest: Guest): void {
    this.#guest = guest;
    const { token, id, name, expiresMs } = guest;
    load(() => localStorage.setItem(GUEST_KEY, JSON.stringify({ token, user: { id, name }, expires_at_ms: expiresMs })));
  }
}

function hideFragment(): void {
  history.replaceState(history.state, "", location.pathname + location.search);
}

function stored(): Guest | null {
  return parseGuest(parse(load(() => localStorage.getItem(GUEST_KEY))));
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
