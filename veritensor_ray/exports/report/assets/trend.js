// The chart of a sweep's history, drawn by uPlot: open findings by severity, stacked.
"use strict";
(() => {
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

  ray.trend = (root, rows) => {
    const names = [...ray.about.severities].reverse(); // the worst on top
    const at = rows.map((_, index) => index);
    const sums = [];
    names.forEach((name, index) => sums.push(rows.map((row, one) => row[name] + (index ? sums[index - 1][one] : 0))));
    const label = (index) => rows[index]?.started.slice(5, 16).replace("T", " ") ?? "";
    const axis = () => ({ stroke: () => color("--quiet"), grid: { stroke: () => color("--line"), width: 1 }, ticks: { stroke: () => color("--line"), width: 1 }, font: "12px system-ui, sans-serif" });
    // The largest sum is drawn first, and the smaller ones over it.
    const series = [...names].reverse().map((name) => ({
      label: name,
      stroke: () => color(`--${name}`),
      fill: () => color(`--${name}`),
      width: 0,
      points: { show: false },
      paths: uPlot.paths.bars({ size: [0.6, 56], gap: 0 }),
    }));
    const tip = ray.el("p", { class: "tip quiet" }, "Point at a sweep to see its numbers.");
    const show = (index) => {
      const row = rows[index];
      tip.replaceChildren(...(row ? [ray.el("b", {}, `${label(index)} UTC`), ` ${ray.plural(row.findings, "open finding")}: `, ray.about.severities.filter((name) => row[name]).map((name) => `${ray.number(row[name])} ${name}`).join(", ") || "none", `; ${ray.number(row.new + row.reopened)} new or reopened, ${ray.number(row.resolved)} resolved`] : ["Point at a sweep to see its numbers."]));
    };
    const options = () => ({
      width: Math.max(240, root.clientWidth),
      height: 240,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: [-0.6, rows.length - 0.4] }, y: { range: (_, low, high) => [0, Math.max(4, Math.ceil((high ?? 0) * 1.1))] } },
      axes: [
        { ...axis(), grid: { show: false }, splits: () => at.filter((one) => one % Math.ceil(rows.length / Math.max(2, Math.floor(root.clientWidth / 110))) === 0), values: (_, splits) => splits.map(label) },
        { ...axis(), size: 56, values: (_, splits) => splits.map((value) => (Number.isInteger(value) ? ray.number(value) : "")) },
      ],
      series: [{}, ...series],
      hooks: { setCursor: [(chart) => show(chart.cursor.idx)] },
    });
    let chart = null;
    const draw = () => {
      chart?.destroy();
      chart = new uPlot(options(), [at, ...[...sums].reverse()], root);
      root.append(tip);
    };
    draw();
    new ResizeObserver(() => {
      if (Math.abs(chart.width - Math.max(240, root.clientWidth)) > 1) draw();
    }).observe(root);
    ray.redraw = draw;
  };
})();
