// Small helpers that the other scripts share. Text from the corpus becomes text nodes only; nothing here parses HTML.
"use strict";
const ray = {};

(() => {
  const SVG = "http://www.w3.org/2000/svg";

  // Creates an element. Properties that begin with "on" are listeners; null children are left out.
  ray.el = (tag, properties = {}, ...children) => {
    const made = tag === "svg" || tag === "rect" ? document.createElementNS(SVG, tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (value === null || value === undefined || value === false) continue;
      if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
      else made.setAttribute(name, value === true ? "" : String(value));
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
    return made;
  };

  // Invisible, directional and control characters as escapes, as the command line shows them.
  const HIDDEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\u{e0100}-\u{e01ef}]/gu;
  ray.visible = (text) =>
    String(text ?? "")
      .replace(/[\n\r\t]/g, " ")
      .replace(HIDDEN, (one) => {
        const code = one.codePointAt(0).toString(16);
        return code.length < 3 ? `\\x${code.padStart(2, "0")}` : code.length < 5 ? `\\u${code.padStart(4, "0")}` : `\\U${code.padStart(8, "0")}`;
      });

  // A path that may wrap after its slashes.
  ray.path = (name, title = name) =>
    ray.el("bdi", { class: "mono path", title: ray.visible(title ?? name) }, ray.visible(name).split(/(?<=\/)/).flatMap((part) => [part, ray.el("wbr")]).slice(0, -1));
  ray.number = (value) => Number(value).toLocaleString("en-US");
  ray.plural = (value, noun) => `${ray.number(value)} ${noun}${value === 1 ? "" : "s"}`;
  ray.severity = (name) => ray.el("span", { class: `sev s-${ray.about.severities.includes(name) ? name : "none"}` }, ray.visible(name));
  ray.rank = (name) => ray.about.severities.length - ray.about.severities.indexOf(name);
  ray.announce = (text) => {
    document.getElementById("status").textContent = text;
  };

  // A button that copies a text. Without access to the clipboard, the text is selected for copying by hand.
  ray.copyable = (text, label) => {
    const code = ray.el("code", { class: "copy" }, text);
    const button = ray.el("button", { type: "button", class: "small", "aria-label": `Copy ${label}`, onclick: () => ray.copy(text, code, button) }, "Copy");
    return ray.el("span", { class: "copyable" }, code, button);
  };
  ray.copy = async (text, where, button) => {
    try {
      await navigator.clipboard.writeText(text);
      if (button) button.textContent = "Copied";
      ray.announce("Copied.");
    } catch {
      if (where) getSelection().selectAllChildren(where);
      ray.announce("Press Ctrl+C to copy the selected text.");
    }
    if (button) setTimeout(() => (button.textContent = "Copy"), 1500);
  };

  // First, previous and next page of a table. `go` receives the new offset.
  ray.pager = (offset, limit, total, go) => {
    const button = (text, label, at, able) =>
      ray.el("button", { type: "button", class: "small", "aria-label": label, disabled: !able, onclick: () => go(at) }, text);
    const last = Math.min(offset + limit, total);
    return ray.el(
      "div",
      { class: "pager" },
      ray.el("span", { class: "range" }, total ? `${ray.number(offset + 1)}–${ray.number(last)} of ${ray.number(total)}` : "0"),
      button("«", "First page", 0, offset > 0),
      button("‹ Previous", "Previous page", Math.max(0, offset - limit), offset > 0),
      button("Next ›", "Next page", offset + limit, last < total),
    );
  };

  ray.about = JSON.parse(document.getElementById("about-data").textContent);
})();
