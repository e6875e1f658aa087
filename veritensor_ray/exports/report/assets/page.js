// Puts the page together: theme, links, keyboard, printing, and the tables once the page has been painted.
"use strict";
(() => {
  const { el } = ray;
  const byId = (id) => document.getElementById(id);

  // ── theme: that of the system until somebody switches it
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const theme = () => document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
  const setTheme = (name) => {
    document.documentElement.dataset.theme = name;
    ray.redraw?.();
  };
  byId("theme").addEventListener("click", () => setTheme(theme() === "dark" ? "light" : "dark"));
  dark.addEventListener("change", () => ray.redraw?.());

  // ── printing: everything is open, in light colors
  let closed = [];
  let before = null;
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
    before = document.documentElement.dataset.theme ?? null;
    setTheme("light");
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
    if (before === null) delete document.documentElement.dataset.theme;
    else setTheme(before);
    ray.redraw?.();
  });
  byId("print").addEventListener("click", () => print());

  // ── rules
  const cards = new Map([...document.querySelectorAll("[data-rule]")].map((card) => [card.dataset.rule, card]));
  ray.card = (rule) => cards.get(rule);
  byId("open-rules")?.addEventListener("click", (event) => {
    const open = [...cards.values()].some((card) => !card.open);
    for (const card of cards.values()) card.open = open;
    event.target.textContent = open ? "Close all" : "Open all";
  });

  // ── the tables
  const source = () => ray.extend.source ?? new ray.EmbeddedSource();
  const start = async () => {
    ray.table = new ray.FindingsTable(byId("findings-table"), source());
    if (ray.about.trend.length > 1) ray.trend(byId("trend-chart"), ray.about.trend);
    const gaps = ray.about.gaps.total ? new ray.GapsTable(byId("gaps-table")).start() : null;
    const others = ray.extend.starts.map((begin) => begin());
    await ray.table.start();
    await Promise.all([gaps, ...others]);
    ray.ready = true;
    document.documentElement.dataset.ready = "true";
    await follow();
  };
  // Numbers and rules that lead to the table, narrowed to them.
  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-filter]");
    if (!button || !ray.table?.facets) return;
    const { filter, value } = button.dataset;
    ray.table.clear().then(() => ray.table.setFilter(filter === "folder" ? { group: { group: "folder", key: value } } : { [filter]: [value] }));
    byId("findings").scrollIntoView();
    ray.announce("The table of findings is filtered.");
  });

  // ── links to one finding or one rule
  const follow = async () => {
    const [kind, value] = (() => {
      try {
        return decodeURIComponent(location.hash.slice(1)).split(/=(.*)/s);
      } catch {
        return [];
      }
    })();
    if (kind === "rule" && cards.has(value)) {
      cards.get(value).open = true;
      cards.get(value).scrollIntoView();
      cards.get(value).querySelector("summary").focus({ preventScroll: true });
    }
    if (kind === "finding" && /^[0-9a-f]{6,32}$/i.test(value ?? "") && ray.table?.facets) {
      ray.table.group = "none";
      await ray.table.clear();
      await ray.table.setFilter({ finding: value, suppressed: "yes" });
      ray.table.select(0, false);
      await ray.table.toggle();
      byId("findings").scrollIntoView();
    }
  };
  addEventListener("hashchange", follow);

  // ── keyboard
  const move = (by) => ray.table.select(ray.table.at + by);
  const page = (by) => ray.table.pager.querySelector(`[aria-label="${by > 0 ? "Next" : "Previous"} page"]`)?.click();
  const keys = {
    "/": { help: "Search", run: () => (byId("findings").scrollIntoView(), ray.table.search.focus()) },
    j: { help: "Next row (also ↓)", run: () => move(1) },
    k: { help: "Previous row (also ↑)", run: () => move(-1) },
    Enter: { help: "Open or close the row", run: () => ray.table.toggle() },
    n: { help: "Next page", run: () => page(1) },
    p: { help: "Previous page", run: () => page(-1) },
    g: { help: "Group by place, evidence, rule, folder, or not at all", run: () => ray.table.setGroup(ray.GROUPS[(ray.GROUPS.indexOf(ray.table.group) + 1) % ray.GROUPS.length]) },
    c: { help: "Copy the command that shows the passage", run: () => ray.table.selected() && ray.copy(ray.about.command.replace("{id}", ray.table.selected().finding_id)) },
    x: { help: "Remove all filters", run: () => ray.table.clear() },
    Escape: { help: "Close the row, or leave the search", run: () => ray.table.close() },
    "?": { help: "Show this list", run: () => help() },
  };
  const also = { ArrowDown: "j", ArrowUp: "k" };
  const help = () => {
    const all = Object.entries({ ...keys, ...ray.extend.keys });
    byId("keys").querySelector("dl").replaceChildren(...all.map(([key, { help: text }]) => el("div", {}, el("dt", {}, el("kbd", {}, key === "Escape" ? "Esc" : key)), el("dd", {}, text))));
    byId("keys").showModal();
  };
  byId("help").addEventListener("click", help);
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || byId("keys").open || document.querySelector("dialog[open]")) return;
    const field = event.target.closest?.("input, textarea, select");
    if (field) {
      if (event.key === "Escape") field.blur();
      return;
    }
    const key = also[event.key] ?? event.key;
    // Arrows move the page until a row is selected; Enter on a button or link is theirs.
    if (event.key.startsWith("Arrow") && ray.table?.at < 0) return;
    if (key === "Enter" && event.target.closest?.("button, a, summary")) return;
    const found = ray.extend.keys[key] ?? keys[key];
    if (!found || !ray.table?.facets) return;
    event.preventDefault();
    found.run(ray.table);
  });

  // The rows are decoded after the first paint.
  addEventListener("DOMContentLoaded", () => requestAnimationFrame(() => setTimeout(start)));
})();
