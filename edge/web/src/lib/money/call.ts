/** Asks the API, with whatever fetches for it: the session's `fetch`, or one of a test. */

import { asProblem, CODE_TIMEOUT } from "../../account/problem";
import { record, text } from "../filters/parse";
import { Keys } from "./keys";

const READ_TIMEOUT_MS = 10_000;
/** A change is done or refused by then; the audit of a large ledger takes longer than that. */
const CHANGE_TIMEOUT_MS = 30_000;

export type Fetch = (path: string, init: RequestInit) => Promise<Response>;

export interface Change {
  readonly method: "POST" | "PUT" | "PATCH" | "DELETE";
  readonly path: string;
  readonly body?: object;
  readonly timeoutMs?: number;
}

/** An answer that is no success, or (status 0) none. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterMs: number | null;

  constructor(status: number, code: string, message: string, retryAfterMs: number | null = null) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  /** Whether nobody knows if it was done: then the same may be sent again, with the same key. */
  get isOpen(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

/** What a problem's body says (RFC 9457), or the status when it says nothing. */
export function refusedOf(status: number, body: unknown, retryAfter: string | null): Refused {
  const problem = record(body);
  const told = text(problem?.["detail"]) || text(problem?.["title"]) || `the server answered ${status}`;
  const ms = problem?.["retry_after_ms"];
  const seconds = Number(retryAfter ?? Number.NaN);
  const afterMs = typeof ms === "number" && ms >= 0 ? ms : Number.isFinite(seconds) && seconds >= 0 ? seconds * 1000 : null;
  return new Refused(status, text(problem?.["code"]), told, afterMs);
}

/** What went wrong, as a sentence. */
export function said(error: unknown): string {
  if (!(error instanceof Refused)) {
    return sentence(error instanceof Error ? error.message : String(error));
  }
  const wait = error.retryAfterMs === null || error.retryAfterMs < 1000 ? "" : ` Try again in ${Math.ceil(error.retryAfterMs / 1000)} s.`;
  return sentence(error.message) + wait;
}

function sentence(words: string): string {
  const [first = ""] = words;
  return first.toUpperCase() + words.slice(first.length) + (/[.!?…]$/.test(words) ? "" : ".");
}

export class Caller {
  readonly #fetch: Fetch;
  readonly #keys: Keys;

  constructor(fetch: Fetch, keys = new Keys()) {
    this.#fetch = fetch;
    this.#keys = keys;
  }

  /** `GET`, read by `parse`; rejects with `Refused`. */
  async get<T>(path: string, parse: (json: unknown) => T | null): Promise<T> {
    return checked(await json(await this.#ask(path, { method: "GET" }, READ_TIMEOUT_MS), READ_TIMEOUT_MS), parse);
  }

  /** The answer itself, for downloads; it may take as long as it takes. Rejects with `Refused`. */
  async raw(path: string, signal: AbortSignal): Promise<Response> {
    return this.#ask(path, { method: "GET", signal }, null);
  }

  /** A change. A POST that nobody answered goes with the same key when it is asked for again. Rejects with `Refused`. */
  async change<T>(change: Change, parse: (json: unknown) => T | null): Promise<T> {
    return this.#send(change, async (response, timeoutMs) => checked(await json(response, timeoutMs), parse));
  }

  /** As `change`, where the answer says nothing. */
  async do(change: Change): Promise<void> {
    await this.#send(change, () => Promise.resolve());
  }

  /** Until the answer is read nobody knows what it was: the key stays what it is. */
  async #send<T>({ method, path, body, timeoutMs = CHANGE_TIMEOUT_MS }: Change, read: (response: Response, timeoutMs: number) => Promise<T>): Promise<T> {
    const content = body === undefined ? null : JSON.stringify(body);
    const headers: Record<string, string> = content === null ? {} : { "Content-Type": "application/json" };
    const key = method === "POST" ? this.#keys.take(path, content ?? "") : null;
    if (key !== null) {
      headers["Idempotency-Key"] = key;
    }
    try {
      const answer = await read(await this.#ask(path, { method, headers, ...(content === null ? {} : { body: content }) }, timeoutMs), timeoutMs);
      this.#keys.settle(path, content ?? "");
      return answer;
    } catch (error) {
      if (error instanceof Refused && !error.isOpen) {
        this.#keys.settle(path, content ?? "");
      }
      throw error;
    }
  }

  async #ask(path: string, init: RequestInit, timeoutMs: number | null): Promise<Response> {
    let response: Response;
    try {
      const signal = timeoutMs === null ? {} : { signal: AbortSignal.timeout(timeoutMs) };
      response = await this.#fetch(path, { ...init, ...signal, cache: "no-store" });
    } catch (error) {
      throw unanswered(error, timeoutMs);
    }
    if (!response.ok) {
      throw refusedOf(response.status, await response.json().catch(() => null), response.headers.get("Retry-After"));
    }
    return response;
  }
}

/** The session may have a problem of its own to tell: that nobody is signed in any more, or that it took too long. */
function unanswered(error: unknown, timeoutMs: number | null): Refused {
  const { status, code, detail, retryAfterMs } = asProblem(error);
  if (status > 0) {
    return new Refused(status, code, detail || `the server answered ${status}`, retryAfterMs);
  }
  return code === CODE_TIMEOUT ? new Refused(0, code, `no answer within ${(timeoutMs ?? 0) / 1000} s`) : new Refused(0, "", "the server cannot be reached");
}

/** Null for what is no JSON; that the rest of it does not come is no answer. */
async function json(response: Response, timeoutMs: number): Promise<unknown> {
  try {
    return await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) {
      return null;
    }
    throw unanswered(error, timeoutMs);
  }
}

function checked<T>(answer: unknown, parse: (json: unknown) => T | null): T {
  const parsed = parse(answer);
  if (parsed === null) {
    throw new Refused(0, "", "the answer is not what this page understands");
  }
  return parsed;
}
