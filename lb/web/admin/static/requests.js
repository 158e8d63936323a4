// Requests: as they end, and as the ledger has them. One of them is opened by timeline.js.

import { h, show, text, toast } from "./dom.js";
import { pool, subscribe } from "./live.js";
import { get } from "./server.js";
import { compact, full, ms, now, number, plural, second, usd, when } from "./words.js";
import * as timeline from "./timeline.js";

const MOST_SHOWN = 300;
const OUTCOMES = ["completed", "incomplete", "failed", "client_gone", "refused", "interrupted"];
const SPANS = [["", "any time"], ["15m", "last 15 minutes"], ["1h", "last hour"], ["24h", "last day"], ["7d", "last week"], ["30d", "last month"], ["between", "between …"]];
const COLUMNS = ["Time", "Outcome", "Key", "Model", "Account", "Tries", "First content", "Total", "Tokens in", "out", "Cost"];

export function open(place, [id]) {
  return id ? timeline.open(place, id) : openList(place);
}

function openList(place) {
  const filters = form();
  const body = h("tbody");
  const count = h("p.muted", { role: "status" }, "");
  const more = h("button", { type: "button", hidden: true, click: () => load(true) }, "Older");
  const live = h("input", { type: "checkbox", id: "live", checked: true });
  const state = { next: null, turn: 0, unseen: 0 };
  place.append(
    h("div.title", h("h1", "Requests"), h("label.switch", { for: "live" }, live, "live")),
    filters.element, count,
    h("div.scroll", h("table.requests", h("caption.sr", "Requests, newest first"),
      h("thead", h("tr", COLUMNS.map((name, index) => h(index > 4 ? "th.n" : "th", { scope: "col" }, name)))), body)),
    more);
  filters.element.addEventListener("change", () => load(false));

  async function load(older) {
    const mine = ++state.turn;
    try {
      const told = await get(`requests?${filters.query(older ? state.next : null)}`);
      if (mine !== state.turn) return;
      const rows = told.data.map((each) => row(each));
      if (older) body.append(...rows);
      else body.replaceChildren(...rows);
      state.next = told.next;
      show(more, Boolean(told.next));
      describe(told);
    } catch (refusal) {
      if (refusal.status !== 401) toast(refusal.message, "bad");
    }
  }

  function describe(told) {
    const where = told?.why ? ` The ledger does not answer (${told.why}): these are of the last ones this server remembers.` : "";
    text(count, `${body.children.length ? plural(body.children.length, "request") : "No request"} shown.${where}`);
  }

  const unsubscribe = subscribe((name, data) => {
    if (name === "status") filters.suggest(data.accounts);
    if (name !== "request" || !live.checked || !filters.admits(data) || body.querySelector(`[data-id="${CSS.escape(data.request_id)}"]`)) return;
    const fresh = row(data);
    fresh.classList.add("fresh");
    const older = [...body.children].find((each) => Number(each.dataset.at) <= data.at);
    body.insertBefore(fresh, older ?? null);
    while (body.children.length > MOST_SHOWN) body.lastChild.remove();
    describe();
  });
  if (pool.status) filters.suggest(pool.status.accounts);
  load(false);
  return () => {
    state.turn++;
    unsubscribe();
  };
}

export const outcome = (name) => h("span.outcome", { "data-outcome": name }, name.replace("_", " "));

function row(told) {
  const href = `#/requests/${encodeURIComponent(told.request_id)}`;
  const cells = [
    h("td", { "data-label": "Time", title: full(told.at) }, h("a", { href }, now() - told.at < 43200 ? second(told.at) : when(told.at))),
    h("td", { "data-label": "Outcome" }, outcome(told.outcome)),
    h("td.name", { "data-label": "Key", title: told.key }, told.key || "–"),
    h("td.name", { "data-label": "Model", title: told.model_asked }, told.model_asked),
    h("td.name", { "data-label": "Account", title: told.account }, told.account || "–"),
    h("td.n", { "data-label": "Tries", "data-level": told.attempts > 1 ? "high" : "fine" }, number(told.attempts)),
    h("td.n", { "data-label": "First content" }, ms(told.ttfb_ms)),
    h("td.n", { "data-label": "Total" }, ms(told.total_ms)),
    h("td.n", { "data-label": "Tokens in", title: `${number(told.input_tokens)}, of them cached ${number(told.cached_tokens)}` }, compact(told.input_tokens)),
    h("td.n", { "data-label": "Tokens out" }, `${told.usage_from === "estimated" ? "~" : ""}${compact(told.output_tokens)}`),
    h("td.n", { "data-label": "Cost" }, usd(told.cost_uusd)),
  ];
  return h("tr", { "data-id": told.request_id, "data-at": told.at, click: (event) => {
    if (!event.target.closest("a") && !getSelection().toString()) location.hash = href;
  } }, cells);
}

function form() {
  const field = (name, list) => h("label", name, h("input", { name: name.toLowerCase(), list, autocomplete: "off", spellcheck: "false", maxlength: 200 }));
  const accounts = h("datalist", { id: "known-accounts" });
  const between = h("span.between", { hidden: true },
    h("label", "From", h("input", { name: "from", type: "datetime-local" })),
    h("label", "To", h("input", { name: "to", type: "datetime-local" })));
  const select = (name, options) => h("label", name, h("select", { name: name.toLowerCase() }, options.map(([value, told]) => h("option", { value }, told))));
  const element = h("form.filters", { submit: (event) => event.preventDefault(), role: "search", "aria-label": "Search the requests" },
    field("Key"), field("Account", "known-accounts"), field("Model"),
    select("Outcome", [["", "any"], ...OUTCOMES.map((name) => [name, name.replace("_", " ")])]),
    select("Time", SPANS), between, accounts);
  const value = (name) => element.elements[name].value.trim();
  element.addEventListener("change", () => show(between, value("time") === "between"));
  const seconds = (name) => (value(name) ? Math.floor(new Date(value(name)).getTime() / 1000) : "");

  return {
    element,
    suggest: (known) => accounts.replaceChildren(...known.map((account) => h("option", { value: account.id }))),
    query(cursor) {
      const asked = { key: value("key"), account: value("account"), model: value("model"), outcome: value("outcome"), limit: 100, cursor };
      if (value("time") === "between") Object.assign(asked, { since: seconds("from"), until: seconds("to") });
      else asked.since = value("time");
      return new URLSearchParams(Object.entries(asked).filter(([, told]) => told !== "" && told !== null)).toString();
    },
    admits: (told) => value("time") !== "between"
      && (!value("key") || told.key === value("key")) && (!value("account") || told.account === value("account"))
      && (!value("model") || told.model_asked === value("model")) && (!value("outcome") || told.outcome === value("outcome")),
  };
}
