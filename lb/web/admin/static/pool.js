// The pool at one glance: who is out, why, until when; and a card an account.

import { bar, confirmed, h, levelOf, mark, show, sparkline, text, toast } from "./dom.js";
import { pool, subscribe } from "./live.js";
import { send } from "./server.js";
import { ms, now, number, percent, plural, rate, span, when } from "./words.js";

const GRAVE = ["refused", "exhausted", "cooling", "refreshing", "doubtful", "paused"];

/** How an account is shown: its state, or "disabled". */
const stateOf = (account) => (!account.enabled ? "disabled" : account.state === "doubtful" && !account.until ? "ready" : account.state);

/** "weekly limit, back Tue 14:05" */
export function sentence(account) {
  const back = account.until && account.enabled && account.state !== "doubtful" && account.state !== "refreshing";
  return back ? `${account.words}, back ${when(account.until)}` : account.words;
}

export function open(place) {
  const glance = headline();
  const list = h("ul.cards", { "aria-label": "Accounts" });
  const none = h("div.empty", { hidden: true }, h("p", "There is no account yet."),
    h("p.muted", "Add one with ", h("code", "lb login NAME"), " or an [[accounts]] entry; it serves within two seconds."));
  place.append(glance.element, none, list);
  const cards = new Map();

  function draw() {
    if (!pool.status) return;
    glance.update(pool.status, [...pool.accounts.values()]);
    show(none, pool.accounts.size === 0);
    for (const [id, card] of cards) {
      if (pool.accounts.has(id)) continue;
      card.element.remove();
      cards.delete(id);
    }
    for (const account of pool.accounts.values()) {
      if (!cards.has(account.id)) {
        cards.set(account.id, card(account));
        list.append(cards.get(account.id).element);
      }
      cards.get(account.id).update(account);
    }
  }

  draw();
  const unsubscribe = subscribe(draw);
  const ticking = setInterval(draw, 1000); // countdowns go on between two words of the server
  return () => {
    unsubscribe();
    clearInterval(ticking);
  };
}

function headline() {
  const title = h("h1", "The pool");
  const runway = h("p.lead", "");
  const figures = h("dl.figures");
  const cells = new Map();
  const problems = h("p.notice", { role: "alert", hidden: true });
  const out = h("ul.out", { "aria-label": "Accounts that need attention" });
  const rows = new Map();

  function figure(name, value, level) {
    if (!cells.has(name)) {
      const cell = h("dd", "");
      figures.append(h("div", h("dt", name), cell));
      cells.set(name, cell);
    }
    text(cells.get(name), value);
    mark(cells.get(name), "data-level", level ?? "fine");
  }

  function update(status, accounts) {
    const told = status.pool;
    const enabled = accounts.filter((account) => account.enabled).length;
    text(title, enabled === told.ready ? `All ${plural(enabled, "account")} ready` : `${told.ready} of ${plural(enabled, "account")} ready`);
    if (enabled === 0) text(title, "No account is in use");
    text(runway, runwayWords(told.runway, told.ready));
    figure("In flight", number(told.in_flight));
    figure("Waiting", number(told.waiting), told.waiting ? "high" : "fine");
    figure("Requests/s", rate(told.requests_per_s));
    figure("Failed in 5 min", percent(told.error_share), told.error_share > 0.2 ? "high" : "fine");
    figure("Conversations", number(told.pins));
    figure("Loop lag", ms(status.event_loop_lag_ms), status.event_loop_lag_ms > 50 ? "high" : "fine");
    const faults = status.config.problems ?? [];
    show(problems, faults.length > 0);
    text(problems, faults.length ? `The configuration has ${plural(faults.length, "problem")}: ${faults[0]}${faults.length > 1 ? " (see Config)" : ""}` : "");
    attention(accounts);
  }

  function attention(accounts) {
    const found = accounts.filter((account) => account.enabled && stateOf(account) !== "ready");
    found.sort((a, b) => GRAVE.indexOf(a.state) - GRAVE.indexOf(b.state));
    for (const [id, row] of rows) {
      if (!found.some((account) => account.id === id)) {
        row.remove();
        rows.delete(id);
      }
    }
    found.forEach((account, index) => {
      if (!rows.has(account.id)) rows.set(account.id, h("li", h("b"), h("span.what"), h("span.until"), h("span.reason")));
      const row = rows.get(account.id);
      const [name, what, until, reason] = row.children;
      mark(row, "data-state", account.state);
      text(name, account.id);
      text(what, account.words);
      text(until, account.until ? `back ${when(account.until)} · in ${span(account.until - now())}` : account.state === "paused" ? "until resumed" : account.state === "refused" ? "until you mend it" : "");
      text(reason, account.reason === "paused by an operator" ? "" : account.reason);
      if (out.children[index] !== row) out.insertBefore(row, out.children[index] ?? null);
    });
    show(out, found.length > 0);
  }

  return { element: h("section.glance", { "aria-label": "The pool" }, title, runway, problems, out, figures), update };
}

