/**
 * Who is signed in on this page. The access token is in memory and nowhere else; the refresh token is a cookie that no script
 * reads. It is used once per refresh, so all tabs do this one after the other, and tell each other what came of it.
 *
 * Nothing happens before `restore`, which every page calls once.
 */

import { backoffMs } from "../lib/backoff";
import { parseSignedIn, parseUser, type SignedIn, type User } from "./parse";
import { asProblem, CODE_UNAVAILABLE, Problem, problemOf } from "./problem";
import { browserWorld, type World } from "./world";

export { Problem } from "./problem";
export type { User } from "./parse";

/** Whether this server has accounts: `none` is known by a 404, `unknown` before anybody answered. */
export type Accounts = "unknown" | "none" | "there";

/** What came of asking for another token, as rooms call it. */
export type Renewed = "again" | "later" | "no";

const TIMEOUT_MS = 8000;
/** Password hashing takes its time, and waits for its turn. */
const SIGN_IN_TIMEOUT_MS = 20_000;
/** Refreshed when less than this is left, or a fifth of the token's life. */
const MARGIN_MS = 60_000;
/** Too near to its end to be shown. */
const STALE_MS = 5000;
const RETRY = { firstMs: 2000, maxMs: 60_000 } as const;

interface Held {
  readonly token: string;
  readonly expiresAtMs: number;
  readonly lifeMs: number;
}

export class Session {
  readonly #world: World;
  readonly #listeners = new Set<() => void>();
  #user: User | null = null;
  #held: Held | null = null;
  #accounts: Accounts = "unknown";
  #restored: Promise<void> | null = null;
  #refreshing: Promise<Renewed> | null = null;
  #attempt = 0;
  #timer = 0;

  constructor(world: World) {
    this.#world = world;
  }

  get user(): User | null {
    return this.#user;
  }

  get accounts(): Accounts {
    return this.#accounts;
  }

  /** To show at the door of a room. It may have ended: then the door says so, and `renew` has another one. */
  get token(): string | null {
    return this.#held?.token ?? null;
  }

  /** Somebody else is signed in, or nobody, or their name or roles have changed. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Who was signed in is again. Never rejects. */
  restore(): Promise<void> {
    this.#restored ??= this.#restore();
    return this.#restored;
  }

  async signIn(login: string, password: string): Promise<void> {
    await this.#enter("/api/session", { login, password, cookie: true });
  }

  async register(login: string, name: string, password: string): Promise<void> {
    await this.#enter("/api/accounts", { login, name, password, cookie: true });
  }

