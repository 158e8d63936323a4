// Bars over days, by uPlot (loaded when the first chart is drawn).

import { h, text } from "./dom.js";

const HEIGHT = 170;
let loading = null;

function library() {
  loading ??= new Promise((resolve, reject) => {
    const style = document.createElement("link");
    style.rel = "stylesheet";
    style.href = "static/uplot.css";
    const script = document.createElement("script");
    script.src = "static/uplot.js";
    script.onload = () => resolve(window.uPlot);
    script.onerror = () => reject(new Error("The charts could not be loaded."));
    document.head.append(style, script);
  });
  return loading;
}

/** Stacked bars a day: parts are [name, values, shade]; said(value) writes a value. */
export async function bars(place, title, days, parts, said) {
  const reading = h("span.reading", "");
  const holder = h("div.plot");
  const total = (index) => parts.map(([name, values]) => `${name} ${said(values[index])}`).join(" · ");
  const figure = h("figure.chart", h("figcaption", h("span", title), reading), holder,
    h("div.sr", h("table", h("caption", title), h("tbody", days.map((day, index) => h("tr", h("th", { scope: "row" }, dayName(day)), h("td", total(index))))))));
  place.append(figure);
  const Plot = await library();
  if (!figure.isConnected) return;
  const stacked = parts.map((_, until) => days.map((__, day) => parts.slice(0, until + 1).reduce((sum, [, values]) => sum + values[day], 0)));
  const say = (index) => text(reading, `${dayName(days[index])}: ${total(index)}`);
  const plot = new Plot(options(Plot, holder, figure, parts, said, (index) => say(index ?? days.length - 1)), [days, ...stacked.toReversed()], holder);
  say(days.length - 1);
  const observer = new ResizeObserver(() => (figure.isConnected ? plot.setSize({ width: holder.clientWidth, height: HEIGHT }) : observer.disconnect()));
  observer.observe(holder);
}

const dayName = (day) => new Date(day * 1000).toLocaleDateString("en", { day: "numeric", month: "short", timeZone: "UTC" });

function options(Plot, holder, figure, parts, said, hover) {
  const color = (name) => getComputedStyle(figure).getPropertyValue(name).trim();
  const axis = { stroke: color("--muted"), font: "11px system-ui, sans-serif", grid: { stroke: color("--line"), width: 1 }, ticks: { show: false } };
  return {
    width: Math.max(200, holder.clientWidth),
    height: HEIGHT,
    tzDate: (at) => Plot.tzDate(new Date(at * 1000), "Etc/UTC"),
    padding: [8, 18, 0, 0],
    legend: { show: false },
    cursor: { drag: { x: false, y: false }, y: false, points: { show: false } },
    scales: { x: { range: (_, low, high) => [low - 43200, high + 43200] }, y: { range: (_, __, high) => [0, high > 0 ? high * 1.08 : 1] } },
    axes: [
      { ...axis, size: 26, gap: 4, grid: { show: false }, values: (_, ticks) => ticks.map((tick) => (tick % 86400 === 0 ? dayName(tick) : "")) },
      { ...axis, size: 56, values: (_, ticks) => ticks.map(said) },
    ],
    series: [{}, ...parts.toReversed().map(([, , shade]) => ({ fill: color(`--chart-${shade}`), width: 0, points: { show: false }, paths: Plot.paths.bars({ size: [0.72, 46], radius: 0.12 }) }))],
    hooks: { setCursor: [(plot) => hover(plot.cursor.idx)] },
  };
}
