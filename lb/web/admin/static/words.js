// Times, spans and numbers as people read them. Times are unix seconds.

const DAY = 86400;
const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const exact = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
const weekday = new Intl.DateTimeFormat("en", { weekday: "short" });
const date = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric" });
const counts = new Intl.NumberFormat("en");
const short = new Intl.NumberFormat("en", { notation: "compact", maximumFractionDigits: 1 });

/** What the server's clock shows now: the browser's may be off. */
let offset = 0;
export const now = () => Date.now() / 1000 + offset;
export const setClock = (serverNow) => { offset = serverNow - Date.now() / 1000; };

/** "14:05", "Tue 14:05", "Mar 3, 14:05": as much as is needed. */
export function when(at) {
  const then = new Date(at * 1000);
  const days = Math.round((new Date(then).setHours(0, 0, 0, 0) - new Date().setHours(0, 0, 0, 0)) / DAY / 1000);
  if (days === 0) return Math.abs(at - now()) < 90 ? exact.format(then) : clock.format(then);
  if (days > 0 && days < 7) return `${weekday.format(then)} ${clock.format(then)}`;
  return `${date.format(then)}, ${clock.format(then)}`;
}

export const second = (at) => exact.format(new Date(at * 1000));
export const full = (at) => new Date(at * 1000).toLocaleString();

/** "42 s", "3 h 10 m", "2 d 4 h". */
export function span(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return minutes < 10 && whole % 60 ? `${minutes} m ${whole % 60} s` : `${minutes} m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} m` : `${hours} h`;
  const days = Math.floor(hours / 24);
  return hours % 24 ? `${days} d ${hours % 24} h` : `${days} d`;
}

export function ms(milliseconds) {
  if (milliseconds === null || milliseconds === undefined) return "–";
  if (milliseconds < 10) return `${Number(milliseconds.toFixed(1))} ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)} ms`;
  return milliseconds < 60000 ? `${(milliseconds / 1000).toFixed(milliseconds < 10000 ? 2 : 1)} s` : span(milliseconds / 1000);
}

export function percent(share) {
  if (share === null || share === undefined) return "–";
  const value = share * 100;
  return `${value > 0 && value < 10 ? value.toFixed(1) : Math.round(value)} %`;
}

export const number = (value) => counts.format(value ?? 0);
export const compact = (value) => (Math.abs(value ?? 0) < 10000 ? counts.format(value ?? 0) : short.format(value));
export const rate = (value) => (value >= 10 ? value.toFixed(0) : Number((value ?? 0).toFixed(value < 1 ? 2 : 1)).toString());

/** Micro-USD as USD. */
export function usd(uusd) {
  if (uusd === null || uusd === undefined) return "–";
  return dollars(uusd / 1e6);
}

export function dollars(value) {
  if (value === 0) return "$0";
  return `$${value < 0.01 ? value.toPrecision(2) : value < 1000 ? value.toFixed(value < 1 ? 3 : 2) : counts.format(Math.round(value))}`;
}

export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
