// The frame around the pages: which one is shown, whether the line to the server is alive, the key.

import { h, show, text } from "./dom.js";
import { hasToken, onLocked, setToken } from "./server.js";
import { freshness, start, stop, subscribe } from "./live.js";
import { span } from "./words.js";

const PAGES = {
  pool: ["Pool", () => import("./pool.js")],
  requests: ["Requests", () => import("./requests.js")],
  usage: ["Usage", () => import("./usage.js")],
  keys: ["Keys", () => import("./keys.js")],
  config: ["Config", () => import("./config.js")],
};
const main = document.getElementById("main");
let leave = () => {};
let turn = 0;

async function route(focus = true) {
  const [name, ...rest] = location.hash.replace(/^#\/?/, "").split("/");
  if (name === "main") return; // the skip link
  const [title, load] = PAGES[name] ?? PAGES.pool;
  const mine = ++turn;
  leave();
  leave = () => {};
  for (const link of document.querySelectorAll("nav a")) {
    if (link.hash === `#/${name || "pool"}`) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${title} · lb`;
  const page = await load();
  if (mine !== turn) return;
  const place = h("div.page", { class: "page", id: `page-${title.toLowerCase()}` });
  main.replaceChildren(place);
  leave = page.open(place, rest.map(decodeURIComponent)) ?? (() => {});
  if (focus) main.focus({ preventScroll: true });
  scrollTo(0, 0);
}

/** The door: nothing else is shown until the token is right. */
function lock(refusal) {
  stop();
  turn++;
  leave();
  leave = () => {};
  const wrong = hasToken();
  setToken("");
  const field = h("input", { id: "token", type: "password", autocomplete: "current-password", required: true, "aria-describedby": "token-why" });
  const form = h("form.door", { submit: (event) => {
    event.preventDefault();
    setToken(field.value.trim());
    enter();
  } },
    h("h1", "Admin token"),
    h("p.muted", { id: "token-why", role: wrong ? "alert" : null }, wrong ? refusal.message : "It stands in accounts.toml as admin_token of [server]. It is kept in this tab only."),
    h("label", { for: "token" }, "Token"), field,
    h("button.primary", { type: "submit" }, "Open"));
  main.replaceChildren(form);
  field.focus();
}

function enter() {
  start();
  route(false);
}

function watchTheLine() {
  const link = document.getElementById("link");
  const words = link.querySelector("span");
  const look = () => {
    const [state, silent] = freshness();
    const line = !running() ? "off" : state;
    link.dataset.state = line;
    document.body.classList.toggle("stale", line === "stale");
    text(words, line === "live" ? "live" : line === "stale" ? `stale for ${span(silent / 1000)}` : "connecting");
  };
  subscribe(look);
  setInterval(look, 1000);
}

const running = () => !document.querySelector(".door");

function theme() {
  const root = document.documentElement;
  const kept = localStorage.getItem("lb-theme");
  if (kept) root.dataset.theme = kept;
  document.getElementById("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("lb-theme", root.dataset.theme);
    dispatchEvent(new Event("lb-theme"));
  });
}

onLocked(lock);
theme();
watchTheLine();
addEventListener("hashchange", () => running() && route());
show(main, true);
enter();
