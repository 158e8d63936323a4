// One request, opened: what was done for it, when, and why.

import { h, toast } from "./dom.js";
import { get } from "./server.js";
import { outcome } from "./requests.js";
import { full, ms, number, plural, usd } from "./words.js";

export function open(place, id) {
  place.append(h("p", h("a.back", { href: "#/requests" }, "← Requests")), h("h1.mono", id));
  get(`requests/${encodeURIComponent(id)}`).then((told) => draw(place, told)).catch((refusal) => {
    if (refusal.status === 404) place.append(h("p.empty", refusal.message));
    else toast(refusal.message, "bad");
  });
}

function draw(place, told) {
  const row = told.request;
  place.append(summary(row, told));
  if (told.problem) place.append(h("p.notice", { "data-level": "bad" }, told.problem));
  if (!told.attempts) {
    place.append(h("p.muted", "Its timeline is not kept any more (the last 2,000 requests have theirs); this is its row of the ledger."));
    return;
  }
  if (told.attempts.length) place.append(chart(row, told.attempts));
  place.append(rules(told.rules), attempts(told.attempts));
}

function facts(entries) {
  return h("dl.detail", entries.filter(([, value]) => value !== null && value !== undefined && value !== "").map(([name, value]) => h("div", h("dt", name), h("dd", value))));
}

function summary(row, told) {
  const tokens = `${number(row.input_tokens)} in (${number(row.cached_tokens)} cached), ${number(row.output_tokens)} out (${number(row.reasoning_tokens)} reasoning)`;
  return facts([
    ["Outcome", h("span", outcome(row.outcome), told.status ? ` ${told.status}` : "")],
    ["Admitted", full(row.at)],
    ["Key", row.key || "none"],
    ["Model", row.model_served && row.model_served !== row.model_asked ? `${row.model_asked}, served as ${row.model_served}` : row.model_asked],
    ["Effort", row.effort],
    ["Account", row.account || "none"],
    ["Asked over", told.transport ? `${told.transport}, ${row.stream ? "streamed" : "in one piece"}${told.client === "codex" ? ", by Codex" : ""}` : null],
    ["User agent", told.user_agent],
    ["Tokens", row.usage_from === "none" ? "none were told" : `${tokens}${row.usage_from === "estimated" ? ", estimated" : ""}`],
    ["Cost", row.cost_uusd === null ? "no price is known" : usd(row.cost_uusd)],
    ["Waited for an account", ms(row.queue_ms)],
    ["lb’s own share", told.overhead_ms === null || told.overhead_ms === undefined ? null : ms(told.overhead_ms)],
    ["First content", ms(row.ttfb_ms)],
    ["Total", ms(row.total_ms)],
  ]);
}

/** What happened when, to scale: waiting, asking, answering. */
function chart(row, tries) {
  const begin = row.at;
  const end = Math.max(row.at + row.total_ms / 1000, ...tries.map((each) => each.ended_at ?? 0));
  const length = Math.max(end - begin, 0.001);
  const lines = tries.map((each, index) => {
    const before = index ? tries[index - 1].ended_at ?? each.at : begin;
    const last = index === tries.length - 1;
    const opened = each.first_content_at;
    const parts = [["wait", before, each.at, "before it was asked"], ["ask", each.at, opened ?? each.ended_at ?? end, opened ? "to the first content" : "until it failed"]];
    if (opened && last) parts.push(["answer", opened, end, "answering"]);
    const failed = each.outcome !== "ok" && !(opened && last);
    return h("li", h("span.who", `${index + 1}. ${each.account}`), h("div.track", { role: "img", "aria-label": parts.map(([, from, to, words]) => `${ms((to - from) * 1000)} ${words}`).join(", ") },
      parts.filter(([, from, to]) => to > from).map(([kind, from, to, words]) => segment(kind, failed, (from - begin) / length, (to - from) / length, `${words}: ${ms((to - from) * 1000)}`))));
  });
  return h("section", h("h2", "Timeline"), h("ol.gantt", lines),
    h("div.scale", { "aria-hidden": "true" }, [0, 0.25, 0.5, 0.75, 1].map((share) => h("span", share ? ms(share * length * 1000) : "0"))),
    h("p.legend", h("span", { "data-kind": "wait" }, "waiting"), h("span", { "data-kind": "ask" }, "asking, to the first content"), h("span", { "data-kind": "answer" }, "answering"), h("span", { "data-kind": "failed" }, "failed")));
}

function segment(kind, failed, from, share, title) {
  const element = h("i", { title, "data-kind": failed && kind === "ask" ? "failed" : kind });
  element.style.left = `${Math.max(0, Math.min(100, from * 100))}%`;
  element.style.width = `${Math.max(0.4, Math.min(100, share * 100))}%`;
  return element;
}

function rules(told) {
  const words = (name) => name.replaceAll("_", " ");
  return h("section", h("h2", "Rules"), told.length
    ? h("ul.plain", told.map((each) => h("li", words(each.rule), " changed ", each.changed.map((name, index) => [index ? ", " : "", h("code", name)]))))
    : h("p.muted", "No rule had to change the request."));
}

function attempts(tries) {
  if (!tries.length) return h("section", h("h2", "Attempts"), h("p.muted", "No account was asked."));
  return h("section", h("h2", plural(tries.length, "attempt")), h("ol.attempts", tries.map(attempt)));
}

function attempt(each) {
  const opened = each.first_content_at;
  const went = opened ? `first content after ${ms((opened - each.at) * 1000)}` : each.ended_at ? `failed after ${ms((each.ended_at - each.at) * 1000)}` : "never ended";
  return h("li", { "data-outcome": each.outcome === "ok" ? "ok" : "failed" },
    h("h3", each.account, h("span.verdict", each.outcome === "ok" ? "answered" : each.outcome.replaceAll("_", " "))),
    h("p", [went, each.status ? `HTTP ${each.status}` : null].filter(Boolean).join(", ")),
    each.said ? h("blockquote", each.said) : null,
    facts([
      ["Why this one", each.why],
      ["Fields changed for it", each.changed.join(", ")],
      ["Upstream’s request id", each.upstream_request_id],
      ["Our id", each.request_id],
    ]),
    each.others.length ? h("details", { open: each.others.length <= 8 },
      h("summary", `Why not the ${each.others.length === 1 ? "other" : `other ${each.others.length}`}`),
      h("table.others", h("caption.sr", "The other accounts"), h("thead.sr", h("tr", ["Account", "Verdict", "Reason"].map((name) => h("th", { scope: "col" }, name)))),
        h("tbody", each.others.map((other) => h("tr", h("th", { scope: "row" }, other.id), h("td", other.verdict), h("td.muted", other.reason)))))) : null,
    each.unseen ? h("p.muted", `${plural(each.unseen, "more account")} ${each.unseen === 1 ? "was" : "were"} not looked at one by one: a first pick in a large pool draws two and takes the better.`) : null);
}
