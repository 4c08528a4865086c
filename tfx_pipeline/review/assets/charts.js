"use strict";
// Line charts and scatter plots as inline SVG; no library, no network.

const COLOURS = ["var(--one)", "var(--two)", "var(--three)", "var(--four)"];
const BOX = { width: 420, height: 280, left: 62, right: 12, top: 10, bottom: 42 };

function svg(name, attributes = {}, text = null) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text !== null) element.textContent = text;
  return element;
}

function ticks(low, high, whole = false, count = 5) {
  const rough = (high - low) / count || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const fit = [1, 2, 5, 10].map((m) => m * power).find((s) => s >= rough);
  const step = whole ? Math.max(1, Math.round(fit)) : fit;
  const found = [];
  for (let at = Math.ceil(low / step) * step; at <= high + step / 1e6; at += step) found.push(Number(at.toFixed(10)));
  return found;
}

function extent(values) {
  const low = Math.min(...values), high = Math.max(...values);
  return low === high ? [low - 0.5, high + 0.5] : [low, high];
}

// series: [{name, points: [[x, y], …], dots}]
// options: {label, title, x, y: [low, high], xLabel, yLabel, wholeX, diagonal, mark}
function chart(series, options) {
  const [x0, x1] = options.x || extent(series.flatMap((s) => s.points.map((p) => p[0])));
  const [y0, y1] = options.y || extent(series.flatMap((s) => s.points.map((p) => p[1])));
  const { width, height, left, right, top, bottom } = BOX;
  const x = (value) => left + ((value - x0) / (x1 - x0)) * (width - left - right);
  const y = (value) => height - bottom - ((value - y0) / (y1 - y0)) * (height - top - bottom);
  const root = svg("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": options.label });
  for (const at of ticks(x0, x1, options.wholeX)) {
    root.append(svg("line", { class: "axis", x1: x(at), x2: x(at), y1: top, y2: height - bottom }));
    root.append(svg("text", { x: x(at), y: height - bottom + 17, "text-anchor": "middle" }, at));
  }
  for (const at of ticks(y0, y1)) {
    root.append(svg("line", { class: "axis", x1: left, x2: width - right, y1: y(at), y2: y(at) }));
    root.append(svg("text", { x: left - 6, y: y(at) + 4, "text-anchor": "end" }, at));
  }
  root.append(svg("text", { x: (left + width - right) / 2, y: height - 6, "text-anchor": "middle" }, options.xLabel));
  root.append(svg("text", { transform: `translate(12 ${(height - bottom + top) / 2}) rotate(-90)`, "text-anchor": "middle" }, options.yLabel));
  if (options.diagonal) root.append(svg("line", { class: "guide", x1: x(Math.max(x0, y0)), y1: y(Math.max(x0, y0)), x2: x(Math.min(x1, y1)), y2: y(Math.min(x1, y1)) }));
  series.forEach((line, i) => {
    const colour = COLOURS[i % COLOURS.length];
    if (!line.dots) {
      const path = line.points.map((p, n) => `${n ? "L" : "M"}${x(p[0]).toFixed(1)} ${y(p[1]).toFixed(1)}`).join("");
      root.append(svg("path", { d: path, style: `stroke:${colour}` }));
    }
    if (line.dots || line.points.length < 15) {
      for (const p of line.points) {
        const dot = svg("circle", { class: "dot", cx: x(p[0]), cy: y(p[1]), r: line.dots === "small" ? 2 : 3.5, style: `fill:${colour}` });
        dot.append(svg("title", {}, `${line.name}: ${p.map((v) => Number(v.toFixed(4))).join(", ")}`));
        root.append(dot);
      }
    }
  });
  if (options.mark !== undefined) {
    root.append(svg("line", { class: "mark", x1: x(options.mark), x2: x(options.mark), y1: top, y2: height - bottom }));
  }
  const figure = el("figure", { style: "margin:0" });
  if (options.title) figure.append(el("h3", {}, options.title));
  figure.append(root);
  if (series.length > 1) {
    const legend = el("div", { class: "legend" });
    series.forEach((line, i) => {
      const key = el("span", {}, line.name);
      key.prepend(el("i", { style: `background:${COLOURS[i % COLOURS.length]}` }));
      legend.append(key);
    });
    figure.append(legend);
  }
  return figure;
}
