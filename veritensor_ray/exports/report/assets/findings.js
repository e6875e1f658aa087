// The table of findings, over any source of rows:
//   source.query({filter, group, sort, offset, limit}) -> {total, findings, rows}; source.facets() -> counts by severity, engine, rule, ...
// A script that runs before DOMContentLoaded can extend it through `ray.extend`:
//   source: replaces the embedded rows
//   filters: functions (bar, table) that add elements to the bar of filters
//   details: functions (panel, row, table) that add to an opened finding
//   keys: {key: {help, run(table)}}
//   starts: functions that begin with the page and return promises
"use strict";
(() => {
  const { el, visible, number, plural } = ray;
  ray.extend = { source: null, filters: [], details: [], keys: {}, starts: [] };

  const GROUPS = { place: "Place", evidence: "Evidence", rule: "Rule", folder: "Folder", none: "No grouping" };
  const NO_FILTER = { severity: [], engine: [], rule: [], folder: "", state: [], text: "", suppressed: "no", where: "", finding: "", group: null };
  const UNITS = {
    place: (total) => `in ${plural(total, "place")}`,
    evidence: (total) => `with ${plural(total, "different text")}`,
    rule: (total) => `of ${plural(total, "rule")}`,
    folder: (total) => `in ${plural(total, "folder")}`,
  };
  const SIZES = [25, 50, 100, 250];
  const NESTED = 25; // findings that an opened group shows before "show all"

  // Column: name to sort by, heading, class, content of a cell, groups that have it (all if absent).
  const place = (row) => {
    const name = row.member ? `${row.artifact}!/${row.member}` : row.artifact;
    return [ray.path(name), row.location ? el("span", { class: "quiet at" }, visible(row.location)) : null];
  };
  const evidence = (row) => el("span", { class: "clip" }, row.label ? [el("span", { class: `tag label-${row.label}` }, row.label), " "] : null, visible(row.evidence ?? row.message ?? ""));
  const rules = (row) => {
    const names = row.rules ?? [row.rule_id];
    return [el("span", { class: "mono" }, visible(names[0])), names.length > 1 ? el("span", { class: "more" }, `+${names.length - 1}`) : null];
  };
  const COLUMNS = [
    { by: "severity", title: "Severity", cell: (row) => ray.severity(row.severity) },
    { by: "state", title: "State", only: () => ray.about.sweep, cell: (row) => el("span", { class: "tag" }, visible(row.state)) },
    { by: "folder", title: "Folder", groups: ["folder"], cell: (row) => ray.path(ray.folder(row.artifact) || "(top)") },
    { by: "rule_id", title: "Rule", cell: rules },
    { by: "artifact", title: "Where", groups: ["none", "place", "evidence", "rule"], cell: place },
    { by: null, title: "Evidence", wide: true, cell: evidence },
    { by: "files", title: "Files", class: "n", groups: ["evidence", "rule", "folder"], cell: (row) => number(row.files) },
    { by: "findings", title: "Findings", class: "n", groups: ["place", "evidence", "rule", "folder"], cell: (row) => number(row.findings) },
    { by: "confidence", title: "Conf.", class: "n", groups: ["none"], cell: (row) => (row.confidence === null ? "–" : row.confidence.toFixed(2)) },
    { by: "count", title: "Places", class: "n", groups: ["none"], cell: (row) => number(row.count) },
  ];

  class FindingsTable {
    constructor(root, source) {
      Object.assign(this, { root, source, filter: structuredClone(NO_FILTER), group: "place", sort: null, offset: 0, limit: 50 });
      this.lines = []; // what is shown: {row, element, level, open}
      this.at = -1; // the selected line
      this.body = el("tbody");
      this.head = el("thead");
      this.summary = el("span", { class: "summary", role: "status" });
      this.pager = el("div");
      this.chips = el("div", { class: "chips" });
      this.table = el("table", { class: "findings", "aria-label": "Findings" }, this.head, this.body);
    }

    async start() {
      this.facets = await this.source.facets();
      this.root.replaceChildren(this.#bar(), this.chips, el("div", { class: "scroll" }, this.table), el("div", { class: "foot" }, this.#size(), this.pager));
      await this.refresh();
    }

    // Changes some conditions and shows the first page.
    async setFilter(changes) {
      Object.assign(this.filter, changes);
      await this.go(0);
    }

    async clear() {
      this.filter = structuredClone(NO_FILTER);
      await this.go(0);
    }

    async setGroup(group) {
      this.group = group;
      this.sort = null;
      await this.go(0);
    }

    async go(offset) {
      this.offset = offset;
      await this.refresh();
    }

    // Reads and draws the page. An answer that comes after a newer question is dropped.
    async refresh() {
      const turn = (this.turn = (this.turn ?? 0) + 1);
      this.table.setAttribute("aria-busy", "true");
      let answer;
      try {
        answer = await this.source.query({ filter: this.filter, group: this.group, sort: this.sort, offset: this.offset, limit: this.limit });
      } catch (error) {
        if (turn === this.turn) this.#failed(error);
        return;
      }
      if (turn !== this.turn) return;
      this.table.removeAttribute("aria-busy");
      this.#drawHead();
      this.#drawRows(answer.rows);
      this.summary.textContent = plural(answer.findings, "finding") + (this.group === "none" ? "" : ` ${UNITS[this.group](answer.total)}`);
      this.pager.replaceChildren(ray.pager(this.offset, this.limit, answer.total, (offset) => this.go(offset)));
      this.#drawChips();
      this.#syncBar();
    }

    // The row that is selected with the keyboard or the mouse, or null.
    selected() {
      return this.lines[this.at]?.row ?? null;
    }

    #failed(error) {
      this.table.removeAttribute("aria-busy");
      this.lines = [];
      this.body.replaceChildren(el("tr", {}, el("td", { colspan: this.#columns().length, class: "empty" }, visible(error.message ?? error))));
      this.summary.textContent = "";
      this.pager.replaceChildren();
      ray.announce(visible(error.message ?? error));
    }

    // ── the bar of filters

    #bar() {
      const later = (run) => {
        let timer;
        return (event) => {
          clearTimeout(timer);
          timer = setTimeout(() => run(event), 150);
        };
      };
      this.search = el("input", {
        type: "search", id: "search", placeholder: "Search names and text", title: "Searches artifact, member, evidence and message", "aria-label": "Search", autocomplete: "off", spellcheck: "false",
        oninput: later(() => this.setFilter({ text: this.search.value })),
      });
      this.severities = el("div", { class: "toggles", role: "group", "aria-label": "Severity" },
        ray.about.severities.map((name) => el("button", { type: "button", "data-severity": name, "aria-pressed": "false", class: `toggle t-${name}`, onclick: () => this.#toggle(name) }, name, " ", el("b", {}, number(this.facets.severity[name] ?? 0)))));
      this.folder = el("input", { type: "text", list: "folders", placeholder: "Folder", "aria-label": "Folder", autocomplete: "off", spellcheck: "false",
        oninput: later(() => this.setFilter({ folder: this.folder.value.replace(/\/+$/, "") })) });
      const folders = el("datalist", { id: "folders" }, Object.keys(this.facets.folders).sort().slice(0, 1000).map((name) => el("option", { value: name })));
      this.engine = this.#select("Engine", "engine", this.facets.engine);
      this.rule = this.#select("Rule", "rule", this.facets.rule);
      this.state = ray.about.sweep ? this.#select("State", "state", this.facets.state) : null;
      this.hidden = el("select", { "aria-label": "Suppressed", onchange: () => this.setFilter({ suppressed: this.hidden.value }) },
        [["no", "Not suppressed"], ["yes", "With suppressed"], ["only", "Only suppressed"]].map(([value, label]) => el("option", { value }, label)));
      this.grouping = el("select", { "aria-label": "Group by", onchange: () => this.setGroup(this.grouping.value) },
        Object.entries(GROUPS).map(([value, label]) => el("option", { value }, value === "none" ? label : `By ${label.toLowerCase()}`)));
      const bar = el("div", { class: "filters", role: "search" }, this.search, this.severities, this.engine, this.rule, this.state, this.folder, folders, this.hidden, this.grouping);
      for (const add of ray.extend.filters) add(bar, this);
      return bar;
    }

    #select(label, key, counts) {
      const names = Object.entries(counts).sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
      return el("select", { "aria-label": label, onchange: (event) => this.setFilter({ [key]: event.target.value ? [event.target.value] : [] }) },
        el("option", { value: "" }, `${label}: all`), names.map(([name, count]) => el("option", { value: name }, `${visible(name)} (${number(count)})`)));
    }

    #toggle(name) {
      const { severity } = this.filter;
      this.setFilter({ severity: severity.includes(name) ? severity.filter((one) => one !== name) : [...severity, name] });
    }

    #syncBar() {
      for (const button of this.severities.children) button.setAttribute("aria-pressed", String(this.filter.severity.includes(button.dataset.severity)));
      const set = (input, value) => {
        if (input && input.value !== value && input !== document.activeElement) input.value = value;
      };
      set(this.search, this.filter.text);
      set(this.folder, this.filter.folder);
      set(document.getElementById("where"), this.filter.where); // the live page has it
      for (const key of ["engine", "rule", "state"]) if (this[key]) this[key].value = this.filter[key][0] ?? "";
      this.hidden.value = this.filter.suppressed;
      this.grouping.value = this.group;
    }

    // What narrows the table, each with a button that removes it.
    #drawChips() {
      const { filter } = this;
      const chip = (text, changes) =>
        el("button", { type: "button", class: "chip", "aria-label": `Remove the filter ${text}`, onclick: () => this.setFilter(changes) }, text, el("span", { "aria-hidden": "true" }, " ×"));
      const made = [
        filter.text && chip(`contains “${visible(filter.text)}”`, { text: "" }),
        filter.severity.length > 0 && chip(filter.severity.join(" or "), { severity: [] }),
        ...["engine", "rule", "state"].map((key) => filter[key].length > 0 && chip(`${key} ${visible(filter[key].join(", "))}`, { [key]: [] })),
        filter.folder && chip(`in ${visible(filter.folder)}/`, { folder: "" }),
        filter.where && chip(`where ${visible(filter.where)}`, { where: "" }),
        filter.finding && chip(`finding ${visible(filter.finding.slice(0, 12))}`, { finding: "" }),
        filter.group && chip(filter.group.group === "folder" ? `only in ${visible(filter.group.key || "(top)")}` : `one ${filter.group.group}`, { group: null }),
        filter.suppressed === "only" && chip("suppressed only", { suppressed: "no" }),
      ].filter(Boolean);
      const clear = made.length > 1 && el("button", { type: "button", class: "link", onclick: () => this.clear() }, "Clear all");
      this.chips.replaceChildren(this.summary, ...made, ...(clear ? [clear] : []));
    }

    #size() {
      return el("label", { class: "quiet" }, "Rows ", el("select", { "aria-label": "Rows on a page", onchange: (event) => { this.limit = Number(event.target.value); this.go(0); } },
        SIZES.map((size) => el("option", { value: size, selected: size === this.limit }, String(size)))));
    }

    // ── the rows

    #columns(group = this.group) {
      return COLUMNS.filter((column) => (!column.groups || column.groups.includes(group)) && (!column.only || column.only()));
    }

    #drawHead() {
      const cells = this.#columns().map((column) => {
        const sorted = this.sort?.by === column.by && column.by !== null ? (this.sort.descending ? "descending" : "ascending") : null;
        const label = column.by === null ? column.title : el("button", { type: "button", class: "sort", onclick: () => this.#sortBy(column.by) }, column.title, sorted ? el("span", { "aria-hidden": "true" }, sorted === "descending" ? " ▾" : " ▴") : null);
        return el("th", { scope: "col", class: [column.class, column.wide && "wide"].filter(Boolean).join(" ") || null, "aria-sort": sorted }, label);
      });
      this.head.replaceChildren(el("tr", {}, cells));
    }

    #sortBy(by) {
      const first = ["severity", "findings", "files", "count", "confidence"].includes(by); // the most comes first
      this.sort = this.sort?.by === by ? (this.sort.descending === first ? { by, descending: !first } : null) : { by, descending: first };
      this.go(0);
    }

    #drawRows(rows) {
      this.lines = [];
      this.at = -1;
      this.body.replaceChildren();
      if (!rows.length) this.body.append(el("tr", {}, el("td", { colspan: this.#columns().length, class: "empty" }, "No finding matches.")));
      for (const row of rows) this.#line(row, this.group, 0, null);
    }

    // Adds a line at the end, or before the element `before`.
    #line(row, group, level, before) {
      const line = { row, group, level, open: false, opened: [] };
      line.element = el("tr", { class: `line l${level}${row.suppressed_by ? " suppressed" : ""}`, tabindex: "-1", "aria-expanded": "false", onclick: (event) => this.#clicked(line, event) },
        this.#columns(this.group).map((column) => el("td", { class: [column.class, column.wide && "wide"].filter(Boolean).join(" ") || null, "data-title": column.title }, this.#cell(column, row, group))));
      this.body.insertBefore(line.element, before);
      return line.level === 0 ? (this.lines.push(line), line) : line;
    }

    #cell(column, row, group) {
      return group === this.group || !column.groups || column.groups.includes("none") ? column.cell(row) : column.by === "findings" ? number(row.only_counted ? row.count : 1) : "";
    }

    #clicked(line, event) {
      if (event.target.closest("button, a, input, code") || String(getSelection())) return;
      this.select(this.lines.indexOf(line), false);
      this.toggle(line);
    }

    select(index, focus = true) {
      this.lines[this.at]?.element.removeAttribute("aria-current");
      this.at = Math.max(-1, Math.min(index, this.lines.length - 1));
      const line = this.lines[this.at];
      if (!line) return;
      line.element.setAttribute("aria-current", "true");
      if (focus) {
        line.element.focus({ preventScroll: true });
        line.element.scrollIntoView({ block: "nearest" });
      }
    }

    // Opens or closes a line: a finding shows its details, a group its findings.
    async toggle(line = this.lines[this.at]) {
      if (!line) return;
      if (line.open) {
        this.close(line);
        return;
      }
      line.open = true;
      line.element.setAttribute("aria-expanded", "true");
      const single = line.group === "none" || line.row.findings === 1;
      await (single ? this.#openFinding(line) : this.#openGroup(line));
    }

    close(line = this.lines[this.at]) {
      if (!line?.open) return;
      for (const one of line.opened) if (one.level !== undefined) this.close(one);
      for (const one of line.opened) (one.element ?? one).remove();
      this.lines = this.lines.filter((one) => !line.opened.includes(one));
      line.opened = [];
      line.open = false;
      line.element.setAttribute("aria-expanded", "false");
    }

    async #openFinding(line) {
      let row = line.row;
      if (line.group !== "none") {
        const answer = await this.source.query({ filter: this.#narrowed(line), group: "none", offset: 0, limit: 1 });
        row = answer.rows[0] ?? row;
      }
      if (!line.open) return;
      line.row = { ...line.row, ...row };
      const panel = this.panel(row);
      const holder = el("tr", { class: "detail" }, el("td", { colspan: this.#columns().length }, panel));
      line.element.after(holder);
      line.opened = [holder];
    }

    #narrowed(line) {
      return { ...this.filter, group: { group: line.group, key: line.row.key } };
    }

    async #openGroup(line) {
      const answer = await this.source.query({ filter: this.#narrowed(line), group: "none", sort: null, offset: 0, limit: NESTED });
      if (!line.open) return;
      const before = line.element.nextSibling;
      const nested = answer.rows.map((row) => this.#line(row, "none", line.level + 1, before));
      line.opened = [...nested];
      if (answer.total > nested.length) {
        const more = el("tr", { class: "detail" }, el("td", { colspan: this.#columns().length },
          el("button", { type: "button", class: "link", onclick: () => this.#only(line) }, `Show all ${number(answer.total)} in the table`)));
        this.body.insertBefore(more, before);
        line.opened.push(more);
      }
      this.lines.splice(this.lines.indexOf(line) + 1, 0, ...nested);
    }

    #only(line) {
      this.filter.group = { group: line.group, key: line.row.key };
      this.setGroup("none");
    }

    // Everything about one finding.
    panel(row) {
      const name = visible(row.member ? `${row.artifact}!/${row.member}` : row.artifact);
      const card = ray.card?.(row.rule_id);
      const fact = (label, ...content) => (content.some((one) => one !== null && one !== "") ? el("div", {}, el("dt", {}, label), el("dd", {}, content)) : null);
      const panel = el("div", { class: "panel" },
        el("p", { class: "title" }, el("b", {}, visible(row.message)), " ", card ? el("a", { class: "mono", href: `#rule=${encodeURIComponent(row.rule_id)}` }, visible(row.rule_id)) : el("span", { class: "mono" }, visible(row.rule_id))),
        el("p", { class: "evidence" }, el("span", { class: "quiet" }, visible(row.evidence_before)), el("mark", {}, visible(row.evidence ?? "no evidence is stored")), el("span", { class: "quiet" }, visible(row.evidence_after))),
        el("dl", { class: "facts" },
          fact("Where", ray.copyable(name, "the path"), row.location ? el("span", { class: "quiet" }, ` ${visible(row.location)}`) : null),
          fact("Passage", ray.copyable(ray.about.command.replace("{id}", row.finding_id), "the command")),
          fact("Link", el("a", { class: "mono", href: `#finding=${encodeURIComponent(row.finding_id)}` }, visible(row.finding_id))),
          fact("Engine", visible(row.engine), row.confidence === null ? null : `, confidence ${row.confidence.toFixed(2)}`),
          row.count > 1 ? fact("Locations", row.only_counted ? `${number(row.count)} further findings that have no rows` : number(row.count)) : null,
          ray.about.sweep ? fact("State", visible(row.state), row.first_seen ? `, first seen ${visible(String(row.first_seen).slice(0, 10))}` : null) : null,
          row.suppressed_by ? fact("Suppressed by", visible(row.suppressed_by)) : null));
      for (const add of ray.extend.details) add(panel, row, this);
      return panel;
    }
  }
  ray.FindingsTable = FindingsTable;
  ray.GROUPS = Object.keys(GROUPS);
})();
