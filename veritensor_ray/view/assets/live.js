// Makes the page live: rows, passages and decisions come from the server that sent the page. It extends the page through `ray.extend`.
"use strict";
(() => {
  const { el, visible, number, plural } = ray;
  const about = ray.about.live;

  // ── the source of rows

  const ask = async (what, body, signal) => {
    let answer, said;
    try {
      answer = await fetch(`api/${what}`, { method: "POST", headers: { "Content-Type": "application/json", [about.header]: about.token }, body: JSON.stringify(body), signal });
      said = await answer.json();
    } catch (error) {
      if (error.name === "AbortError") throw error;
      throw new Error("The command does not answer. Start veritensor-ray view again.");
    }
    if (!answer.ok) throw new Error(said.error);
    return said;
  };

  ray.ask = ask;

  class LiveSource {
    features = { live: true, reveal: about.reveal, decide: about.decide };

    // A question of the table itself ends the one before it, which nobody waits for any longer.
    query(asked) {
      if (asked.filter !== ray.table?.filter) return ask("query", asked);
      this.latest?.abort();
      this.latest = new AbortController();
      return ask("query", asked, this.latest.signal);
    }

    facets = () => ask("facets", {});
    passage = (finding_id, { place = 1, lines = 3, reveal = false, reason = null } = {}) => ask("passage", { finding_id, place, lines, reveal, reason });
    preview = (scope, signal) => ask("preview", { scope }, signal);
    suppress = (decision) => ask("suppress", decision);
    label = (scope, label) => ask("label", { scope, label });
  }
  const source = (ray.extend.source = new LiveSource());

  // ── notices: what was done, where people see it

  const notices = el("div", { class: "toasts", role: "status", "aria-live": "polite" });
  document.body.append(notices);
  const notify = (text, failed = false) => {
    const toast = el("p", { class: failed ? "toast failed" : "toast" }, visible(text), " ", el("button", { type: "button", class: "link", "aria-label": "Dismiss", onclick: () => toast.remove() }, "×"));
    notices.append(toast);
    while (notices.children.length > 3) notices.firstChild.remove();
    setTimeout(() => toast.remove(), failed ? 20_000 : 12_000);
  };
  // Does something and shows the error if it fails.
  const attempt = async (run) => {
    try {
      return await run();
    } catch (error) {
      if (error.name !== "AbortError") notify(error.message, true);
      return undefined;
    }
  };

  // ── the SQL condition

  ray.extend.filters.push((bar, table) => {
    const input = el("input", { id: "where", type: "text", class: "condition mono", placeholder: "SQL condition, such as: rule glob 'pii.*' and artifact glob 'hr/*'", "aria-label": "SQL condition", autocomplete: "off", autocapitalize: "off", spellcheck: "false", value: table.filter.where,
      onkeydown: (event) => event.key === "Enter" && table.setFilter({ where: input.value.trim() }),
      onchange: () => input.value.trim() !== table.filter.where && table.setFilter({ where: input.value.trim() }) });
    bar.append(input);
  });

  // ── passages

  // A question and a field for its answer; resolves to the text, or to null.
  const prompted = (title, text, label, go) =>
    new Promise((resolve) => {
      const input = el("input", { type: "text", id: "prompted", required: true, maxlength: 500, autocomplete: "off" });
      const close = (value) => (dialog.remove(), resolve(value));
      const dialog = el("dialog", { class: "live", "aria-labelledby": "prompted-title", onclose: () => close(null) },
        el("h2", { id: "prompted-title" }, title), el("p", { class: "note" }, text),
        el("form", { onsubmit: (event) => (event.preventDefault(), input.value.trim() && close(input.value.trim())) },
          el("label", { class: "field" }, el("span", {}, label), input),
          el("div", { class: "actions" }, el("button", { type: "button", onclick: () => close(null) }, "Cancel"), el("button", { class: "primary" }, go))));
      document.body.append(dialog);
      dialog.showModal();
    });

  const drawn = (passage) => {
    const label = (line) => (line.number === null ? "" : passage.kind === "bytes" ? line.number.toString(16).padStart(8, "0") : String(line.number));
    const plain = passage.lines.every((line) => line.number === null);
    return el("div", { class: `passage mono${plain ? " plain" : ""}`, tabindex: "0", role: "region", "aria-label": "Passage" },
      passage.lines.map((line) => el("div", { class: line.pieces.some(([, hit]) => hit) ? "row hit" : "row" },
        el("span", { class: "number" }, label(line)),
        el("span", { class: passage.kind === "bytes" ? "code bytes" : "code" }, line.pieces.map(([text, hit]) => (hit ? el("mark", {}, visible(text)) : visible(text)))))));
  };

  class PassagePanel {
    constructor(row) {
      Object.assign(this, { row, place: 1, lines: 3, reveal: false, reason: null });
      this.root = el("div", { class: "reading" }, el("p", { class: "note" }, "Reading the passage from the corpus…"));
      this.load();
    }

    async load(changes = {}) {
      Object.assign(this, changes);
      const turn = (this.turn = (this.turn ?? 0) + 1);
      this.root.setAttribute("aria-busy", "true");
      let passage, error;
      try {
        passage = await source.passage(this.row.finding_id, this);
      } catch (raised) {
        error = raised;
      }
      if (turn !== this.turn) return;
      this.root.removeAttribute("aria-busy");
      this.root.replaceChildren(...(passage ? this.#shown(passage) : [el("p", { class: "note failed" }, visible(error.message))]));
    }

    #shown(passage) {
      const button = (text, label, able, changes) => el("button", { type: "button", class: "small", "aria-label": label, disabled: !able, onclick: () => this.load(changes) }, text);
      const { place, lines } = this;
      const said = passage.blind ? "Every word is masked, because this artifact has more personal data or secrets than the results have rows for." : passage.masked ? "Masked as in the results." : "Unmasked. This access was recorded.";
      return [
        el("div", { class: "reading-bar" },
          el("span", { class: passage.masked ? "quiet" : "unmasked" }, said),
          el("span", { class: "controls" },
            passage.places > 1 ? [button("‹", "Previous location", place > 1, { place: place - 1 }), el("span", { class: "quiet" }, `location ${number(place)} of ${number(passage.places)}`), button("›", "Next location", place < passage.places, { place: place + 1 })] : null,
            button("−", "Fewer lines", lines > 0, { lines: Math.floor(lines / 2) }), button("+", "More lines", lines < 100, { lines: Math.min(100, lines * 2 + 1) }),
            source.features.reveal && passage.masked ? el("button", { type: "button", class: "small", onclick: () => this.unmask() }, "Reveal…") : null)),
        drawn(passage),
        passage.cells.length ? el("table", { class: "cells" }, el("tbody", {}, passage.cells.map(([name, text]) => el("tr", {}, el("th", { scope: "row" }, visible(name)), el("td", {}, visible(text)))))) : null,
      ].filter(Boolean);
    }

    async unmask() {
      const reason = await prompted("Show this passage unmasked", "The output records who saw it, when, and why.", "Reason", "Reveal");
      if (reason) await this.load({ reveal: true, reason });
    }
  }

  let panels = new Map(); // by finding, of the findings that are open
  ray.extend.details.push((panel, row) => {
    const reading = new PassagePanel(row);
    panels.set(row.finding_id, reading);
    panel.append(reading.root);
    if (!source.features.decide) return;
    const button = (text, key, run) => el("button", { type: "button", class: "small", onclick: run }, text, " ", el("kbd", {}, key));
    const one = { row, group: "none" };
    panel.append(el("div", { class: "decide" },
      button("Suppress…", "s", () => suppress(one)), button("True positive", "t", () => label(one, "true")), button("False positive", "f", () => label(one, "false")),
      row.label ? button("Remove label", "u", () => label(one, null)) : null));
  });

  // ── decisions

  // What the selected line stands for: one finding, or all findings of a group.
  const chosen = () => {
    const line = ray.table.lines[ray.table.at];
    if (!line) notify("Select a row first, with j and k or a click.", true);
    return line ?? null;
  };
  const single = ({ row, group }) => group === "none" || (row.findings ?? 1) === 1;
  const grouped = ({ row, group }) => ({ kind: "filter", filter: { ...ray.table.filter, group: { group, key: row.key } } });
  const folder = (row) => ray.folder(row.artifact);
  const narrowed = () => {
    const { filter } = ray.table;
    return filter.text || filter.folder || filter.where || filter.group || filter.finding || ["severity", "engine", "rule", "state"].some((key) => filter[key].length);
  };

  // The scopes that a decision about a line may have: text and scope.
  const scopes = (line) => {
    const { row } = line;
    const of = (kind) => ({ kind, finding_id: row.finding_id });
    const made = [];
    if (single(line)) {
      made.push(["This finding", of("finding")], ["The same content, in any artifact", of("fingerprint")]);
    } else {
      made.push([`These ${number(row.findings)} findings`, grouped(line)]);
      if (line.group === "evidence") made.push(["The same content as in the first one, in any artifact", of("fingerprint")]);
    }
    if (line.group !== "folder" && line.group !== "rule") made.push([`${visible(row.rule_id)} in this artifact`, of("rule-in-artifact")]);
    if (folder(row) && line.group !== "folder") made.push([`${visible(row.rule_id)} in ${visible(folder(row))}/ and below, also in future`, { kind: "rule-in-folder", rule: row.rule_id, folder: folder(row) }]);
    if (line.group !== "folder" && line.group !== "rule") made.push(["Everything in this artifact", of("artifact")], ["Everything in artifacts with the same bytes", of("sha256")]);
    if (narrowed()) made.push(["All findings that match the filters", { kind: "filter", filter: ray.table.filter }]);
    return made;
  };

  const after = async () => {
    const { at } = ray.table;
    await attempt(() => ray.table.start());
    ray.table.select(at);
  };

  const counts = (title, rows, more, cell) => el("div", {}, el("h4", {}, title), el("table", { class: "numbers" }, el("tbody", {},
    rows.map(([name, count]) => el("tr", {}, el("td", {}, cell(name)), el("td", { class: "n" }, number(count)))),
    more ? el("tr", {}, el("td", { class: "quiet", colspan: 2 }, `and ${number(more)} more`)) : null)));

  class SuppressDialog {
    constructor(line) {
      this.scopes = scopes(line);
      this.seen = el("div", { class: "preview", "aria-live": "polite" });
      this.reason = el("input", { type: "text", required: true, maxlength: 1000, autocomplete: "off", oninput: () => this.#able() });
      this.owner = el("input", { type: "text", maxlength: 200, autocomplete: "off" });
      this.expires = el("input", { type: "text", maxlength: 40, placeholder: "never; or 90d, 2027-03-01", autocomplete: "off" });
      this.go = el("button", { class: "primary", disabled: true }, "Suppress");
      this.failed = el("p", { class: "note failed", role: "alert" });
      const choices = this.scopes.map(([text], index) => el("label", { class: "choice" }, el("input", { type: "radio", name: "scope", value: index, checked: index === 0, onchange: () => this.choose(index) }), el("span", {}, text)));
      const field = (text, input) => el("label", { class: "field" }, el("span", {}, text), input);
      this.dialog = el("dialog", { class: "live wide", "aria-labelledby": "suppress-title", onclose: () => (this.asking?.abort(), this.dialog.remove()) },
        el("h2", { id: "suppress-title" }, "Suppress"),
        el("form", { onsubmit: (event) => (event.preventDefault(), this.decide()) },
          el("div", { class: "two" }, el("fieldset", {}, el("legend", {}, "What"), choices), this.seen,
            el("div", {}, field("Reason", this.reason), field("Owner", this.owner), field("Ends", this.expires))),
          this.failed,
          el("p", { class: "note" }, "This adds an entry to ", el("code", {}, about.policy), ". The results stay as they are. The findings no longer count from the next run on."),
          el("div", { class: "actions" }, el("button", { type: "button", onclick: () => this.dialog.close() }, "Cancel"), this.go)));
      document.body.append(this.dialog);
      this.dialog.showModal();
      this.dialog.querySelector("input").focus();
      this.choose(0);
    }

    async choose(index) {
      this.asking?.abort();
      this.asking = new AbortController();
      [, this.scope] = this.scopes[index];
      this.counted = null;
      this.failed.textContent = "";
      this.#able();
      this.seen.replaceChildren(el("p", { class: "note" }, "Counting…"));
      try {
        const seen = await source.preview(this.scope, this.asking.signal);
        this.counted = seen.findings;
        const left = seen.already ? `; ${number(seen.already)} more already suppressed` : "";
        this.seen.replaceChildren(
          el("p", { class: "strong" }, `${plural(seen.findings, "finding")} in ${plural(seen.artifacts, "artifact")}${left}`),
          ...(seen.findings ? [counts("Severity", seen.severities, 0, ray.severity), counts("Rule", seen.rules, seen.more.rules, (name) => el("span", { class: "mono" }, visible(name))), counts("Folder", seen.folders, seen.more.folders, (name) => ray.path(name || "(top)"))] : []));
      } catch (error) {
        if (error.name === "AbortError") return;
        this.seen.replaceChildren(el("p", { class: "note failed" }, visible(error.message)));
      }
      this.#able();
    }

    #able() {
      this.go.disabled = !this.counted || !this.reason.value.trim();
      this.go.textContent = this.counted ? `Suppress ${plural(this.counted, "finding")}` : "Suppress";
    }

    async decide() {
      if (this.go.disabled) return;
      this.go.disabled = true;
      try {
        const done = await source.suppress({ scope: this.scope, reason: this.reason.value.trim(), owner: this.owner.value.trim() || null, expires: this.expires.value.trim() || null });
        this.dialog.close();
        notify(`${done.entry} was added to ${done.policy}${done.expires ? ` until ${done.expires}` : ""}. ${plural(done.findings, "finding")} ${done.findings === 1 ? "is" : "are"} hidden here now.`);
        await after();
      } catch (error) {
        this.failed.textContent = visible(error.message);
        this.#able();
      }
    }
  }
  const suppress = (line) => line && new SuppressDialog(line);

  const confirmed = (text, go) =>
    new Promise((resolve) => {
      const close = (value) => (dialog.remove(), resolve(value));
      const dialog = el("dialog", { class: "live", "aria-label": text, onclose: () => close(false) }, el("p", {}, text),
        el("div", { class: "actions" }, el("button", { type: "button", onclick: () => close(false) }, "Cancel"), el("button", { type: "button", class: "primary", autofocus: true, onclick: () => close(true) }, go)));
      document.body.append(dialog);
      dialog.showModal();
    });

  const label = async (line, value) => {
    if (!line) return;
    const many = !single(line);
    const words = value === null ? "Remove the labels of" : `Label as ${value}:`;
    if (many && !(await confirmed(`${words} ${plural(line.row.findings, "finding")}?`, value === null ? "Remove" : "Label"))) return;
    const scope = many ? grouped(line) : { kind: "finding", finding_id: line.row.finding_id };
    const done = await attempt(() => source.label(scope, value));
    if (!done) return;
    notify(`${plural(done.findings, "finding")} ${value === null ? "without a label" : `labelled ${value}`}.`);
    const { at } = ray.table;
    await ray.table.refresh();
    ray.table.select(at);
  };

  Object.assign(ray.extend.keys, {
    w: { help: "Write a SQL condition", run: () => document.getElementById("where").focus() },
    ...(source.features.reveal ? { r: { help: "Show the open passage unmasked", run: () => panels.get(ray.table.selected()?.finding_id)?.unmask() } } : {}),
    ...(source.features.decide
      ? {
          s: { help: "Suppress the finding or the group", run: () => suppress(chosen()) },
          t: { help: "Label as true", run: () => label(chosen(), "true") },
          f: { help: "Label as false", run: () => label(chosen(), "false") },
          u: { help: "Remove the label", run: () => label(chosen(), null) },
        }
      : {}),
  });
})();
