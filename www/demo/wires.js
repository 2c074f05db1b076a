/** Draws the lines of the picture between its boxes, and the dots that travel on them. */

const SVG = "http://www.w3.org/2000/svg";

/** Start of each line by its end, which names the line. @type {Record<string, string>} */
const BEGINNINGS = { door: "you", blue: "door", green: "door" };

/** Duration of a dot's way along one line, in milliseconds, and number of points of the way. */
const RIDE = 360;
const POINTS = 16;

const scene = /** @type {HTMLElement} */ (document.getElementById("scene"));
const canvas = /** @type {Element} */ (document.getElementById("wires"));
const still = matchMedia("(prefers-reduced-motion: reduce)");

/** @type {Map<string, { base: SVGPathElement, live: SVGPathElement }>} */
const wires = new Map(
  Object.keys(BEGINNINGS).map((end) => [end, { base: path("base", end), live: path("live", end) }]),
);

new ResizeObserver(draw).observe(scene);

/**
 * Lights only the line to a server; none without a server.
 * @param {string} [server]
 */
export function light(server) {
  for (const [end, { live }] of wires) {
    live.classList.toggle("on", server !== undefined && (end === "door" || end === server));
  }
}

/**
 * Moves a dot from the visitor to a server, or back.
 * @param {string} server
 * @param {"there" | "back"} way
 */
export async function travel(server, way) {
  const lines = way === "there" ? ["door", server] : [server, "door"];
  for (const line of lines) await ride(line, server, way, 5);
}

/**
 * Moves the session from Vestibule to a server that takes over.
 * @param {string} server
 */
export function handOver(server) {
  return ride(server, server, "there", 10);
}

/**
 * @param {string} line
 * @param {string} server that gives the dot its colour
 * @param {"there" | "back"} way
 * @param {number} radius
 */
async function ride(line, server, way, radius) {
  const wire = wires.get(line);
  if (!wire || still.matches || document.hidden) return;
  const length = wire.base.getTotalLength();
  const frames = Array.from({ length: POINTS + 1 }, (_, at) => {
    const share = way === "there" ? at / POINTS : 1 - at / POINTS;
    const { x, y } = wire.base.getPointAtLength(length * share);
    return { transform: `translate(${x}px, ${y}px)` };
  });
  const dot = document.createElementNS(SVG, "circle");
  dot.setAttribute("r", String(radius));
  dot.dataset.server = server;
  canvas.append(dot);
  await dot.animate(frames, { duration: RIDE * (radius > 5 ? 2 : 1) }).finished.catch(() => null);
  dot.remove();
}

function draw() {
  const { left, top } = scene.getBoundingClientRect();
  const box = (/** @type {string} */ name) => {
    const rect = scene.querySelector(`[data-node="${name}"]`)?.getBoundingClientRect();
    return rect ?? new DOMRect();
  };
  for (const [end, { base, live }] of wires) {
    const from = box(BEGINNINGS[end]);
    const to = box(end);
    const line =
      to.left >= from.right
        ? sideways(from.right - left, middle(from) - top, to.left - left, middle(to) - top)
        : downwards(center(from) - left, from.bottom - top, center(to) - left, to.top - top);
    base.setAttribute("d", line);
    live.setAttribute("d", line);
  }
}

/** @type {(x: number, y: number, toX: number, toY: number) => string} */
function sideways(x, y, toX, toY) {
  const bend = (x + toX) / 2;
  return `M${x} ${y}C${bend} ${y} ${bend} ${toY} ${toX} ${toY}`;
}

/** @type {(x: number, y: number, toX: number, toY: number) => string} */
function downwards(x, y, toX, toY) {
  const bend = (y + toY) / 2;
  return `M${x} ${y}C${x} ${bend} ${toX} ${bend} ${toX} ${toY}`;
}

/** @param {DOMRect} rect */
function middle({ top, bottom }) {
  return (top + bottom) / 2;
}

/** @param {DOMRect} rect */
function center({ left, right }) {
  return (left + right) / 2;
}

/**
 * @param {string} className
 * @param {string} end
 */
function path(className, end) {
  const line = document.createElementNS(SVG, "path");
  line.classList.add(className);
  line.dataset.line = end;
  if (className === "live") {
    line.dataset.server = end;
    line.setAttribute("pathLength", "1");
  }
  canvas.append(line);
  return line;
}