function runwayWords(runway, ready) {
  if (runway.empty_at) {
    const left = runway.empty_at - now();
    return left < 60 ? "Every quota is spent." : `At this pace the pool’s quota is spent ${when(runway.empty_at)}, in ${span(left)}.`;
  }
  if (runway.unmetered && runway.metered) return `No end in sight: ${plural(runway.unmetered, "account")} without a quota window.`;
  if (runway.metered) return "At this pace the pool’s quota outlasts every reset.";
  return ready ? "No usage window is known, so no end is in sight." : "";
}

function card(first) {
  const id = first.id;
  const name = h("h2", id);
  const kind = h("span.kind", first.kind);
  const state = h("span.state", "");
  const reason = h("p.reason", "");
  const windows = h("div.windows");
  const bars = new Map();
  const spark = sparkline();
  const latency = h("span.value", "");
  const facts = h("dl.facts");
  const cells = new Map();
  const toggle = h("button", { type: "button", click: () => act(id, pool.accounts.get(id)?.state === "paused" ? "resume" : "pause") }, "Pause");
  const element = h("li.card", { id: `account-${id}` },
    h("header", name, state, kind),
    reason, windows,
    h("figure.latency", h("figcaption", "First content ", latency), spark.element),
    facts,
    h("div.actions",
      toggle,
      h("button", { type: "button", "aria-label": `Reset ${id}`, click: () => act(id, "reset") }, "Reset"),
      h("button", { type: "button", "aria-label": `Probe ${id}`, click: () => act(id, "probe") }, "Probe")));

  function fact(label, value, level) {
    if (!cells.has(label)) {
      const cell = h("dd", "");
      facts.append(h("div", h("dt", label), cell));
      cells.set(label, cell);
    }
    text(cells.get(label), value);
    mark(cells.get(label), "data-level", level ?? "fine");
  }

  function update(account) {
    mark(element, "data-state", stateOf(account));
    text(state, sentence(account));
    text(kind, [account.kind, ...account.labels].join(" · "));
    const why = account.state !== "ready" && account.reason !== "paused by an operator" ? account.reason : null;
    const blocks = account.blocks.map((block) => `without ${block.model} until ${when(block.until)}`);
    text(reason, [why, ...blocks].filter(Boolean).join(" · "));
    show(reason, Boolean(reason.textContent));
    drawWindows(account.windows);
    const values = account.latencies_ms ?? [];
    const worst = Math.max(0, ...values.filter((value) => value !== null));
    const last = values.findLast((value) => value !== null);
    text(latency, last === undefined ? "no answer in 5 min" : ms(last));
    spark.set(values, last === undefined ? "no answers in the last five minutes" : `time to first content in the last five minutes: ${ms(last)} now, ${ms(worst)} at worst`);
    fact("In flight", `${account.in_flight} of ${account.limit}`, account.in_flight >= account.limit ? "high" : "fine");
    fact("Requests/s", rate(account.requests_per_s));
    fact("Failed", percent(account.error_share), account.error_share > 0.2 ? "high" : "fine");
    fact("Pinned", number(account.pins));
    text(toggle, account.state === "paused" ? "Resume" : "Pause");
    mark(toggle, "aria-label", `${toggle.textContent} ${id}`);
    toggle.disabled = !account.enabled;
  }

  function drawWindows(told) {
    for (const [name, row] of bars) {
      if (!told.some((window) => window.name === name)) {
        row.element.remove();
        bars.delete(name);
      }
    }
    for (const window of told) {
      if (!bars.has(window.name)) {
        const meter = bar(`${id}: ${window.name} window`);
        const share = h("span.share", "");
        const note = h("span.note", "");
        const forecast = h("span.note.forecast", "");
        const row = h("div.window", h("span.label", window.name), meter.element, share, note, forecast);
        bars.set(window.name, { element: row, meter, share, note, forecast });
        windows.append(row);
      }
      const row = bars.get(window.name);
      row.meter.set(window.used, window.used < 1 && window.empty_at ? "high" : levelOf(window.used), `${percent(window.used)} used`);
      text(row.share, percent(window.used));
      const ahead = window.resets_at && window.resets_at > now();
      text(row.note, ahead ? `resets in ${span(window.resets_at - now())}` : "");
      const dry = window.empty_at && window.used < 1;
      text(row.forecast, dry ? `at this pace empty in ${span(window.empty_at - now())}` : "");
      show(row.forecast, Boolean(dry));
    }
  }

  return { element, update };
}

const ACTIONS = {
  pause: (id) => [`Pause ${id}?`, "It gets no new requests until you resume it. Answers under way go on.", "Pause"],
  resume: (id) => [`Resume ${id}?`, "It serves again at once.", "Resume"],
  reset: (id) => [`Reset ${id}?`, "What is held against it (cooling, a spent quota, a refusal, missing models) is forgotten, and it is asked again.", "Reset"],
  probe: (id) => [`Probe ${id}?`, "It is asked for its models now, under its own login. This costs no tokens.", "Probe"],
};

async function act(id, action) {
  if (!(await confirmed(...ACTIONS[action](id)))) return;
  try {
    const told = await send("POST", `accounts/${encodeURIComponent(id)}/${action}`);
    if (action === "probe") toast(`${id} ${told.ok ? `answers in ${ms(told.ms)}: ${told.said}` : `does not answer: ${told.said}`}`, told.ok ? "fine" : "bad");
    else toast(`${id}: ${told.words}`);
  } catch (refusal) {
    toast(refusal.message, "bad");
  }
}

