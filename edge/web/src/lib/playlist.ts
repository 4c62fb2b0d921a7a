/** The little of the playlist syntax that the page needs before hls.js runs. Not a parser: hls.js has one. */

/** The URI of the first Variant Stream of a Multivariant Playlist, or null if it lists none. */
export function firstVariantUri(multivariant: string): string | null {
  let afterStreamInf = false;
  for (const raw of multivariant.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("#EXT-X-STREAM-INF:")) {
      afterStreamInf = true;
    } else if (afterStreamInf && line !== "" && !line.startsWith("#")) {
      return line;
    }
  }
  return null;
}

/** Whether the text is a playlist at all. */
export function isPlaylist(text: string): boolean {
  return text.trimStart().startsWith("#EXTM3U");
}

/** Whether a Media Playlist says that the show is over. */
export function hasEnded(media: string): boolean {
  return media.split("\n").some((line) => line.trim() === "#EXT-X-ENDLIST");
}
