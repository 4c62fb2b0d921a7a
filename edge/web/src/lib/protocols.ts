/** Counts the protocols that media requests used, from Resource Timing. Reads no global state. */

/** Protocol name (`h3`, `h2`, `http/1.1`, `unknown`) to number of requests. */
export type ProtocolCounts = Readonly<Record<string, number>>;

/** The two fields of PerformanceResourceTiming that matter here. */
export interface RequestTiming {
  readonly name: string;
  readonly nextHopProtocol: string;
}

/** Requests remembered to name the protocol in use *now*. */
const RECENT_COUNT = 12;

export class ProtocolCounter {
  readonly #counts = new Map<string, number>();
  readonly #recent: string[] = [];
  readonly #prefix: string;

  /** Only requests whose URL starts with `prefix` are counted. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  /** Takes one finished request. */
  observe(timing: RequestTiming): void {
    if (!timing.name.startsWith(this.#prefix)) {
      return;
    }
    // Empty for a request that failed, or one that the browser's own cache answered.
    const protocol = timing.nextHopProtocol === "" ? "unknown" : timing.nextHopProtocol;
    this.#counts.set(protocol, (this.#counts.get(protocol) ?? 0) + 1);
    if (protocol !== "unknown") {
      this.#recent.push(protocol);
      if (this.#recent.length > RECENT_COUNT) {
        this.#recent.shift();
      }
    }
  }

  /** A copy of the counts. */
  counts(): ProtocolCounts {
    return Object.fromEntries(this.#counts);
  }

  /** The protocol of most of the recent requests, or null before the first. */
  current(): string | null {
    const tally = new Map<string, number>();
    let best: string | null = null;
    for (const protocol of this.#recent) {
      const n = (tally.get(protocol) ?? 0) + 1;
      tally.set(protocol, n);
      if (best === null || n >= (tally.get(best) ?? 0)) {
        best = protocol;
      }
    }
    return best;
  }
}

/** A protocol name for people: `HTTP/3`. */
export function protocolLabel(protocol: string | null): string {
  switch (protocol) {
    case null:
      return "–";
    case "h3":
      return "HTTP/3";
    case "h2":
      return "HTTP/2";
    case "http/1.1":
      return "HTTP/1.1";
    default:
      return protocol;
  }
}
