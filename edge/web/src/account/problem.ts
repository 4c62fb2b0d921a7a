/** Why the server did not do what it was asked: `application/problem+json`, or what stands for it. */

import { field, text } from "../lib/json";

/** No answer, or none that one can read. */
export const CODE_UNAVAILABLE = "unavailable";
/** No answer in time. Then status is 0, too. */
export const CODE_TIMEOUT = "timeout";
const RETRY_AFTER_MS_MAX = 24 * 3600_000;

export class Problem extends Error {
  /** 0 when nobody answered. */
  readonly status: number;
  /** Stable; what words are chosen by. */
  readonly code: string;
  /** A sentence of the server's, in its own language. */
  readonly detail: string;
  readonly retryAfterMs: number | null;

  constructor(status: number, code: string, detail = "", retryAfterMs: number | null = null) {
    super(`${status} ${code}`);
    this.name = "Problem";
    this.status = status;
    this.code = code;
    this.detail = detail;
    this.retryAfterMs = retryAfterMs;
  }
}

/** What an answer that is no success says. The body is read, as far as it is one. */
export async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => null);
  const code = text(field(body, "code"));
  return new Problem(response.status, code === "" ? codeOfStatus(response.status) : code, text(field(body, "detail")), retryAfterMs(response.headers.get("Retry-After"), body));
}

/** Whatever went wrong, as a problem. */
export function asProblem(error: unknown): Problem {
  if (error instanceof Problem) {
    return error;
  }
  return new Problem(0, error instanceof DOMException && error.name === "TimeoutError" ? CODE_TIMEOUT : CODE_UNAVAILABLE);
}

/** Proxies on the way say things without a code. Pure. */
export function codeOfStatus(status: number): string {
  switch (status) {
    case 401:
      return "signed-out";
    case 402:
      return "insufficient";
    case 403:
      return "forbidden";
    case 404:
      return "absent";
    case 429:
      return "too-many";
    default:
      return status >= 500 || status === 0 ? CODE_UNAVAILABLE : "refused";
  }
}

/** The body is exact, the header counts seconds. Pure. */
export function retryAfterMs(header: string | null, body: unknown): number | null {
  const exact = field(body, "retry_after_ms");
  const ms = typeof exact === "number" ? exact : header !== null && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : null;
  return ms === null || !Number.isFinite(ms) || ms < 0 ? null : Math.min(ms, RETRY_AFTER_MS_MAX);
}
