// The table of artifacts that were not fully checked: search, a filter by reason code, and pages. Its rows are always embedded.
"use strict";
(() => {
  const { el, visible } = ray;
  const LIMIT = 50;
  const SEARCHED = ["artifact", "member", "engine", "reason", "status"];

  class GapsTable {
    constructor(root) {
      Object.assign(this, { root, text: "", code: "", offset: 0 });
      this.body = el("tbody");
      this.foot = el("div", { class: "foot" });
    }

    async start() {
      const { rows, columns } = await ray.embedded("gaps");
      const value = (name, row) => columns[name].values[columns[name].codes[row]];
      this.rows = Array.from({ length: rows }, (_, row) => Object.fromEntries(Object.keys(columns).map((name) => [name, value(name, row)])));
      const codes = [...new Set(this.rows.map((row) => row.reason_code ?? ""))].filter(Boolean).sort();
      const search = el("input", { type: "search", placeholder: "Search artifact, engine, reason", "aria-label": "Search what was not checked", autocomplete: "off", spellcheck: "false",
        oninput: (event) => this.draw({ text: event.target.value.trim().toLowerCase(), offset: 0 }) });
      const code = el("select", { "aria-label": "Reason code", onchange: (event) => this.draw({ code: event.target.value, offset: 0 }) },
        el("option", { value: "" }, "Reason code: all"), codes.map((name) => el("option", { value: name }, visible(name))));
      const head = ["Artifact", "Status", "Engine", "Reason"].map((title) => el("th", { scope: "col" }, title));
      this.root.replaceChildren(el("div", { class: "filters", role: "search" }, search, code),
        el("div", { class: "scroll" }, el("table", { class: "gaps", "aria-label": "Artifacts that were not fully checked" }, el("thead", {}, el("tr", {}, head)), this.body)), this.foot);
      this.draw({});
    }

    draw(changes) {
      Object.assign(this, changes);
      const fits = (row) => (!this.code || row.reason_code === this.code) && (!this.text || SEARCHED.some((name) => row[name]?.toLowerCase().includes(this.text)));
      const found = this.rows.filter(fits);
      this.body.replaceChildren(...found.slice(this.offset, this.offset + LIMIT).map((row) => this.#line(row)));
      if (!found.length) this.body.append(el("tr", {}, el("td", { colspan: 4, class: "empty" }, "Nothing matches.")));
      this.foot.replaceChildren(el("span"), ray.pager(this.offset, LIMIT, found.length, (offset) => this.draw({ offset })));
    }

    #line(row) {
      return el("tr", {},
        el("td", { "data-title": "Artifact" }, ray.path(row.member ? `${row.artifact}!/${row.member}` : row.artifact, row.uri), row.location ? el("span", { class: "quiet at" }, visible(row.location)) : null),
        el("td", { "data-title": "Status" }, el("span", { class: "tag" }, visible(row.status))),
        el("td", { "data-title": "Engine" }, visible(row.engine ?? "all")),
        el("td", { "data-title": "Reason", class: "reason" }, visible(row.reason ?? ""), " ", row.reason_code ? el("code", {}, visible(row.reason_code)) : null));
    }
  }
  ray.GapsTable = GapsTable;
})();
