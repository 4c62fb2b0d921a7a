/** The browser that a `Session` lives in. */

/** The browser around the page. Tests have one of their own. */
export interface World {
  fetch(path: string, init: RequestInit): Promise<Response>;
  now(): number;
  /** One at a time among all tabs. */
  exclusive<T>(run: () => Promise<T>): Promise<T>;
  /** To the other tabs. */
  tell(message: unknown): void;
  listen(onMessage: (message: unknown) => void, onWake: () => void): void;
  later(run: () => void, ms: number): void;
  /** Whether somebody was signed in here the last time; null where nothing can be kept. */
  recall(): boolean | null;
  remember(signedIn: boolean): void;
}

const NAME = "weir.session";
const KEY = "weir.account";

export function browserWorld(): World {
  let channel: BroadcastChannel | null = null;
  let last: Promise<unknown> = Promise.resolve();
  return {
    fetch: (path, init) => fetch(path, init),
    now: () => Date.now(),
    exclusive(run) {
      // Only where the connection is secure; else one after the other in this tab at least.
      const locks = (navigator as { readonly locks?: LockManager }).locks;
      if (locks !== undefined) {
        return locks.request(NAME, run) as ReturnType<typeof run>;
      }
      const next = last.then(run, run);
      last = next.catch(() => undefined);
      return next;
    },
    tell: (message) => channel?.postMessage(message),
    listen(onMessage, onWake) {
      if (typeof BroadcastChannel === "function") {
        channel = new BroadcastChannel(NAME);
        channel.addEventListener("message", (event: MessageEvent<unknown>) => onMessage(event.data));
      }
      const look = (): void => {
        if (document.visibilityState === "visible") {
          onWake();
        }
      };
      document.addEventListener("visibilitychange", look);
      window.addEventListener("online", look);
    },
    later: (run, ms) => void window.setTimeout(run, ms),
    recall() {
      try {
        return localStorage.getItem(KEY) !== null;
      } catch {
        return null;
      }
    },
    remember(signedIn) {
      try {
        if (signedIn) {
          localStorage.setItem(KEY, "1");
        } else {
          localStorage.removeItem(KEY);
        }
      } catch {
        // Then it is asked for each time.
      }
    },
  };
}
