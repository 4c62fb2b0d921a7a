/**
 * Views as functions: a view builds the elements it wants, and `patch` brings what is on the page in line with them. What
 * did not change is not touched, so focus, selection, scroll positions and open `<details>` stay.
 *
 * Listeners belong on an ancestor: the elements that a view builds may never reach the page themselves.
 */

type Child = Node | string | null | false;

/** A new element. Attributes that are null or false are left out, true ones are empty. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Readonly<Record<string, string | number | boolean | null>> = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null && value !== false && value !== "") {
      element.setAttribute(name, value === true ? "" : String(value));
    }
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== false));
  return element;
}

/** Gives `live` the children of `wanted`, and its attributes. Children with a `data-key` are told apart by it. */
export function patch(live: Element, wanted: Element): void {
  if (live.isEqualNode(wanted)) {
    return;
  }
  patchAttributes(live, wanted);
  patchChildren(live, [...wanted.childNodes]);
}

/** As `patch`, for an element that only gets other children. */
export function patchChildren(live: Element, wanted: readonly Node[]): void {
  const keyed = new Map<string, Element>();
  for (const child of live.children) {
    const key = child.getAttribute("data-key");
    if (key !== null) {
      keyed.set(key, child);
    }
  }
  let cursor: ChildNode | null = live.firstChild;
  for (const next of wanted) {
    const match = matchOf(cursor, next, keyed);
    if (match === null) {
      live.insertBefore(next, cursor);
      continue;
    }
    if (match === cursor) {
      cursor = cursor.nextSibling;
    } else {
      live.insertBefore(match, cursor);
    }
    if (match instanceof Element && next instanceof Element) {
      patch(match, next);
    } else if (match.nodeValue !== next.nodeValue) {
      match.nodeValue = next.nodeValue;
    }
  }
  while (cursor !== null) {
    const gone: ChildNode = cursor;
    cursor = cursor.nextSibling;
    gone.remove();
  }
}

function matchOf(cursor: ChildNode | null, next: Node, keyed: Map<string, Element>): ChildNode | null {
  const key = next instanceof Element ? next.getAttribute("data-key") : null;
  if (key !== null) {
    const match = keyed.get(key);
    keyed.delete(key);
    return match?.nodeName === next.nodeName ? match : null;
  }
  const free = !(cursor instanceof Element) || !cursor.hasAttribute("data-key");
  return cursor !== null && free && cursor.nodeName === next.nodeName ? cursor : null;
}

function patchAttributes(live: Element, wanted: Element): void {
  for (const { name } of [...live.attributes]) {
    // Open and closed is the reader's choice.
    if (name !== "open" && !wanted.hasAttribute(name)) {
      live.removeAttribute(name);
    }
  }
  for (const { name, value } of wanted.attributes) {
    if (name !== "open" && live.getAttribute(name) !== value) {
      live.setAttribute(name, value);
    }
  }
}
