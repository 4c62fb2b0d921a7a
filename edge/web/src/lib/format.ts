/** Numbers and times as text. Pure: the time of day is always an argument. */

const DASH = "–";

/** `1.8 s`, `12 s`; a dash for what is not known. */
export function seconds(value: number | null): string {
  if (value === null || !Number.isFinite(value)) {
    return DASH;
  }
  const digits = Math.abs(value) < 9.95 ? 1 : 0;
  return `${value.toFixed(digits)} s`;
}

/** A span of time as a player shows it: `42 s`, `1:23`, `1:02:03`. */
export function span(value: number | null): string {
  if (value === null || !Number.isFinite(value) || value < 59.5) {
    return seconds(value);
  }
  const whole = Math.round(value);
  const two = (number: number): string => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor((whole % 3600) / 60);
  return hours > 0 ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
}

/** Milliseconds as `340 ms` below a second, else as seconds. */
export function milliseconds(value: number | null): string {
  if (value === null || !Number.isFinite(value)) {
    return DASH;
  }
  return value < 1000 ? `${Math.round(value)} ms` : seconds(value / 1000);
}

/** Bits per second as `850 kb/s` or `4.2 Mb/s`. */
export function bitrate(bitsPerSecond: number | null): string {
  if (bitsPerSecond === null || !Number.isFinite(bitsPerSecond) || bitsPerSecond <= 0) {
    return DASH;
  }
  if (bitsPerSecond < 999_500) {
    return `${Math.round(bitsPerSecond / 1000)} kb/s`;
  }
  const megabits = bitsPerSecond / 1_000_000;
  return `${megabits.toFixed(megabits < 9.95 ? 1 : 0)} Mb/s`;
}

/** How long something has run: `just now`, `4 min`, `2 h 05 min`, `3 days`. */
export function elapsed(fromMs: number, nowMs: number): string {
  const minutes = Math.floor((nowMs - fromMs) / 60_000);
  if (minutes < 1) {
    return "just now";
  }
  if (minutes < 60) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  }
  return `${Math.floor(hours / 24)} days`;
}

/** The clock time `10:32`, with the date in front when it was another day. */
export function clockTime(atMs: number, nowMs: number, locale?: string): string {
  const at = new Date(atMs);
  const time = at.toLocaleTimeString(locale, { hour: "2-digit", minute: "2-digit" });
  if (at.toDateString() === new Date(nowMs).toDateString()) {
    return time;
  }
  return `${at.toLocaleDateString(locale, { day: "numeric", month: "short" })}, ${time}`;
}

/** `since 10:32 · 4 min`. */
export function liveSince(startedMs: number, nowMs: number, locale?: string): string {
  return `since ${clockTime(startedMs, nowMs, locale)} · ${elapsed(startedMs, nowMs)}`;
}

/** `720p`, `1080p60`: the short side of the picture, and the rate when it is above 30. */
export function resolution(width: number | null, height: number | null, fps: number | null): string {
  if (width === null || height === null || width <= 0 || height <= 0) {
    return "";
  }
  const rate = fps !== null && fps > 30.5 ? String(Math.round(fps)) : "";
  return `${Math.min(width, height)}p${rate}`;
}

/** A count with its noun: `1 stall`, `3 stalls`. */
export function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}
