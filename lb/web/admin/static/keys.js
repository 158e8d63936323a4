// Client keys: made and shown once, their limits as bars, rotated, disabled, ended.

import { bar, confirmed, h, text, toast } from "./dom.js";
import { get, send } from "./server.js";
import { compact, dollars, now, number, span, when } from "./words.js";

const AGAIN_MS = 5000; // how often what is used is asked for anew
const LIMITS = { rpm: "requests a minute", rpd: "requests a day", tpm: "tokens a minute", tpd: "tokens a day", max_parallel: "at once" };

export function open(place) {
  const list = h("ul.cards.keys", { "aria-label": "Client keys" });
  const none = h("div.empty", { hidden: true }, h("p", "There is no client key."), h("p.muted", "Without one, anybody on this machine may ask, and nobody else."));
  place.append(h("div.title", h("h1", "Keys"), h("button.primary", { type: "button", click: () => create(load) }, "New key")), none, list);
  const cards = new Map();
  let gone = false;

  async function load() {
    if (gone) return;
    try {
      const { data } = await get("keys");
      none.hidden = data.length > 0;
      for (const [name, card] of cards) {
        if (data.some((key) => key.name === name)) continue;
        card.element.remove();
        cards.delete(name);
      }
      for (const key of data) {
        if (!cards.has(key.name)) {
          cards.set(key.name, keyCard(key.name, load));
          list.append(cards.get(key.name).element);
        }
        cards.get(key.name).update(key);
      }
    } catch (refusal) {
      if (refusal.status !== 401) toast(refusal.message, "bad");
    }
  }

  load();
  const again = setInterval(load, AGAIN_MS);
  return () => {
    gone = true;
    clearInterval(again);
  };
}

function keyCard(name, changed) {
  const masked = h("span.kind.mono", "");
  const state = h("span.state", "");
  const limits = h("div.windows");
  const facts = h("dl.facts");
  const toggle = h("button", { type: "button" }, "Disable");
  const rotate = h("button", { type: "button", click: () => rotated(name, changed) }, "Rotate");
  const end = h("button", { type: "button", click: () => ended(name, changed) }, "Delete");
  const actions = h("div.actions", toggle, rotate, end);
  const fixed = h("p.muted", "Declared in accounts.toml; change it there.");
  const element = h("li.card.key", h("header", h("h2", name), state, masked), limits, facts, actions, fixed);
  const meters = new Map();
  let key = null;
  toggle.addEventListener("click", () => disabled(name, key?.status === "active", changed));

  function update(told) {
    key = told;
    const active = told.status === "active";
    element.dataset.state = active ? "ready" : "paused";
    text(masked, told.key.masked);
    text(state, active ? "active" : told.status);
    text(toggle, active ? "Disable" : "Enable");
    toggle.setAttribute("aria-label", `${toggle.textContent} ${name}`);
    rotate.setAttribute("aria-label", `Rotate ${name}`);
    end.setAttribute("aria-label", `Delete ${name}`);
    const own = told.key.source === "store";
    actions.hidden = !own;
    fixed.hidden = own;
    drawLimits(told);
    drawFacts(facts, told);
  }

  function drawLimits(told) {
    const wanted = told.limits.map((limit) => [LIMITS[limit.name] ?? limit.name, limit.used, limit.limit, `${compact(limit.used)} of ${compact(limit.limit)}`, limit.resets_at]);
    if (told.budget) wanted.push([`budget${told.budget.per === "total" ? "" : ` a ${told.budget.per}`}`, told.budget.used_usd, told.budget.usd, `${dollars(told.budget.used_usd)} of ${dollars(told.budget.usd)}`, told.budget.resets_at]);
    if (told.balance) wanted.push(["balance", told.balance.used_usd, told.balance.usd, `${dollars(told.balance.used_usd)} of ${dollars(told.balance.usd)}`, null]);
    const names = wanted.map(([label]) => label);
    for (const [label, row] of meters) {
      if (names.includes(label)) continue;
      row.element.remove();
      meters.delete(label);
    }
    for (const [label, used, most, words, resetsAt] of wanted) {
      if (!meters.has(label)) {
        const meter = bar(`${name}: ${label}`);
        const share = h("span.share", "");
        const note = h("span.note", "");
        const row = h("div.window.wide", h("span.label", label), meter.element, share, note);
        meters.set(label, { element: row, meter, share, note });
        limits.append(row);
      }
      const row = meters.get(label);
      row.meter.set(most ? used / most : 1, undefined, words);
      text(row.share, words);
      text(row.note, resetsAt && resetsAt > now() && used ? `resets in ${span(resetsAt - now())}` : "");
    }
  }

  return { element, update };
}

