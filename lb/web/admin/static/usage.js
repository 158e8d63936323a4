// Who uses what: totals, days to hover over, and a table to take away as CSV.

import { h, show, text, toast } from "./dom.js";
import { bars } from "./charts.js";
import { get } from "./server.js";
import { compact, number, percent, usd } from "./words.js";

const RANGES = [["24h", "day"], ["7d", "week"], ["30d", "month"], ["90d", "quarter"], ["365d", "year"]];
const BY = ["key", "account", "model", "day"];
const COLUMNS = ["requests", "input_tokens", "cached_tokens", "output_tokens", "reasoning_tokens", "cost_uusd", "unpriced"];

export function open(place) {
  const state = { range: "30d", by: "key", turn: 0, rows: [] };
  const totals = h("dl.figures");
  const charts = h("div.charts");
  const table = h("div.scroll");
  const note = h("p.muted", { hidden: true });
  const range = choice("range", "Time", RANGES, state.range, (value) => { state.range = value; load(); });
  const by = choice("by", "By", BY.map((name) => [name, name]), state.by, (value) => { state.by = value; load(); });
  const csv = h("button", { type: "button", click: () => download(state) }, "CSV");
  place.append(h("div.title", h("h1", "Usage"), range), totals, charts, h("div.title", h("h2", "Broken down"), by, csv), note, table);

  async function load() {
    const mine = ++state.turn;
    try {
      const [days, told] = await Promise.all([get(`usage?by=day&since=${state.range}`), get(`usage?by=${state.by}&since=${state.range}`)]);
      if (mine !== state.turn) return;
      state.rows = told.rows;
      drawTotals(totals, told);
      drawCharts(charts, days.rows);
      drawTable(table, told, state.by);
      show(note, told.unpriced > 0);
      text(note, told.unpriced ? `${number(told.unpriced)} requests used a model without a known price: they count as nothing. Name it under [prices].` : "");
    } catch (refusal) {
      if (refusal.status !== 401) toast(refusal.message, "bad");
    }
  }

  const redraw = () => load();
  addEventListener("lb-theme", redraw);
  load();
  return () => {
    state.turn++;
    removeEventListener("lb-theme", redraw);
  };
}

function choice(name, label, options, chosen, change) {
  return h("fieldset.choice", h("legend.sr", label), options.map(([value, told]) =>
    h("label", h("input", { type: "radio", name, value, checked: value === chosen, change: () => change(value) }), h("span", told))));
}

const share = (row) => (row.input_tokens ? row.cached_tokens / row.input_tokens : null);

function drawTotals(totals, told) {
  const figure = (name, value) => h("div", h("dt", name), h("dd", value));
  totals.replaceChildren(
    figure("Requests", compact(told.requests)), figure("Tokens in", compact(told.input_tokens)), figure("Tokens out", compact(told.output_tokens)),
    figure("Cache hits", percent(share(told))), figure("Cost", usd(told.cost_uusd)),
    figure("Tries a request", told.requests ? (told.attempts / told.requests).toFixed(2) : "–"));
}

function drawCharts(place, rows) {
  place.replaceChildren();
  if (!rows.length) {
    place.append(h("p.empty", "Nothing was used in this time."));
    return;
  }
  const days = rows.map((row) => Date.parse(`${row.day}T00:00:00Z`) / 1000);
  const of = (name) => rows.map((row) => row[name]);
  bars(place, "Tokens a day", days, [
    ["cached input", of("cached_tokens"), "a"],
    ["fresh input", rows.map((row) => row.input_tokens - row.cached_tokens), "b"],
    ["output", of("output_tokens"), "c"],
  ], compact);
  bars(place, "Cost a day", days, [["cost", of("cost_uusd"), "b"]], usd);
  bars(place, "Requests a day", days, [["requests", of("requests"), "b"]], compact);
  bars(place, "Cache-hit share", days, [["of input tokens", rows.map((row) => share(row) ?? 0), "a"]], percent);
}

function drawTable(place, told, by) {
  const most = Math.max(1, ...told.rows.map((row) => row.input_tokens + row.output_tokens));
  const cell = (words, label) => h("td.n", { "data-label": label }, words);
  place.replaceChildren(h("table.usage", h("caption.sr", `Usage by ${by}`),
    h("thead", h("tr", [by, "Requests", "Tokens in", "Cached", "Tokens out", "Reasoning", "Cost", ""].map((name, index) => h(index ? "th.n" : "th", { scope: "col" }, name || h("span.sr", "Share"))))),
    h("tbody", told.rows.map((row) => {
      const fill = h("i");
      fill.style.width = `${(100 * (row.input_tokens + row.output_tokens)) / most}%`;
      return h("tr", h("th", { scope: "row" }, row[by] || "none"), cell(number(row.requests), "Requests"), cell(compact(row.input_tokens), "Tokens in"), cell(percent(share(row)), "Cached"),
        cell(compact(row.output_tokens), "Tokens out"), cell(compact(row.reasoning_tokens), "Reasoning"), cell(usd(row.cost_uusd), "Cost"), h("td.share", { "aria-hidden": "true" }, h("div.meter", fill)));
    }))));
  if (!told.rows.length) place.replaceChildren();
}

/** A spreadsheet takes a cell that begins with = or @ for a formula: names are clients' own words. */
function quoted(value) {
  const told = String(value ?? "");
  const safe = /^[=+\-@\t\r]/.test(told) && typeof value !== "number" ? `'${told}` : told;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

function download({ rows, by, range }) {
  const lines = [[by, ...COLUMNS], ...rows.map((row) => [row[by], ...COLUMNS.map((name) => row[name])])];
  const blob = new Blob([lines.map((line) => line.map(quoted).join(",")).join("\r\n") + "\r\n"], { type: "text/csv" });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = `usage-by-${by}-${range}.csv`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}
