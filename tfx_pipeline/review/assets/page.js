const R = JSON.parse(document.getElementById("report").textContent);

function el(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const number = (value, digits = 3) => (value === null || value === undefined ? "–" : Number(value).toFixed(digits));
const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
const words = (name) => name.replaceAll("_", " ");

function section(id, title, note, ...children) {
  const found = children.filter(Boolean);
  if (!found.length) return;
  document.getElementById("main").append(
    el("section", { id }, el("h2", {}, title), note ? el("p", { class: "soft" }, note) : null, ...found));
  document.getElementById("contents").append(el("a", { href: `#${id}` }, title));
}

// columns: [{title, text, sort}]; rows: [[cell, …]] with cell a value, or {value, show, class}
function table(columns, rows, sortable) {
  const body = el("tbody");
  const heads = columns.map((column, i) => {
    const head = el("th", column.text ? { class: "text", scope: "col" } : { scope: "col" });
    if (!sortable) { head.append(column.title); return head; }
    const button = el("button", { type: "button" }, column.title);
    button.addEventListener("click", () => {
      const direction = head.getAttribute("aria-sort") === "descending" ? "ascending" : "descending";
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", direction);
      const key = (row) => { const cell = row.cells[i].dataset.value; return cell === "" || isNaN(cell) ? cell : Number(cell); };
      const sign = direction === "ascending" ? 1 : -1;
      const known = [...body.rows].filter((row) => key(row) !== "");
      const unknown = [...body.rows].filter((row) => key(row) === "");
      known.sort((a, b) => (key(a) < key(b) ? -sign : key(a) > key(b) ? sign : 0));
      body.append(...known, ...unknown);
    });
    head.append(button);
    return head;
  });
  for (const row of rows) {
    const line = el("tr", row.ours ? { class: "ours" } : {});
    row.cells.forEach((cell, i) => {
      const value = cell !== null && typeof cell === "object" && "value" in cell ? cell.value : cell;
      const shown = cell !== null && typeof cell === "object" && "show" in cell ? cell.show : [typeof value === "number" ? number(value) : value ?? "–"];
      const classes = [columns[i].text ? "text" : "", cell?.class ?? ""].join(" ").trim();
      const box = el("td", classes ? { class: classes } : {}, ...[shown].flat());
      box.dataset.value = value ?? "";
      line.append(box);
    });
    body.append(line);
  }
  return el("div", { class: "scroll" }, el("table", {}, el("thead", {}, el("tr", {}, ...heads)), body));
}

function header() {
  const run = R.run;
  const line = [`run ${run.id}`, run.started, run.spans === null ? "no span" : `span ${run.spans}`];
  if (R.counts) line.push(`${R.counts.test} test events` + (R.positives === null ? "" : `, ${R.positives} of them anomalies`));
  const [first, ...rest] = R.verdict.line.split(": ");
  const verdict = el("div", { class: R.verdict.good ? "verdict good" : "verdict", id: "verdict" }, el("b", {}, first), rest.length ? `: ${rest.join(": ")}` : "");
  document.getElementById("top").append(...[
    el("h1", {}, R.name ? `${R.name} – ${R.task}` : R.tuning ? "A search for better values" : "A run that never reached its evaluation"),
    el("div", { class: "soft small" }, line.join(" · ")),
    R.compared ? el("div", { class: "soft small" }, `compared with run ${R.compared.id} of ${R.compared.started} (${R.compared.line})`) : null,
    verdict].filter(Boolean));
}

function metrics() {
  const main = R.systems[0];
  const rows = R.systems.map((system, i) => ({
    ours: i === 0,
    cells: [system.system, ...R.metrics.map(({ name, better }) => {
      const value = system[name] ?? null;
      const shown = [number(value)];
      const interval = i === 0 ? R.intervals[name] : i === 1 && R.baseline ? R.baseline.intervals[name] : null;
      if (interval) shown.push(el("span", { class: "small soft" }, `${number(interval[0])} – ${number(interval[1])}`));
      const change = i === 0 && R.baseline ? R.baseline.difference[name] : null;
      const before = R.baseline?.metrics[name];
      if (change && before !== undefined && before !== null) {
        const gain = main[name] - before;
        const sure = change[0] > 0 || change[1] < 0;
        const kind = !sure ? "soft" : (gain > 0) === (better === "higher") ? "better" : "worse";
        shown.push(el("span", { class: `small ${kind}` }, `${gain >= 0 ? "+" : ""}${number(gain)}`), el("span", { class: `small ${kind}` }, `${number(change[0])} … ${number(change[1])}`));
      }
      return { value, show: shown };
    })],
  }));
  const asked = R.bounds.map((bound) => Object.entries(bound).filter(([key]) => key !== "metric").map(([key, value]) => `${bound.metric} ${words(key)} ${value}`).join(", "));
  section("metrics", "Metrics", "Under each figure its 95 % bootstrap interval; under the model's own also the change against the model before, coloured when the interval of the change leaves out zero.",
    table([{ title: "system" }, ...R.metrics.map((m) => ({ title: words(m.name) }))], rows, false),
    R.behind ? el("p", { class: "worse", id: "behind" }, `A trivial method does better: ${R.behind}.`) : null,
    asked.length ? el("p", { class: "soft small" }, `Asked for the blessing: ${asked.join("; ")}.`) : null);
}

function explorer() {
  const t = R.threshold;
  if (!t) return;
  const anomaly = R.task === "anomaly";
  const suffix = new Array(t.scores.length + 1).fill(0);
  for (let i = t.scores.length - 1; i >= 0; i--) suffix[i] = suffix[i + 1] + t.right[i];
  const at = (threshold) => {
    let low = 0, high = t.scores.length;
    while (low < high) { const middle = (low + high) >> 1; if (t.scores[middle] >= threshold) high = middle; else low = middle + 1; }
    const given = (t.scores.length - low) * t.every, right = suffix[low] * t.every;
    const precision = given ? right / given : null, recall = t.wanted ? right / t.wanted : null;
    return { given, right, precision, recall, f1: given + t.wanted ? (2 * right) / (given + t.wanted) : null };
  };
  const slider = el("input", { type: "range", min: 0, max: 1, step: 0.001, value: t.current, id: "threshold", "aria-label": "threshold" });
  const shown = el("output", { for: "threshold", id: "threshold-value" });
  const figures = el("div", { class: "figures", id: "threshold-figures" });
  const picture = el("div");
  const grid = Array.from({ length: 101 }, (_, i) => i / 100);
  const named = anomaly ? { given: "alerts", right: "of them right", recall: "recall" } : R.task === "token" ? { given: "entities", right: "of them right", recall: "recall" } : { given: "answers trusted", right: "of them right", recall: "right, of all" };
  const series = [
    { name: "precision", points: grid.map((x) => [x, at(x).precision]).filter((p) => p[1] !== null) },
    { name: named.recall, points: grid.map((x) => [x, at(x).recall]).filter((p) => p[1] !== null) },
    { name: "F1", points: grid.map((x) => [x, at(x).f1]).filter((p) => p[1] !== null) }];
  // The model's own is not one of the slider's thousandths.
  let threshold = t.current;
  const update = () => {
    const found = at(threshold);
    shown.textContent = threshold > 0 && threshold < 0.01 ? threshold.toPrecision(2) : threshold.toFixed(3);
    const boxes = [[named.given, found.given], [named.right, found.right], ["precision", percent(found.precision)], [named.recall, percent(found.recall)], ["F1", number(found.f1)]];
    if (anomaly) boxes.push(["missed", t.wanted - found.right]);
    if (anomaly && t.days) boxes.push(["alerts a day", (found.given / t.days).toFixed(1)]);
    figures.replaceChildren(...boxes.map(([name, value]) => el("div", {}, el("b", {}, String(value)), el("span", {}, name))));
    picture.replaceChildren(chart(series, { x: [0, 1], y: [0, 1], xLabel: "threshold", yLabel: "", mark: threshold, label: "precision, recall and F1 by threshold" }));
  };
  slider.addEventListener("input", () => { threshold = Number(slider.value); update(); });
  const left = el("div", {}, el("label", { for: "threshold" }, "threshold ", shown), slider, figures,
    el("p", { class: "small soft" }, anomaly ? `The model serves with ${number(t.current)}, chosen on the eval split.` : "The model answers always; a caller may ignore what is below."));
  section("threshold-explorer", "Threshold", anomaly ? "What an alert threshold would have meant on the test events." : "What it would mean to trust only answers from a score upwards.", el("div", { class: "explorer" }, left, picture));
  update();
}

function curvesSection() {
  const c = R.curves;
  const unit = { x: [0, 1], y: [0, 1] };
  const charts = [];
  if (c.precision_recall.length) charts.push(chart(c.precision_recall, { ...unit, xLabel: "recall", yLabel: "precision", title: "Precision and recall", label: "precision-recall curve" }));
  if (c.roc.length) charts.push(chart(c.roc, { ...unit, xLabel: "false positive rate", yLabel: "true positive rate", title: "ROC", diagonal: true, label: "ROC curve" }));
  if (c.calibration.length) charts.push(chart(c.calibration.map((s) => ({ name: s.name, points: s.points.map((p) => [p[0], p[1]]) })), { ...unit, xLabel: "mean score", yLabel: "share that was right", title: "Calibration", diagonal: true, label: "calibration curve" }));
  if (R.scatter) charts.push(chart([{ name: "event", points: R.scatter, dots: "small" }], { xLabel: "truth", yLabel: "predicted", title: "Predicted against truth", diagonal: true, label: "scatter of predicted and true values" }));
  if (charts.length) section("curves", "Curves", R.task === "classification" ? "The score is the probability of the answer; right means that the answer was." : null, el("div", { class: "charts" }, ...charts));
}

function slicesSection() {
  if (!R.slices.length) return;
  const columns = [{ title: "slice" }, { title: "events" }, ...R.metrics.filter((m) => R.slices.some((s) => s[m.name] !== null && s[m.name] !== undefined)).map((m) => ({ title: words(m.name), name: m.name }))];
  const rows = R.slices.map((slice) => ({ cells: [slice.slice, { value: slice.events, show: [String(slice.events)] }, ...columns.slice(2).map((c) => slice[c.name] ?? null)] }));
  section("slices", "Slices", "A click on a heading sorts.", table(columns, rows, true));
}

function confusionSection() {
  const c = R.confusion;
  if (!c || !c.labels.length) return;
  const totals = c.counts.map((row) => row.reduce((a, b) => a + b, 0));
  const head = el("tr", {}, el("th", { scope: "col" }, "truth \\ predicted"), ...c.labels.map((label) => el("th", { scope: "col", title: label }, label)));
  const rows = c.counts.map((row, i) => el("tr", {}, el("th", { scope: "row", title: c.labels[i] }, c.labels[i]), ...row.map((count, j) => {
    const share = totals[i] ? count / totals[i] : 0;
    const colour = i === j ? "var(--heat)" : "var(--for)";
    return el("td", { style: count ? `background:rgba(${colour},${(0.08 + 0.62 * share).toFixed(2)})` : "", title: `${c.labels[i]} → ${c.labels[j]}` }, count ? String(count) : "·");
  })));
  const notes = [R.task === "token" ? "Entities with the same two ends, by kind; what only one side has is nothing to the other." : "",
    c.left_out ? `The ${c.labels.length} labels that are confused most; ${c.left_out} more are left out.` : ""];
  section("confusion", "Confusion matrix", notes.join(" ").trim() || null,
    el("div", { class: "scroll" }, el("table", { class: "matrix" }, el("thead", {}, head), el("tbody", {}, ...rows))));
}

function marked(row) {
  const code = el("code");
  if (row.attributions?.length) {
    const most = Math.max(...row.attributions.map((a) => Math.abs(a[1]))) || 1;
    for (const [piece, weight] of row.attributions) {
      const share = Math.abs(weight) / most;
      const span = el("span", share < 0.08 ? {} : { style: `background:rgba(${weight > 0 ? "var(--for)" : "var(--against)"},${(0.65 * share).toFixed(2)})`, title: String(weight) });
      span.textContent = piece;
      code.append(span);
    }
  } else if (R.task === "token") {
    const bytes = new TextEncoder().encode(row.text), decoder = new TextDecoder();
    let position = 0;
    for (const [kind, begin, end] of [...row.truth].sort((a, b) => a[1] - b[1])) {
      if (begin < position) continue;
      code.append(decoder.decode(bytes.slice(position, begin)), el("u", { title: kind }, decoder.decode(bytes.slice(begin, end))));
      position = end;
    }
    code.append(decoder.decode(bytes.slice(position)));
  } else code.textContent = row.text;
  return code;
}

function spans(row, found) {
  const bytes = new TextEncoder().encode(row.text), decoder = new TextDecoder();
  return found.length ? found.map(([kind, begin, end]) => `${decoder.decode(bytes.slice(begin, end))} = ${kind}`).join(", ") : "nothing";
}

function event(row) {
  const said = el("div", { class: "said" });
  if (R.task === "token") said.append("wanted ", el("b", {}, spans(row, row.truth)), "; found ", el("b", {}, spans(row, row.predicted)));
  else if (R.task === "regression") said.append("truth ", el("b", {}, number(row.truth)), "; predicted ", el("b", {}, number(row.predicted)));
  else said.append("truth ", el("b", {}, row.truth), "; said ", el("b", {}, row.predicted), ` (score ${number(row.score)}`, row.novelty === undefined ? "" : `, novelty ${number(row.novelty, 2)}`, ")");
  if (row.often > 1) said.append(`; ${row.often} such events`);
  return el("div", { class: "event" }, said, marked(row));
}

function mistakes() {
  if (!R.mistakes.length) return;
  const explained = R.mistakes.some((row) => row.attributions?.length);
  section("mistakes", R.task === "regression" ? "Furthest from the truth" : "Worst mistakes",
    (R.task === "regression" ? "Largest differences first." : R.task === "token" ? "Most entities missed or made up first." : "Surest and wrong first.")
      + (!explained ? "" : R.task === "regression" ? " Red pieces of the text raised the value, blue ones lowered it."
        : R.task === "anomaly" ? " Red pieces of the text spoke for an anomaly, blue ones against it." : " Red pieces of the text spoke for the answer, blue ones against it."),
    el("div", {}, ...R.mistakes.map(event)));
}

function examples() {
  if (!R.examples?.length) return;
  const shown = R.examples.length;
  section("examples", "Examples of each class", R.classes > shown ? `The ${shown} commonest classes; ${R.classes - shown} more are left out.` : null, ...R.examples.map((group, i) =>
    el("details", i < 2 ? { open: "" } : {}, el("summary", {}, `${group.label} (${group.events} events)`), ...group.rows.map(event))));
}

function learning() {
  if (!R.learning?.length) return;
  const pairs = new Map();
  for (const line of R.learning) {
    const name = line.name.replace(/^val_/, "");
    if (!pairs.has(name)) pairs.set(name, []);
    pairs.get(name).push({ name: line.name.startsWith("val_") ? "eval" : "train", points: line.points });
  }
  section("learning", "Learning curves", null, el("div", { class: "charts" }, ...[...pairs].map(([name, lines]) =>
    chart(lines, { xLabel: "epoch", wholeX: true, yLabel: "", title: words(name) + (lines.length > 1 ? "" : ` (${lines[0].name})`), label: `${words(name)} by epoch` }))));
}

function trials() {
  const t = R.tuning;
  if (!t) return;
  const keys = Object.keys(t.trials[0].values), short = (key) => key.replace(/^training\./, "");
  const figure = (value) => (typeof value === "number" ? Number(value.toPrecision(4)) : value);
  const rows = [...t.trials].sort((a, b) => (b.score ?? -Infinity) - (a.score ?? -Infinity)).map((trial) => ({ ours: trial.trial === t.best, cells: [
    { value: trial.trial, show: [String(trial.trial)] }, { value: trial.score, show: [number(trial.score, 4)] },
    ...keys.map((key) => ({ value: String(trial.values[key]), show: [String(figure(trial.values[key]))] })),
    { value: trial.curve.length, show: [String(trial.curve.length)] }, { value: trial.seconds, show: [number(trial.seconds, 0)] }, trial.status] }));
  const judged = t.trials.filter((trial) => trial.score !== null);
  const charts = keys.filter((key) => judged.every((trial) => typeof trial.values[key] === "number")).map((key) => {
    const values = judged.map((trial) => trial.values[key]), low = Math.min(...values);
    const wide = low > 0 && Math.max(...values) > 20 * low;
    return chart([{ name: "trial", points: judged.map((trial) => [wide ? Math.log10(trial.values[key]) : trial.values[key], trial.score]), dots: "large" }],
      { xLabel: wide ? `log10 of ${short(key)}` : short(key), yLabel: words(t.metric), title: short(key), label: `${words(t.metric)} by ${short(key)}` });
  });
  section("trials", "Trials", `What the Tuner tried in ${number(t.seconds / 60, 1)} minutes; the figure is of held-out events, steps are epochs or folds.`,
    table([{ title: "trial" }, { title: words(t.metric) }, ...keys.map((key) => ({ title: short(key) })), { title: "steps" }, { title: "seconds" }, { title: "status", text: true }], rows, true),
    charts.length ? el("div", { class: "charts" }, ...charts) : null);
}

function fairnessSection() {
  if (!R.fairness?.length) return;
  section("fairness", "Fairness", "The same error rates for each value of a feature; the gap is between the highest and the lowest.", ...R.fairness.map((feature) => {
    const rates = Object.keys(feature.gap);
    const rows = feature.groups.map((group) => ({ cells: [group.group || "(none)", { value: group.events, show: [String(group.events)] }, ...rates.map((rate) => group[rate])] }));
    const gaps = rates.map((rate) => `${words(rate)} ${number(feature.gap[rate])}`).join(", ");
    return el("div", {}, el("h3", {}, feature.feature), el("p", { class: "small soft" }, `Gap: ${gaps}.`), table([{ title: feature.feature }, { title: "events" }, ...rates.map((rate) => ({ title: words(rate) }))], rows, true));
  }));
}

function data() {
  const rows = R.data.features.map((f) => ({ cells: [f.feature, f.kind, { value: f.events, show: [String(f.events)] }, { value: f.missing, show: [String(f.missing)] },
    f.distinct === undefined ? null : { value: f.distinct, show: [String(f.distinct)] }, f.feature === "event_time" ? { value: f.mean, show: [new Date(f.low / 1000).toISOString().slice(0, 10), " to ", new Date(f.high / 1000).toISOString().slice(0, 10)] } : f.kind === "number" ? f.mean : { value: f.mean_length, show: [number(f.mean_length, 1)] },
    { value: f.drift, show: [number(f.drift)], class: f.drift > 0.1 ? "worse" : "" },
    { value: "", show: [f.top.map(([value, count]) => `${value} ${count}`).reduce((line, next) => (!line ? next : line.length + next.length < 160 ? `${line}, ${next}` : line), "")] }] }));
  const note = R.data.before === null ? `Training split of span ${R.data.spans}; there is no earlier span to compare with.` : `Training split of span ${R.data.spans}; drift is against span ${R.data.before} (L-infinity of the shares of values, Jensen-Shannon of numbers).`;
  section("data", "Data", note,
    R.schema.length ? el("div", { class: "verdict", id: "schema" }, el("b", {}, "the schema changed: "), R.schema.join("; ")) : null,
    rows.length ? table([{ title: "feature" }, { title: "kind" }, { title: "events" }, { title: "missing" }, { title: "distinct" }, { title: "mean (length)" }, { title: "drift" }, { title: "commonest", text: true }], rows, true) : null);
}

function gate() {
  const g = R.gate;
  if (!g) return;
  const rows = g.points.map((p) => ({ cells: [{ value: p.batch_size, show: [String(p.batch_size)] }, { value: p.p50_ms, show: [number(p.p50_ms, 1)] }, { value: p.p99_ms, show: [number(p.p99_ms, 1)] }, { value: p.events_per_second, show: [number(p.events_per_second, 1)] }] }));
  const fromZero = (key) => [0, 1.05 * Math.max(...g.points.map((p) => p[key]))];
  section("serving", "Serving gate", g.line,
    table([{ title: "batch size" }, { title: "p50 ms" }, { title: "p99 ms" }, { title: "events a second" }], rows, true),
    el("div", { class: "charts" },
      chart([{ name: "p50", points: g.points.map((p) => [p.batch_size, p.p50_ms]) }, { name: "p99", points: g.points.map((p) => [p.batch_size, p.p99_ms]) }], { xLabel: "batch size", y: fromZero("p99_ms"), yLabel: "milliseconds", title: "Latency", label: "latency by batch size" }),
      chart([{ name: "throughput", points: g.points.map((p) => [p.batch_size, p.events_per_second]) }], { xLabel: "batch size", y: fromZero("events_per_second"), yLabel: "events a second", title: "Throughput", label: "throughput by batch size" })));
}

header();
if (R.task) {
  metrics(); explorer(); curvesSection(); slicesSection(); confusionSection(); mistakes(); examples(); learning(); fairnessSection();
}
trials();
data();
if (R.task) gate();
document.body.append(el("footer", {}, "Made by tfx-pipeline review; everything is in this file."));
