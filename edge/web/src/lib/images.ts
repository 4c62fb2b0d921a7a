/** Pictures to seek by: where the image playlist is, what it lists, and which picture belongs to a time. Pure. */

/** One file of pictures, row by row. */
export interface Tile {
  readonly uri: string;
  /** Wall-clock time of the first picture. */
  readonly startMs: number;
  readonly intervalMs: number;
  readonly count: number;
  /** Size of one picture. */
  readonly width: number;
  readonly height: number;
  readonly columns: number;
  readonly rows: number;
}

/** A picture in its file. */
export interface Picture {
  readonly tile: Tile;
  readonly column: number;
  readonly row: number;
}

const TILES_MAX = 5000;

/** The URI of the image playlist that a Multivariant Playlist names, or null. */
export function imagesUri(multivariant: string): string | null {
  const line = multivariant.split("\n").find((text) => text.startsWith("#EXT-X-IMAGE-STREAM-INF:"));
  return line === undefined ? null : attribute(line, "URI");
}

/** The tiles of an image playlist, oldest first; those that make no sense are left out. */
export function parseImages(text: string): readonly Tile[] {
  const tiles: Tile[] = [];
  let startMs = Number.NaN;
  let durationMs = Number.NaN;
  let shape = "";
  const add = (tile: Tile | null): void => {
    if (tile !== null && tiles.length < TILES_MAX) {
      tiles.push(tile);
    }
  };
  for (const raw of text.split("\n")) {
    const line = raw.trim();
    if (line.startsWith("#EXT-X-PROGRAM-DATE-TIME:")) {
      startMs = Date.parse(line.slice(25));
    } else if (line.startsWith("#EXTINF:")) {
      durationMs = Number.parseFloat(line.slice(8)) * 1000;
    } else if (line.startsWith("#EXT-X-TILES:")) {
      shape = line;
    } else if (line.startsWith("#EXT-X-WEIR-OPEN-TILE:")) {
      const uri = attribute(line, "URI") ?? "";
      add(tileOf(line, uri, Date.parse(attribute(line, "PROGRAM-DATE-TIME") ?? ""), Number(attribute(line, "COUNT"))));
    } else if (line !== "" && !line.startsWith("#")) {
      const intervalMs = Number(attribute(shape, "DURATION")) * 1000;
      add(tileOf(shape, line, startMs, Math.round(durationMs / intervalMs)));
    }
  }
  return tiles;
}

/** The last picture made at or before a time, unless another should have been made since. */
export function pictureAt(tiles: readonly Tile[], atMs: number): Picture | null {
  for (let index = tiles.length - 1; index >= 0; index -= 1) {
    const tile = tiles[index];
    if (tile === undefined || tile.startMs > atMs) {
      continue;
    }
    const due = Math.floor((atMs - tile.startMs) / tile.intervalMs);
    if (due > tile.count) {
      return null;
    }
    const number = Math.min(due, tile.count - 1);
    return { tile, column: number % tile.columns, row: Math.floor(number / tile.columns) };
  }
  return null;
}

function tileOf(line: string, uri: string, startMs: number, count: number): Tile | null {
  const [width = 0, height = 0] = pair(attribute(line, "RESOLUTION"));
  const [columns = 0, rows = 0] = pair(attribute(line, "LAYOUT"));
  const intervalMs = Number(attribute(line, "DURATION")) * 1000;
  const numbers = [width, height, columns, rows, intervalMs, count];
  const plausible = numbers.every((number) => Number.isFinite(number) && number >= 1) && count <= columns * rows;
  // A name beside the playlist, and nowhere else.
  if (!plausible || !Number.isFinite(startMs) || !/^[\w.-]+$/.test(uri)) {
    return null;
  }
  return { uri, startMs, intervalMs, count, width, height, columns, rows };
}

function pair(text: string | null): readonly number[] {
  return (text ?? "").split("x").map(Number);
}

function attribute(line: string, name: string): string | null {
  const found = new RegExp(`[:,]${name}=(?:"([^"]*)"|([^,]*))`).exec(line);
  return found?.[1] ?? found?.[2] ?? null;
}
