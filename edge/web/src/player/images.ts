/** Loads the list of pictures to seek by, when somebody seeks. Without one there are simply no pictures. */

import { imagesUri, parseImages, type Picture, pictureAt, type Tile } from "../lib/images";
import { multivariantPath, withToken } from "../lib/route";

/** There is a new picture every some seconds. */
const FRESH_MS = 5000;
const TIMEOUT_MS = 5000;

export class Images {
  readonly #stream: string;
  readonly #token: string | null;
  #playlist: URL | null = null;
  /** Where the list is has to be asked: it is not known, or was not there. Another start of the stream may have it elsewhere. */
  #lost = true;
  #tiles: readonly Tile[] = [];
  #askedMs = Number.NEGATIVE_INFINITY;

  constructor(stream: string, token: string | null) {
    this.#stream = stream;
    this.#token = token;
  }

  /** Looks for new pictures, if it has not just done so. Never rejects. */
  async refresh(): Promise<void> {
    const nowMs = performance.now();
    if (nowMs - this.#askedMs < FRESH_MS) {
      return;
    }
    this.#askedMs = nowMs;
    try {
      if (this.#lost) {
        const url = new URL(multivariantPath(this.#stream), location.href);
        const uri = imagesUri(await this.#load(url));
        this.#playlist = uri === null ? null : new URL(uri, url);
      }
      this.#tiles = this.#playlist === null ? [] : parseImages(await this.#load(this.#playlist));
      this.#lost = this.#playlist === null;
    } catch {
      // The next time.
      this.#lost = true;
    }
  }

  at(timeMs: number): Picture | null {
    return pictureAt(this.#tiles, timeMs);
  }

  url(tile: Tile): string {
    return this.#playlist === null ? "" : withToken(new URL(tile.uri, this.#playlist).pathname, this.#token);
  }

  async #load(url: URL): Promise<string> {
    const headers: HeadersInit = this.#token === null ? {} : { Authorization: `Bearer ${this.#token}` };
    const response = await fetch(url, { headers, signal: AbortSignal.timeout(TIMEOUT_MS) });
    if (!response.ok) {
      throw new Error(`status ${response.status}`);
    }
    return response.text();
  }
}
