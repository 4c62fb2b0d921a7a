/** What the browser remembers between visits. Storage may be forbidden; then nothing is remembered. */

const BANDWIDTH_KEY = "weir.bandwidth";
const SOUND_KEY = "weir.sound";
const VOLUME_KEY = "weir.volume";
const STATS_KEY = "weir.stats";
const CHAT_KEY = "weir.chat";
const ROOMS_KEY = "weir.rooms";
const FILL_KEY = "weir.fill";
const STEP_KEY = "weir.step";

/** First guess for a viewer never seen before, in bits per second: enough for a middle rendition. */
const BANDWIDTH_DEFAULT = 4_000_000;
const BANDWIDTH_MIN = 300_000;
const BANDWIDTH_MAX = 50_000_000;

/** The bandwidth of the last visit, made a little smaller. */
export function recallBandwidth(): number {
  const stored = Number(recall(BANDWIDTH_KEY) ?? Number.NaN);
  const guess = Number.isFinite(stored) && stored > 0 ? stored * 0.8 : BANDWIDTH_DEFAULT;
  return Math.min(BANDWIDTH_MAX, Math.max(BANDWIDTH_MIN, guess));
}

export function rememberBandwidth(bitsPerSecond: number | null): void {
  if (bitsPerSecond !== null && bitsPerSecond > 0) {
    remember(BANDWIDTH_KEY, String(Math.round(bitsPerSecond)));
  }
}

/** Whether the viewer had the sound on. */
export function recallSound(): boolean {
  return recall(SOUND_KEY) === "on";
}

export function rememberSound(on: boolean): void {
  remember(SOUND_KEY, on ? "on" : "off");
}

export function recallVolume(): number {
  const stored = Number(recall(VOLUME_KEY) ?? 1);
  return stored > 0 && stored <= 1 ? stored : 1;
}

export function rememberVolume(volume: number): void {
  remember(VOLUME_KEY, volume.toFixed(2));
}

/** Whether the statistics were open, or null if the viewer never chose. */
export function recallStats(): boolean | null {
  const stored = recall(STATS_KEY);
  return stored === null ? null : stored === "open";
}

export function rememberStats(open: boolean): void {
  remember(STATS_KEY, open ? "open" : "closed");
}

/** Whether the viewer had the chat open; at first it is. */
export function recallChat(): boolean {
  return recall(CHAT_KEY) !== "closed";
}

export function rememberChat(open: boolean): void {
  remember(CHAT_KEY, open ? "open" : "closed");
}

/** Whether this server had rooms the last time. */
export function recallRooms(): boolean {
  return recall(ROOMS_KEY) === "on";
}

export function rememberRooms(on: boolean): void {
  remember(ROOMS_KEY, on ? "on" : "off");
}

/** Whether the viewer wants the chat in step with the picture, or null if they never chose. */
export function recallStep(): boolean | null {
  const stored = recall(STEP_KEY);
  return stored === null ? null : stored === "on";
}

export function rememberStep(on: boolean): void {
  remember(STEP_KEY, on ? "on" : "off");
}

/** Whether a wide picture fills a high screen. */
export function recallFill(): boolean {
  return recall(FILL_KEY) === "on";
}

export function rememberFill(on: boolean): void {
  remember(FILL_KEY, on ? "on" : "off");
}

function recall(key: string): string | null {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}

function remember(key: string, value: string): void {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Private mode or a full disk: not worth a word.
  }
}
