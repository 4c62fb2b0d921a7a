/** Names of renditions for the quality menu. Pure. */

import { bitrate } from "./format";

/** The fields of an hls.js level that the menu shows. */
export interface LevelFacts {
  readonly width: number;
  readonly height: number;
  readonly frameRate: number;
  readonly bitrate: number;
  readonly name: string | undefined;
}

/** `720p`, `1080p60`; the rendition's own name or its bit rate when the picture size is not known. */
export function levelLabel(level: LevelFacts): string {
  const side = Math.min(level.width, level.height);
  if (side > 0) {
    return `${side}p${level.frameRate > 30.5 ? Math.round(level.frameRate) : ""}`;
  }
  return level.name !== undefined && level.name !== "" ? level.name : bitrate(level.bitrate);
}

/** Level indexes from best to worst, as a viewer expects the menu. */
export function menuOrder(levels: readonly LevelFacts[]): readonly number[] {
  return levels
    .map((level, index) => ({ level, index }))
    .sort((a, b) => b.level.height - a.level.height || b.level.bitrate - a.level.bitrate)
    .map(({ index }) => index);
}
