/** A message's text in pieces: words, links, mentions. Pure; what comes out is shown as text, never as markup. */

export type Piece =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "link"; readonly text: string; readonly href: string; readonly host: string }
  | { readonly type: "mention"; readonly text: string; readonly me: boolean };

/** Nobody sees format characters, and those that turn the direction would turn the address. Signs of Chinese end a sentence. */
const PIECES = /(https?:\/\/[^\s<>"'`\p{Cf}\u3001\u3002\u3008-\u3011\uff01\uff08\uff09\uff0c\uff1b\uff1f\uff61]+)|(@[\p{L}\p{N}_][\p{L}\p{N}_.-]*)/giu;
/** Signs that end a sentence, not an address. */
const TRAILING = /[.,:;!?)\]}'"»”’…]+$/u;

/** `names`: those one is called by, in any case. */
export function pieces(text: string, names: readonly string[]): readonly Piece[] {
  const found: Piece[] = [];
  let at = 0;
  const push = (piece: Piece): void => {
    if (piece.text !== "") {
      found.push(piece);
    }
  };
  for (const match of text.matchAll(PIECES)) {
    const [whole, link] = match;
    const start = match.index;
    // A mail address is no mention.
    if (link === undefined && start > 0 && /[\p{L}\p{N}]/u.test(text[start - 1] ?? "")) {
      continue;
    }
    const shown = link === undefined ? mentionOf(whole, text.slice(start), names) : closed(whole.replace(TRAILING, ""), whole);
    const url = link === undefined ? null : urlOf(shown);
    if (link !== undefined && url === null) {
      continue;
    }
    push({ type: "text", text: text.slice(at, start) });
    push(url === null ? { type: "mention", text: shown, me: isMe(shown, names) } : { type: "link", text: shown, href: url.href, host: url.host });
    at = start + shown.length;
  }
  push({ type: "text", text: text.slice(at) });
  return found;
}

/** Names may have spaces: one's own is found whole. */
function mentionOf(word: string, rest: string, names: readonly string[]): string {
  const lower = rest.toLowerCase();
  const name = names.find((name) => name !== "" && lower.startsWith(`@${name.toLowerCase()}`));
  return name === undefined || name.length < word.length - 1 ? word.replace(/[.-]+$/, "") : rest.slice(0, name.length + 1);
}

function isMe(mention: string, names: readonly string[]): boolean {
  const name = mention.slice(1).toLowerCase();
  return names.some((mine) => mine.toLowerCase() === name);
}

/** A bracket belongs to the address that opened it. */
function closed(shown: string, whole: string): string {
  return shown.includes("(") && whole.charAt(shown.length) === ")" ? `${shown})` : shown;
}

function urlOf(address: string): URL | null {
  try {
    const url = new URL(address);
    const plain = (url.protocol === "http:" || url.protocol === "https:") && url.username === "" && url.password === "";
    return plain && url.hostname !== "" ? url : null;
  } catch {
    return null;
  }
}

/** The host that a link goes to, where its text reads otherwise: in other letters, that look like these. Else empty. */
export function otherHost({ text, host }: Piece & { type: "link" }): string {
  const [, , typed = ""] = text.split(/[/?#\\]/);
  const bare = typed.toLowerCase().replace(/:\d*$/, "");
  return bare === host.replace(/:\d+$/, "") ? "" : host;
}

/** Code points and bytes, as the hub and the chat filter count them. */
export function lengthOf(text: string): { readonly characters: number; readonly bytes: number } {
  return { characters: [...text].length, bytes: new TextEncoder().encode(text).length };
}

/** Which of so many colours is a user's: the same on every page. */
export function colourOf(id: string, colours: number): number {
  let hash = 2_166_136_261;
  for (const character of id) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 16_777_619);
  }
  // The low bits of such a hash are poor.
  return ((hash >>> 8) ^ (hash >>> 20)) % colours;
}
