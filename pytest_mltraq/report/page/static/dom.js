// Elements of the page. Whatever comes from the database is text here, never markup.

// Characters that turn the direction of what follows: `exe.txt` could be `txt.exe`.
const TURNING = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element.
 *
 * Properties: `on` takes listeners by event, `css` styles by name, `data` data attributes; a name that begins with a capital sets
 * a property of the element (`Value`, `Checked`); every other one is an attribute, true without a value, left away if null or false.
 */
export function el(name, properties = {}, ...children) {
  return fill(document.createElement(name), properties, children);
}

/** Make an element of SVG. */
export function svg(name, properties = {}, ...children) {
  return fill(document.createElementNS(SVG, name), properties, children);
}

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === "on") {
      for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
    } else if (name === "css") {
      for (const [property, style] of Object.entries(value)) element.style.setProperty(property, style);
    } else if (name === "data") {
      Object.assign(element.dataset, value);
    } else if (/^[A-Z]/.test(name)) {
      element[name[0].toLowerCase() + name.slice(1)] = value;
    } else {
      element.setAttribute(name, value === true ? "" : value);
    }
  }
  append(element, children);
  return element;
}

/** Append nodes and texts, also in nested lists; null, undefined and false are left away. */
export function append(element, ...children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child instanceof Node ? child : document.createTextNode(String(child).replace(TURNING, escaped)));
  }
  return element;
}

/** Put nodes in the place of what an element has. */
export function replace(element, ...children) {
  element.replaceChildren();
  return append(element, children);
}

function escaped(character) {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

let ids = 0;

/** Return an id that no other element has. */
export function newId() {
  ids += 1;
  return `e${ids}`;
}

/** Make a select with its label. Options are pairs of value and text; `change` is called with the chosen value. */
export function choice(label, options, value, change) {
  const id = newId();
  const select = el("select", { id, on: { change: () => change(select.value) } });
  for (const [key, text] of options) select.append(el("option", { value: key, selected: key === value }, text));
  return el("span", { class: "control" }, el("label", { for: id }, label), select);
}

/** Make a checkbox with its label. */
export function toggle(label, checked, change, properties = {}) {
  const box = el("input", { type: "checkbox", Checked: checked, on: { change: () => change(box.checked) }, ...properties });
  return el("label", { class: "control" }, box, label);
}

/** Make a menu of checkboxes, which opens below its button. Options are objects with `key`, `text`, `checked`. */
export function checklist(label, options, change) {
  const boxes = options.map(({ key, text, checked }) => toggle(text, checked, (on) => change(key, on)));
  const menu = el("details", { class: "menu" }, el("summary", {}, label), el("div", { class: "menu-list" }, boxes));
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape" && menu.open) {
      menu.open = false;
      menu.querySelector("summary").focus();
    }
  });
  menu.addEventListener("focusout", (event) => {
    if (event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  return menu;
}

/** Make tabs with their panels. Items are objects with `key`, `text` and `show`, which makes the panel's content. */
export function tabs(label, items, current, change) {
  const panel = el("div", { role: "tabpanel", id: newId(), tabindex: 0, class: "panel" });
  const buttons = items.map(({ key, text }) =>
    el("button", { role: "tab", id: newId(), type: "button", "aria-controls": panel.id, data: { key }, on: { click: () => select(key) } }, text),
  );
  const list = el("div", { role: "tablist", "aria-label": label, class: "tabs", on: { keydown: move } }, buttons);

  function select(key, focus = false) {
    const at = Math.max(0, items.findIndex((item) => item.key === key));
    buttons.forEach((button, place) => {
      button.setAttribute("aria-selected", String(place === at));
      button.tabIndex = place === at ? 0 : -1;
    });
    panel.setAttribute("aria-labelledby", buttons[at].id);
    if (focus) buttons[at].focus();
    change(items[at].key);
    replace(panel, items[at].show());
  }

  function move(event) {
    const at = buttons.indexOf(document.activeElement);
    const steps = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: items.length - 1 };
    if (at < 0 || !(event.key in steps)) return;
    event.preventDefault();
    select(items[(steps[event.key] + items.length) % items.length].key, true);
  }

  const start = () => select(current);
  return { list, panel, start };
}
