// The table of what became of each file of a cleaned copy: search, filters, and pages. The server has its rows.
"use strict";
(() => {
  const { el, visible, number, plural } = ray;
  const LIMIT = 25;
  const FILTERS = { result: "Result", code: "Reason code", rule: "Rule", action: "Action" };

  class CopiedFiles {
    constructor(root) {
      Object.assign(this, { root, filter: { text: "", result: "", code: "", rule: "", action: "" }, offset: 0 });
      this.body = el("tbody");
      this.summary = el("span", { class: "summary", role: "status" });
      this.foot = el("div", { class: "foot" });
    }

    async start() {
      try {
        this.facets = await ray.ask("file-facets", {});
      } catch (error) {
        this.root.replaceChildren(el("p", { class: "note failed" }, visible(error.message)));
        return;
      }
      let timer;
      const search = el("input", { type: "search", placeholder: "Search names and reasons", "aria-label": "Search the files of the copy", autocomplete: "off", spellcheck: "false",
        oninput: (event) => {
          clearTimeout(timer);
          timer = setTimeout(() => this.draw({ filter: { ...this.filter, text: event.target.value } }), 150);
        } });
      const head = ["Artifact", "Result", "Changes", "Reason, and what releases it"].map((title) => el("th", { scope: "col" }, title));
      this.table = el("table", { class: "gaps files", "aria-label": "What became of each file" }, el("thead", {}, el("tr", {}, head)), this.body);
      this.root.replaceChildren(el("div", { class: "filters", role: "search" }, search, Object.keys(FILTERS).map((name) => this.#select(name))),
        el("div", { class: "chips" }, this.summary), el("div", { class: "scroll" }, this.table), this.foot);
      await this.draw({});
    }

    #select(name) {
      const choices = Object.entries(this.facets[name]);
      if (!choices.length) return null;
      return el("select", { "aria-label": FILTERS[name], onchange: (event) => this.draw({ filter: { ...this.filter, [name]: event.target.value } }) },
        el("option", { value: "" }, `${FILTERS[name]}: all`), choices.map(([value, count]) => el("option", { value }, `${visible(value)} (${number(count)})`)));
    }

    // Reads and draws a page. Other conditions begin with the first page, and an answer that comes after a newer question is dropped.
    async draw(changes) {
      Object.assign(this, { offset: 0 }, changes);
      const turn = (this.turn = (this.turn ?? 0) + 1);
      this.table.setAttribute("aria-busy", "true");
      let answer, error;
      try {
        answer = await ray.ask("files", { filter: this.filter, offset: this.offset, limit: LIMIT });
      } catch (raised) {
        error = raised;
      }
      if (turn !== this.turn) return;
      this.table.removeAttribute("aria-busy");
      const rows = answer?.rows ?? [];
      this.body.replaceChildren(...rows.map((row) => this.#line(row)));
      if (!rows.length) this.body.append(el("tr", {}, el("td", { colspan: 4, class: "empty" }, error ? visible(error.message) : "No file matches.")));
      this.summary.textContent = answer ? `${plural(answer.total, "file")}, ${plural(answer.changes, "change")}` : "";
      this.foot.replaceChildren(el("span"), answer ? ray.pager(this.offset, LIMIT, answer.total, (offset) => this.draw({ offset })) : "");
    }

    #line(row) {
      const more = row.kinds - row.actions.length;
      const actions = row.actions.map((one) => el("div", {}, el("span", { class: "mono" }, visible(one?.rule)), ` ${visible(one?.action)} `, el("b", {}, number(one?.count ?? 0))));
      return el("tr", {},
        el("td", { "data-title": "Artifact" }, ray.path(row.artifact ?? "", row.path ?? row.artifact), row.media_type ? el("span", { class: "quiet at" }, visible(row.media_type)) : null),
        el("td", { "data-title": "Result" }, el("span", { class: "tag" }, visible(row.result))),
        el("td", { "data-title": "Changes" }, actions, more > 0 ? el("div", { class: "quiet" }, `and ${plural(more, "further kind")}`) : null, row.rows_dropped ? el("div", {}, `${plural(row.rows_dropped, "row")} dropped`) : null),
        el("td", { "data-title": "Reason", class: "reason" }, visible(row.reason ?? ""), " ", row.reason_code ? el("code", {}, visible(row.reason_code)) : null, row.lever ? el("div", { class: "quiet" }, visible(row.lever)) : null));
    }
  }

  if (ray.about.copy) ray.extend.starts.push(() => new CopiedFiles(document.getElementById("copy-table")).start());
})();
