/** The URLs of the pages and of the media. Pure. */

const WATCH_PREFIX = "/watch/";
export const STUDIO_PREFIX = "/studio/";

/** The stream that a `/watch/{stream}` path names (or one with another prefix), or null. */
export function streamOfPath(pathname: string, prefix = WATCH_PREFIX): string | null {
  if (!pathname.startsWith(prefix)) {
    return null;
  }
  const segment = pathname.slice(prefix.length).replace(/\/$/, "");
  if (segment === "" || segment.includes("/")) {
    return null;
  }
  try {
    return decodeURIComponent(segment);
  } catch {
    return null;
  }
}

/** The page that plays a stream. */
export function watchPath(stream: string): string {
  return WATCH_PREFIX + encodeURIComponent(stream);
}

/** Every media URL of a stream starts with this path. */
export function livePath(stream: string): string {
  return `/live/${encodeURIComponent(stream)}/`;
}

/** The Multivariant Playlist of a stream. */
export function multivariantPath(stream: string): string {
  return `${livePath(stream)}index.m3u8`;
}

/** The page's `token` query parameter, or null. */
export function tokenOfQuery(search: string): string | null {
  const token = new URLSearchParams(search).get("token");
  return token === null || token === "" ? null : token;
}

/** A path with the token as a query parameter, for players that cannot send a header. */
export function withToken(path: string, token: string | null): string {
  return token === null ? path : `${path}?token=${encodeURIComponent(token)}`;
}