  /** Rejects when the server was not reached: the cookie would sign in again with the next page. */
  async signOut(): Promise<void> {
    await this.#world.exclusive(async () => {
      const response = await this.#post("/api/session/end", {}, TIMEOUT_MS);
      if (!response.ok && response.status !== 401 && response.status !== 404) {
        throw await problemOf(response);
      }
      this.#leave(true);
    });
  }

  /** The server has ended this sign-in by itself: the account is erased, or all sign-ins were ended. */
  forget(): void {
    this.#leave(true);
  }

  /** What the server said of the user is newer than what is known. */
  learn(value: unknown): void {
    const user = parseUser(value);
    if (user !== null && user.id === this.#user?.id) {
      this.#know(user);
      this.#world.tell({ type: "user", user: value });
    }
  }

  /**
   * As `fetch`, as who is signed in: what they asked for is never asked for as somebody else who signs in meanwhile. Rejects with a
   * `Problem` when nobody answers. A body has to be one that can be sent twice.
   */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    if (!/^\/(?!\/)/.test(path)) {
      // Another site must not see the token.
      throw new TypeError("not a path of this site");
    }
    const asker = this.#user?.id;
    if (this.#held !== null && this.#held.expiresAtMs - this.#world.now() < STALE_MS) {
      await this.renew(this.#held.token);
      if (this.#user !== null && this.#user.id !== asker) {
        throw new Problem(401, "signed-out");
      }
    }
    const shown = this.token;
    const response = await this.#send(path, init, shown);
    if (response.status !== 401 || shown === null || (await isAboutPassword(response))) {
      return response;
    }
    const again = (await this.renew(shown)) === "again" && this.#user?.id === asker;
    return again ? this.#send(path, init, this.token) : response;
  }

  /** What the server says; what it is has to be checked before use. Rejects with a `Problem`. */
  async json<T = unknown>(path: string, init: RequestInit = {}): Promise<T> {
    const response = await this.fetch(path, init);
    if (!response.ok) {
      throw await problemOf(response);
    }
    return (response.status === 204 ? undefined : await response.json().catch(() => Promise.reject(new Problem(response.status, CODE_UNAVAILABLE)))) as T;
  }

  /** Another access token than the one that was shown. */
  async renew(shown: string | null): Promise<Renewed> {
    if (this.#held === null) {
      return "no";
    }
    if (this.#held.token !== shown && this.#held.expiresAtMs > this.#world.now() + STALE_MS) {
      return "again";
    }
    this.#refreshing ??= this.#refresh(shown).finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  async #restore(): Promise<void> {
    this.#world.listen(
      (message) => this.#hear(message),
      () => this.#wake(),
    );
    if (this.#world.recall() === false) {
      // Nobody was: it is enough to know whether anybody could be.
      await this.#ask();
      return;
    }
    if ((await this.#refresh(null)) === "later") {
      this.#again(() => void this.#retryRestore());
    }
  }

  async #retryRestore(): Promise<void> {
    if (this.#held === null && (await this.#refresh(null)) === "later") {
      this.#again(() => void this.#retryRestore());
    }
  }

  async #ask(): Promise<void> {
    try {
      const response = await this.#world.fetch("/api/accounts", { headers: { Accept: "application/json" }, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      const offered: unknown = response.ok ? await response.json() : null;
      const enabled = typeof offered === "object" && offered !== null && "enabled" in offered && offered.enabled === true;
      this.#learnAccounts(response.ok ? (enabled ? 401 : 404) : response.status);
    } catch {
      // As when the answer says nothing.
    }
    if (this.#accounts === "unknown") {
      this.#again(() => void (this.#accounts === "unknown" ? this.#ask() : undefined));
    }
  }

  async #enter(path: string, body: unknown): Promise<void> {
    await this.#world.exclusive(async () => {
      const response = await this.#post(path, body, SIGN_IN_TIMEOUT_MS);
      if (!response.ok) {
        throw await problemOf(response);
      }
      const value: unknown = await response.json().catch(() => null);
      const signedIn = parseSignedIn(value);
      if (signedIn === null) {
        throw new Problem(response.status, CODE_UNAVAILABLE);
      }
      this.#adopt(signedIn, true);
    });
  }

  async #refresh(shown: string | null): Promise<Renewed> {
    return this.#world.exclusive(async () => {
      const held = this.#held;
      if (held !== null && held.token !== shown && held.expiresAtMs > this.#world.now() + STALE_MS) {
        // Another tab did it while this one waited.
        return "again";
      }
      let response: Response;
      try {
        // Also past the end of the page: the server takes the old cookie no more, and the new one comes with the answer.
        response = await this.#post("/api/session/refresh", {}, TIMEOUT_MS, true);
      } catch {
        return "later";
      }
      const signedIn = response.ok ? parseSignedIn(await response.json().catch(() => null)) : null;
      if (signedIn !== null) {
        this.#adopt(signedIn, true);
        return "again";
      }
      if ([401, 403, 404, 405].includes(response.status)) {
        this.#learnAccounts(response.status);
        this.#leave(true);
        return "no";
      }
      return "later";
    });
  }

  async #post(path: string, body: unknown, timeoutMs: number, keepalive = false): Promise<Response> {
    try {
      return await this.#world.fetch(path, {
        method: "POST",
        headers: { Accept: "application/json", "Content-Type": "application/json" },
        body: JSON.stringify(body),
        keepalive,
        signal: AbortSignal.timeout(timeoutMs),
      });
    } catch (error) {
      throw asProblem(error);
    }
  }

  async #send(path: string, init: RequestInit, token: string | null): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("Accept")) {
      headers.set("Accept", "application/json");
    }
    if (init.body !== undefined && !headers.has("Content-Type")) {
      headers.set("Content-Type", "application/json");
    }
    if (token !== null) {
      headers.set("Authorization", `Bearer ${token}`);
    }
    try {
      return await this.#world.fetch(path, { cache: "no-store", ...init, headers, signal: init.signal ?? AbortSignal.timeout(TIMEOUT_MS) });
    } catch (error) {
      throw asProblem(error);
    }
  }

  #adopt({ token, expiresInMs, user }: SignedIn, tells: boolean): void {
    this.#attempt = 0;
    this.#held = { token, expiresAtMs: this.#world.now() + expiresInMs, lifeMs: expiresInMs };
    this.#accounts = "there";
    if (tells) {
      this.#world.remember(true);
      this.#world.tell({ type: "in", access_token: token, expires_at_ms: this.#held.expiresAtMs, user: wire(user) });
    }
    this.#schedule();
    this.#know(user);
  }

  #leave(tells: boolean): void {
    this.#timer += 1;
    this.#held = null;
    if (tells) {
      this.#world.remember(false);
      this.#world.tell({ type: "out" });
    }
    this.#know(null);
  }

  #know(user: User | null): void {
    const changed = JSON.stringify(user) !== JSON.stringify(this.#user);
    this.#user = user;
    if (changed) {
      this.#changed();
    }
  }

  #learnAccounts(status: number): void {
    const before = this.#accounts;
    if (status === 404 || status === 405) {
      this.#accounts = "none";
    } else if (status === 401 || status === 403) {
      this.#accounts = "there";
    }
    if (before !== this.#accounts) {
      this.#changed();
    }
  }

  #changed(): void {
    for (const listener of [...this.#listeners]) {
      listener();
    }
  }

  /** What another tab of this site says. */
  #hear(message: unknown): void {
    const { type, expires_at_ms: expiresAtMs, user } = (message ?? {}) as Record<string, unknown>;
    if (type === "out") {
      this.#leave(false);
    } else if (type === "user") {
      const known = parseUser(user);
      if (known !== null && known.id === this.#user?.id) {
        this.#know(known);
      }
    } else if (type === "in" && typeof expiresAtMs === "number") {
      const signedIn = parseSignedIn({ ...(message as object), expires_in: (expiresAtMs - this.#world.now()) / 1000 });
      if (signedIn !== null && (signedIn.user.id !== this.#user?.id || expiresAtMs >= (this.#held?.expiresAtMs ?? 0))) {
        this.#adopt(signedIn, false);
      }
    }
  }

  #schedule(): void {
    if (this.#held === null) {
      return;
    }
    const { expiresAtMs, lifeMs } = this.#held;
    // Not all tabs at once, though one of them would do.
    const margin = Math.min(MARGIN_MS, lifeMs / 5) * (1 + Math.random() / 2);
    this.#after(Math.max(1000, expiresAtMs - margin - this.#world.now()));
  }

  #after(ms: number): void {
    const timer = (this.#timer += 1);
    this.#world.later(() => {
      if (timer === this.#timer && this.#held !== null) {
        void this.#keepFresh();
      }
    }, ms);
  }

  async #keepFresh(): Promise<void> {
    if ((await this.renew(this.token)) === "later") {
      this.#after(backoffMs((this.#attempt += 1), RETRY, Math.random()));
    }
  }

  #again(run: () => void): void {
    this.#world.later(run, backoffMs((this.#attempt += 1), RETRY, Math.random()));
  }

  /** A machine that slept knows nothing of timers. */
  #wake(): void {
    if (this.#held !== null && this.#held.expiresAtMs - this.#world.now() < Math.min(MARGIN_MS, this.#held.lifeMs / 5)) {
      void this.#keepFresh();
    }
  }
}

/** A wrong password is no reason to ask again, and would count twice. */
async function isAboutPassword(response: Response): Promise<boolean> {
  return (await problemOf(response.clone())).code === "wrong-credentials";
}

function wire({ createdAtMs, ...user }: User): unknown {
  return { ...user, created_at_ms: createdAtMs };
}

/** The one of this page. */
export const session = new Session(browserWorld());
