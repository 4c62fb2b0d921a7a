/** The little help with the DOM that both pages use. Text goes in as text, never as markup. */

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

/** The element with this id, which the page's own markup must have. */
export function byId<T extends Element>(id: string, type: { new (): T }): T {
  const element = document.getElementById(id);
  if (!(element instanceof type)) {
    throw new Error(`the page has no ${type.name} #${id}`);
  }
  return element;
}

/** A new element with a class and text or children. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  if (className !== "") {
    element.className = className;
  }
  element.append(...children);
  return element;
}

/** A new SVG element with attributes. */
export function makeSvg(tag: string, attributes: Readonly<Record<string, string>>, ...children: Node[]): SVGElement {
  const element = document.createElementNS(SVG_NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

/** An icon of the page's sprite. */
export function icon(name: string): SVGElement {
  return makeSvg("svg", { class: "icon", "aria-hidden": "true" }, makeSvg("use", { href: `#i-${name}` }));
}

/** Shows another icon of the sprite in a button that has one. */
export function setIcon(button: Element, name: string): void {
  setAttribute(button.querySelector("use"), "href", `#i-${name}`);
}

/** Sets text only where it differs: a screen reader should not hear, nor the browser lay out, what did not change. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) {
    element.textContent = text;
  }
}

/** As `setText`, for an attribute. */
export function setAttribute(element: Element | null, name: string, value: string): void {
  if (element !== null && element.getAttribute(name) !== value) {
    element.setAttribute(name, value);
  }
}
