/** Requests to the edge's admin listener. */

import { problemText } from "../lib/filters/words";

const READ_TIMEOUT_MS = 8000;
const CHANGE_TIMEOUT_MS = 30_000;

/** An answer that is no success, or (status 0) none at all. */
export class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** `GET`, read by `parse`; rejects with `Refused`. */
export async function get<T>(path: string, parse: (json: unknown) => T | null, token: string | null = null): Promise<T> {
  const parsed = parse(await request(path, { method: "GET" }, token, READ_TIMEOUT_MS));
  if (parsed === null) {
    throw new Refused(0, "the answer is not what this page understands");
  }
  return parsed;
}

/** `POST` of a JSON body; rejects with `Refused`. */
export async function post(path: string, body: object, token: string): Promise<unknown> {
  const init = { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } };
  return request(path, init, token, CHANGE_TIMEOUT_MS);
}

async function request(path: string, init: RequestInit, token: string | null, timeoutMs: number): Promise<unknown> {
  const headers = new Headers(init.headers);
  headers.set("Accept", "application/json");
  let response: Response;
  let json: unknown = null;
  try {
    if (token !== null) {
      headers.set("Authorization", `Bearer ${token}`);
    }
    response = await fetch(path, { ...init, headers, cache: "no-store", signal: AbortSignal.timeout(timeoutMs) });
    json = await response.json().catch(() => null);
  } catch (error) {
    const slow = error instanceof DOMException && error.name === "TimeoutError";
    throw new Refused(0, slow ? `no answer within ${timeoutMs / 1000} s` : "this edge cannot be reached");
  }
  if (!response.ok) {
    throw new Refused(response.status, problemText(response.status, json));
  }
  return json;
}
