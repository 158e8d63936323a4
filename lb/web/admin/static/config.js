// The configuration that counts now, and what was wrong with the file when it was last read.

import { h, toast } from "./dom.js";
import { subscribe } from "./live.js";
import { get } from "./server.js";

export function open(place) {
  const body = h("div");
  place.append(h("h1", "Config"), body);
  let known = "";

  async function load() {
    try {
      const told = await get("config");
      const text = JSON.stringify(told);
      if (text === known) return; // what one is reading does not jump
      known = text;
      draw(body, told);
    } catch (refusal) {
      if (refusal.status !== 401) toast(refusal.message, "bad");
    }
  }

  load();
  const again = setInterval(load, 3000);
  const unsubscribe = subscribe((name) => name === "status" && load());
  return () => {
    clearInterval(again);
    unsubscribe();
  };
}

function draw(place, told) {
  const { accounts = [], keys = [], ...sections } = told.config;
  place.replaceChildren(
    h("p.lead", told.demo ? "No file: this is the simulated pool." : told.path === null ? "No file. Secrets are shown as stars." : ["Read from ", h("code", told.path), ". A change is taken up within two seconds; secrets are shown as stars."]),
    problems(told.problems),
    ...Object.entries(sections).map(([name, value]) => h("section.config", h("h2", `[${name}]`), value && typeof value === "object" ? table(value, name) : h("p.mono", shown(value)))),
    ...group("accounts", "id", accounts),
    ...group("keys", "name", keys));
}

function problems(found) {
  if (!found.length) return h("p.good", "The file was taken up as it stands: no problem.");
  return h("section.notice", { role: "alert" }, h("h2", `${found.length} ${found.length === 1 ? "problem" : "problems"}`), h("ul", found.map((each) => h("li", each))));
}

function group(name, title, entries) {
  return entries.map((entry) => h("section.config", h("details", h("summary", h("h2", `[[${name}]]`), h("b", String(entry[title] || "(none)")), entry.kind ? h("span.muted", entry.kind) : null), table(entry, name))));
}

function table(value, label) {
  const entries = Object.entries(value);
  if (!entries.length) return h("p.muted", "nothing");
  return h("table.config", h("caption.sr", label), h("tbody", entries.map(([name, each]) => h("tr", h("th", { scope: "row" }, name), h("td", cell(each))))));
}

function cell(value) {
  if (Array.isArray(value)) return value.length ? value.map((each) => (each && typeof each === "object" ? table(each, "") : h("code", shown(each)))) : h("span.muted", "none");
  if (value && typeof value === "object") return table(value, "");
  return value === null || value === "" ? h("span.muted", "–") : h("code", shown(value));
}

const shown = (value) => (value === null ? "–" : String(value));
