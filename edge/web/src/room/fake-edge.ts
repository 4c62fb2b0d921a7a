/** What the tests of this folder play the edge, and the browser, with. */

import { vi } from "vitest";

/** A WebSocket that the test plays the edge of. */
export class FakeSocket extends EventTarget {
  static readonly OPEN = 1;
  static all: FakeSocket[] = [];
  readyState = 0;
  readonly sent: { type: string; client_id?: string }[] = [];

  constructor(readonly url: URL) {
    super();
    FakeSocket.all.push(this);
  }

  static get last(): FakeSocket {
    return FakeSocket.all.at(-1) as FakeSocket;
  }

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.dispatchEvent(new Event("open"));
  }

  says(...texts: string[]): void {
    for (const data of texts) {
      this.dispatchEvent(Object.assign(new Event("message"), { data }));
    }
  }

  ends(code: number): void {
    this.dispatchEvent(Object.assign(new Event("close"), { code }));
  }
}

/** An event stream that says what the test says. */
export class FakeEvents {
  readonly response: Response;
  #controller: ReadableStreamDefaultController<Uint8Array> | null = null;

  constructor() {
    const stream = new ReadableStream<Uint8Array>({ start: (controller) => void (this.#controller = controller) });
    this.response = new Response(stream, { status: 200 });
  }

  says(...texts: string[]): void {
    for (const text of texts) {
      this.beats(`data: ${text}\n\n`);
    }
  }

  /** A comment, as the edge sends it when it has nothing to say. */
  beats(text = ":\n\n"): void {
    this.#controller?.enqueue(new TextEncoder().encode(text));
  }
}

export class FakeStorage {
  readonly #items = new Map<string, string>();
  readonly getItem = (key: string): string | null => this.#items.get(key) ?? null;
  readonly setItem = (key: string, value: string): void => void this.#items.set(key, value);
  readonly removeItem = (key: string): void => void this.#items.delete(key);
}

/** The browser around a page with this address, with a clock that stands still. */
export function fakeBrowser(href = "https://edge.example/watch/x"): { reload: () => void } {
  vi.useFakeTimers();
  FakeSocket.all = [];
  const { hash, pathname, search } = new URL(href);
  const place = { href, hash, pathname, search, reload: vi.fn() };
  vi.stubGlobal("WebSocket", FakeSocket);
  vi.stubGlobal("location", place);
  vi.stubGlobal("history", { state: null, replaceState: (_state: unknown, _title: string, path: string) => Object.assign(place, { hash: "", href: `https://edge.example${path}` }) });
  vi.stubGlobal("window", Object.assign(new EventTarget(), { setTimeout, clearTimeout, setInterval, clearInterval }));
  vi.stubGlobal("document", Object.assign(new EventTarget(), { visibilityState: "visible" }));
  vi.stubGlobal("sessionStorage", new FakeStorage());
  vi.stubGlobal("localStorage", new FakeStorage());
  // Node 18 has none.
  let drawn = 0;
  vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array) => bytes.fill((drawn += 1)) });
  vi.spyOn(Math, "random").mockReturnValue(0);
  return place;
}

export function realBrowser(): void {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
}
