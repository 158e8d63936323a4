// The one way to the server: the admin token as a header, problems as words, events as they come.

const TOKEN = "lb-admin-token";
let locked = () => {};

/** What to do when the server wants a token, or another one. */
export function onLocked(ask) {
  locked = ask;
}

export function setToken(token) {
  if (token) sessionStorage.setItem(TOKEN, token);
  else sessionStorage.removeItem(TOKEN);
}

export const hasToken = () => Boolean(sessionStorage.getItem(TOKEN));

/** A refusal, in the server's own words. */
export class Refusal extends Error {
  constructor(status, message, code) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

function asked(method, body, signal) {
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.Authorization = `Bearer ${token}`;
  if (body !== undefined) headers["Content-Type"] = "application/json";
  return { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body), cache: "no-store", credentials: "omit" };
}

async function answered(path, options) {
  let response;
  try {
    response = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached.", "away");
  }
  if (response.ok) return response;
  const told = await response.json().catch(() => null);
  const error = told?.error ?? {};
  const refusal = new Refusal(response.status, String(error.message ?? `The server answered ${response.status}.`), error.code);
  if (response.status === 401 || response.status === 429 && error.code === "too_many_wrong_keys") locked(refusal);
  throw refusal;
}

export async function get(path, signal) {
  return (await answered(path, asked("GET", undefined, signal))).json();
}

export async function send(method, path, body = {}) {
  return (await answered(path, asked(method, body))).json();
}

/** Read server-sent events by hand: EventSource cannot send a header. */
export async function listen(path, signal, hear) {
  const response = await answered(path, asked("GET", undefined, signal));
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  hear("open", {});
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) frame(block, hear);
  }
}

function frame(block, hear) {
  let name = "message";
  const data = [];
  for (const line of block.split("\n")) {
    if (line.startsWith("event:")) name = line.slice(6).trim();
    else if (line.startsWith("data:")) data.push(line.slice(5).trimStart());
  }
  if (!data.length) return;
  let told;
  try {
    told = JSON.parse(data.join("\n"));
  } catch {
    return;
  }
  hear(name, told);
}
