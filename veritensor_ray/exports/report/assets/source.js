// Rows that are embedded in the page. A source has features, query() and facets(); findings.js and `view` describe them.
"use strict";
(() => {
  const SEARCHED = ["artifact", "member", "evidence", "message"];

  // Reads one block: base64, gzip, JSON.
  const unpacked = async (text) => {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < bytes.length; at++) bytes[at] = binary.charCodeAt(at);
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(stream).text());
  };

  // Joins the blocks of a table. A column with few distinct values keeps each once, with a number for every row.
  ray.embedded = async (table) => {
    const columns = {};
    let rows = 0;
    for (const element of document.querySelectorAll(`script[data-table="${table}"]`)) {
      const block = await unpacked(element.textContent);
      element.remove();
      for (const [name, held] of Object.entries(block.columns)) {
        const column = (columns[name] ??= Array.isArray(held) ? [] : { values: [], codes: [], known: new Map() });
        if (Array.isArray(held)) {
          for (const value of held) column.push(value);
          continue;
        }
        const codes = held.values.map((value) => {
          if (!column.known.has(value)) column.known.set(value, column.values.push(value) - 1);
          return column.known.get(value);
        });
        for (const code of held.codes) column.codes.push(codes[code]);
      }
      rows += block.rows;
    }
    return { rows, columns };
  };

  ray.folder = (artifact) => artifact.slice(0, Math.max(0, artifact.lastIndexOf("/")));
  const within = (artifact, folder) => folder === "" || artifact.startsWith(`${folder}/`);

  class EmbeddedSource {
    features = { live: false, reveal: false, decide: false };

    constructor() {
      this.loaded = ray.embedded("findings").then((table) => Object.assign(this, table));
    }

    async query({ filter = {}, group = "none", sort = null, offset = 0, limit = 100 }) {
      await this.loaded;
      const rows = this.#filtered(filter);
      let findings = 0;
      for (const row of rows) findings += this.#weight(row);
      const made = group === "none" ? rows : this.#grouped(rows, group);
      this.#sort(made, group, sort);
      const page = made.slice(offset, offset + Math.min(limit, 500));
      return { total: made.length, findings, rows: group === "none" ? page.map((row) => this.#row(row)) : page };
    }

    async facets() {
      await this.loaded;
      const counts = { severity: {}, engine: {}, rule: {}, state: {}, folders: {} };
      const add = (facet, name, number) => (counts[facet][name] = (counts[facet][name] ?? 0) + number);
      for (let row = 0; row < this.rows; row++) {
        if (this.#value("suppressed_by", row) !== null) continue;
        const number = this.#weight(row);
        add("severity", this.#value("severity", row), number);
        add("engine", this.#value("engine", row), number);
        add("rule", this.#value("rule_id", row), number);
        add("state", this.#value("state", row), number);
        add("folders", ray.folder(this.#value("artifact", row)), number);
      }
      return counts;
    }

    #value(name, row) {
      const column = this.columns[name];
      return Array.isArray(column) ? column[row] : column.values[column.codes[row]];
    }

    // How many findings a row stands for: a row without a location only counts further matches.
    #weight(row) {
      return this.#value("only_counted", row) ? this.columns.count[row] : 1;
    }

    #row(row) {
      const made = {};
      for (const name of Object.keys(this.columns)) made[name] = this.#value(name, row);
      return made;
    }

    // Every condition is tested once for each distinct value of its column.
    #filtered(filter) {
      const tests = [];
      const column = (name, test) => {
        const { values, codes } = this.columns[name];
        const fits = values.map(test);
        tests.push((row) => fits[codes[row]]);
      };
      if (!this.rows) return [];
      for (const [key, name] of [["severity", "severity"], ["engine", "engine"], ["rule", "rule_id"], ["state", "state"]]) {
        if (filter[key]?.length) column(name, (value) => filter[key].includes(value));
      }
      if (filter.folder) column("artifact", (value) => within(value, filter.folder));
      if (filter.suppressed !== "yes") column("suppressed_by", (value) => (value !== null) === (filter.suppressed === "only"));
      if (filter.finding) tests.push((row) => this.columns.finding_id[row].startsWith(filter.finding));
      if (filter.group) tests.push((row) => this.#key(filter.group.group, row) === filter.group.key);
      const text = (filter.text ?? "").trim().toLowerCase();
      if (text) {
        const columns = SEARCHED.map((name) => this.columns[name]);
        const fits = columns.map(({ values }) => values.map((value) => value !== null && value.toLowerCase().includes(text)));
        tests.push((row) => columns.some(({ codes }, index) => fits[index][codes[row]]));
      }
      const found = [];
      for (let row = 0; row < this.rows; row++) if (tests.every((test) => test(row))) found.push(row);
      return found;
    }

    #key(group, row) {
      if (group === "rule") return this.#value("rule_id", row);
      if (group === "folder") return ray.folder(this.#value("artifact", row));
      return this.columns[`${group}_group`][row];
    }

    // Rows are embedded worst first, so the first row of a group is its example.
    #grouped(rows, group) {
      const groups = new Map();
      for (const row of rows) {
        const key = this.#key(group, row);
        let one = groups.get(key);
        if (!one) {
          one = { ...this.#row(row), key, rules: new Set(), artifacts: new Set(), findings: 0, count: 0 };
          groups.set(key, one);
        } else if (ray.rank(this.#value("severity", row)) > ray.rank(one.severity)) {
          Object.assign(one, this.#row(row), { count: one.count });
        }
        one.rules.add(this.#value("rule_id", row));
        one.artifacts.add(this.#value("artifact", row));
        one.findings += this.#weight(row);
        one.count += this.columns.count[row];
      }
      return [...groups.values()].map((one) => ({ ...one, rules: [...one.rules].sort(), files: one.artifacts.size }));
    }

    #sort(made, group, sort) {
      if (!sort?.by) return;
      const of = (one) => {
        const value = group === "none" ? this.#value(sort.by, one) : sort.by === "rule_id" ? one.rules[0] : one[sort.by];
        return sort.by === "severity" ? ray.rank(value) : (value ?? "");
      };
      const order = sort.descending ? -1 : 1;
      const keyed = made.map((one) => [of(one), one]);
      keyed.sort(([a], [b]) => (a < b ? -order : a > b ? order : 0));
      keyed.forEach(([, one], index) => (made[index] = one));
    }
  }
  ray.EmbeddedSource = EmbeddedSource;
})();