function drawFacts(facts, told) {
  const entries = [
    ["Plan", told.plan ?? "none"],
    ["Requests today", number(told.used.requests_day)],
    ["Tokens today", compact(told.used.tokens_day)],
    ["In flight", number(told.used.in_flight)],
    ["Expires", told.expires_at ? when(told.expires_at) : "never"],
  ];
  if (told.models?.allow?.length) entries.push(["Models", told.models.allow.join(", ")]);
  if (told.old_until && told.old_until > now()) entries.push(["Old key opens until", when(told.old_until)]);
  facts.replaceChildren(...entries.map(([label, value]) => h("div", h("dt", label), h("dd", value))));
}

async function doing(work, changed) {
  try {
    await work();
  } catch (refusal) {
    toast(refusal.message, "bad");
  }
  changed();
}

async function disabled(name, active, changed) {
  const asked = active
    ? [`Disable ${name}?`, "Requests with it are refused until you enable it again.", "Disable", true]
    : [`Enable ${name}?`, "It opens again at once.", "Enable"];
  if (await confirmed(...asked)) doing(() => send("PATCH", `keys/${encodeURIComponent(name)}`, { disabled: active }), changed);
}

async function ended(name, changed) {
  if (await confirmed(`Delete ${name}?`, "The key never opens again. What it used stays in the ledger.", "Delete", true)) {
    doing(() => send("DELETE", `keys/${encodeURIComponent(name)}`), changed);
  }
}

async function rotated(name, changed) {
  if (!(await confirmed(`Rotate ${name}?`, "You get a new key now. The old one still opens for a day, so that you can change it everywhere.", "Rotate"))) return;
  doing(async () => reveal(await send("POST", `keys/${encodeURIComponent(name)}/rotate`)), changed);
}

/** The one time a key is seen: it is in no page, no store and no log after this dialog. */
function reveal(told) {
  const value = h("output.secret", { id: "new-key", tabindex: 0 }, told.api_key);
  const copied = h("span.muted", { role: "status" }, "");
  const dialog = h("dialog", { "aria-labelledby": "key-title" }, h("form", { method: "dialog" },
    h("h2", { id: "key-title" }, `The key of ${told.name}`),
    h("p", "This is the only time it is shown. Keep it where your secrets are."),
    value,
    h("div.actions", copied,
      h("button", { type: "button", click: async () => {
        await navigator.clipboard.writeText(value.textContent).then(() => text(copied, "copied"), () => {
          getSelection().selectAllChildren(value);
          text(copied, "marked: copy it by hand");
        });
      } }, "Copy"),
      h("button.primary", { value: "yes" }, "I have kept it"))));
  dialog.addEventListener("close", () => {
    text(value, "");
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
}

function create(changed) {
  const field = (name, label, props = {}) => h("label", label, h("input", { name, autocomplete: "off", ...props }));
  const count = { type: "number", min: 1, step: 1, inputmode: "numeric" };
  const why = h("p.wrong", { role: "alert" }, "");
  const form = h("form", { method: "dialog" },
    h("h2", { id: "create-title" }, "New key"),
    field("name", "Name", { required: true, maxlength: 64, pattern: "[A-Za-z0-9][A-Za-z0-9._\\-]*", placeholder: "alice", spellcheck: "false" }),
    h("div.pair", field("plan", "Plan", { placeholder: "none" }), field("expires", "Expires", { placeholder: "never, or 30d" })),
    h("div.pair", field("rpm", "Requests a minute", count), field("tpm", "Tokens a minute", count)),
    h("div.pair", field("max_parallel", "At once", count), field("models", "Models", { placeholder: "all, or gpt-5*, gpt-4.1" })),
    h("div.pair", field("budget", "Budget in USD", { type: "number", min: 0, step: "any" }),
      h("label", "per", h("select", { name: "per" }, ["month", "week", "day", "total"].map((per) => h("option", { value: per }, per))))),
    why,
    h("div.actions", h("button", { value: "no", formnovalidate: true }, "Cancel"), h("button.primary", { value: "yes" }, "Create")));
  const dialog = h("dialog", { "aria-labelledby": "create-title" }, form);
  form.addEventListener("submit", async (event) => {
    if (event.submitter?.value !== "yes") return;
    event.preventDefault(); // it closes once the server has agreed
    try {
      const told = await send("POST", "keys", wanted(new FormData(form)));
      dialog.close();
      reveal(told);
      changed();
    } catch (refusal) {
      text(why, refusal.message);
    }
  });
  dialog.addEventListener("close", () => dialog.remove());
  document.body.append(dialog);
  dialog.showModal();
}

function wanted(data) {
  const told = {};
  for (const name of ["name", "plan", "expires"]) if (data.get(name).trim()) told[name] = data.get(name).trim();
  for (const name of ["rpm", "tpm", "max_parallel"]) if (data.get(name)) told[name] = Number(data.get(name));
  const models = data.get("models").split(",").map((each) => each.trim()).filter(Boolean);
  if (models.length) told.models = models;
  if (data.get("budget")) told.budget = { usd: Number(data.get("budget")), per: data.get("per") };
  return told;
}
