// Elements, and nothing but elements: whatever a client or an upstream said becomes a text node.
// There is no way here to make markup of a string, so hostile names have nothing to hold on to.

const SVG = "http://www.w3.org/2000/svg";
const FORBIDDEN = /^(on|style$|srcdoc$)/i;

/** An element: h("p.muted", {title: "x"}, "text", child, [more]). */
export function h(tag, props, ...children) {
  const [name, ...classes] = tag.split(".");
  const element = document.createElement(name);
  if (classes.length) element.className = classes.join(" ");
  return filled(element, props, children);
}

/** The same for SVG. */
export function s(name, props, ...children) {
  return filled(document.createElementNS(SVG, name), props, children);
}

function filled(element, props, children) {
  if (props === null || typeof props !== "object" || props instanceof Node || Array.isArray(props)) {
    children.unshift(props);
    props = {};
  }
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name, value);
    else if (FORBIDDEN.test(name)) throw new Error(`${name} is not set here`);
    else if (name === "href" && !String(value).startsWith("#")) throw new Error("links stay here");
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((each) => each !== null && each !== undefined && each !== false));
  return element;
}

/** Write a text only where it changed: an untouched node keeps selection and focus. */
export function text(element, value) {
  const told = String(value ?? "");
  if (element.textContent !== told) element.textContent = told;
}

export function show(element, visible) {
  element.toggleAttribute("hidden", !visible);
}

/** Set an attribute only where it changed. */
export function mark(element, name, value) {
  if (element.getAttribute(name) !== String(value)) element.setAttribute(name, value);
}

/** A bar of a share 0..1: a meter for screen readers, a quiet line for the eye. */
export function bar(label) {
  const fill = h("i");
  const element = h("div.meter", { role: "meter", "aria-label": label, "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
  return {
    element,
    set(share, level, words) {
      const percent = Math.max(0, Math.min(100, share * 100));
      fill.style.width = `${percent}%`;
      mark(element, "aria-valuenow", Math.round(percent));
      if (words) mark(element, "aria-valuetext", words);
      mark(element, "data-level", level ?? levelOf(share));
    },
  };
}

export function levelOf(share) {
  if (share >= 1) return "full";
  return share >= 0.8 ? "high" : "fine";
}

/** A line of numbers over time; null leaves a gap. */
export function sparkline(width = 240, height = 36) {
  const line = s("path", { class: "line" });
  const area = s("path", { class: "area" });
  const dot = s("path", { class: "dot" });
  const element = s("svg", { class: "spark", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", role: "img" }, area, line, dot);
  return {
    element,
    set(values, label) {
      const most = Math.max(...values.filter((each) => each !== null), 1);
      const x = (index) => (index / (values.length - 1)) * (width - 6) + 2;
      const y = (value) => height - 3 - (value / most) * (height - 8) * 0.85;
      const points = values.map((value, index) => (value === null ? null : [x(index), y(value)]));
      line.setAttribute("d", path(points));
      area.setAttribute("d", runs(points).map((run) => `${path(run)}L${run.at(-1)[0]},${height}L${run[0][0]},${height}Z`).join(""));
      const last = points.findLast((each) => each);
      show(dot, Boolean(last));
      if (last) dot.setAttribute("d", `M${last[0].toFixed(1)},${last[1].toFixed(1)}h.01`);
      mark(element, "aria-label", label);
    },
  };
}

function path(points) {
  return runs(points).map((run) => "M" + run.map(([x, y]) => `${x.toFixed(1)},${y.toFixed(1)}`).join("L")).join("");
}

function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (point) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

let hiding = 0;
/** A word about what was done; screen readers hear it, too. */
export function toast(message, level = "fine") {
  const element = document.getElementById("toast");
  element.dataset.level = level;
  text(element, message);
  element.classList.add("shown");
  clearTimeout(hiding);
  hiding = setTimeout(() => element.classList.remove("shown"), 5000);
}

/** Ask before doing: resolves to true, or false when the operator thinks better of it. */
export function confirmed(title, message, verb, danger = false) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "ask-title" },
      h("form", { method: "dialog" },
        h("h2", { id: "ask-title" }, title),
        h("p", message),
        h("div.actions",
          h("button", { value: "no" }, "Cancel"),
          h(danger ? "button.danger" : "button.primary", { value: "yes", autofocus: true }, verb))));
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    });
    document.body.append(dialog);
    dialog.showModal();
  });
}
