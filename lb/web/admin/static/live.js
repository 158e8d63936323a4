// What is known of the pool now: asked for once, then kept fresh by what the server tells.

import { get, listen } from "./server.js";
import { setClock } from "./words.js";

const STALE_MS = 4000; // the server speaks every second
const LONGEST_WAIT_MS = 8000;

export const pool = { status: null, accounts: new Map() };
const hearers = new Set();
let heardAt = 0;
let running = null;

/** Hear (name, data) of everything; gives back how to stop. */
export function subscribe(hear) {
  hearers.add(hear);
  return () => hearers.delete(hear);
}

function tell(name, data) {
  for (const hear of [...hearers]) hear(name, data);
}

/** "live", "stale" or "off", and since how many ms nothing was heard. */
export function freshness() {
  if (!heardAt) return ["off", 0];
  const silent = performance.now() - heardAt;
  return [silent > STALE_MS ? "stale" : "live", silent];
}

export function stop() {
  running?.abort();
  running = null;
}

export async function start() {
  stop();
  const mine = (running = new AbortController());
  let wait = 500;
  while (!mine.signal.aborted) {
    try {
      takeStatus(await get("status", mine.signal));
      await listen("live", mine.signal, (name, data) => {
        heardAt = performance.now();
        wait = 500;
        hear(name, data);
      });
    } catch (refusal) {
      if (refusal.name === "AbortError" || refusal.status === 401 || refusal.status === 429) return;
    }
    tell("away", {});
    await new Promise((resume) => setTimeout(resume, wait * (0.8 + 0.4 * Math.random())));
    wait = Math.min(LONGEST_WAIT_MS, wait * 2);
  }
}

function takeStatus(status) {
  setClock(status.at);
  heardAt = performance.now();
  pool.status = status;
  pool.accounts = new Map(status.accounts.map((account) => [account.id, account]));
  tell("status", status);
}

function hear(name, data) {
  if (name === "pool") {
    setClock(data.at);
    const { accounts, ...rest } = data;
    const known = pool.accounts;
    pool.accounts = new Map(accounts.map((account) => [account.id, { ...known.get(account.id), ...account }]));
    pool.status = { ...pool.status, ...rest, config: { ...pool.status?.config, problems: data.problems } };
    tell("pool", data);
  } else if (name === "request") {
    tell("request", data);
  } else if (data.standing) {
    pool.accounts.set(data.account, { ...pool.accounts.get(data.account), ...data.standing });
    tell("account", data);
  }
}
