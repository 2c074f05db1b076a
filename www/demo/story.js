/** Ticks the steps of the story as the visitor takes them; all tabs share them. */

/** @typedef {"say" | "stop" | "go-on" | "return" | "leave"} Step */

const KEY = "vestibule-demo-story";

const items = /** @type {NodeListOf<HTMLLIElement>} */ (document.querySelectorAll("[data-step]"));

/** @type {{ handle: string, done: Step[] }} */
let story = read();

/**
 * Starts the story for a session. Steps of a session that expired are forgotten; after a sign-out
 * they remain.
 * @param {string} handle
 */
export function visit(handle) {
  if (story.handle !== handle && !story.done.includes("leave")) story.done = [];
  story.handle = handle;
  keep();
}

/** @param {Step} step */
export function tick(step) {
  if (story.done.includes(step)) return;
  story.done.push(step);
  keep();
}

/** @param {Step} step */
export function isDone(step) {
  return story.done.includes(step);
}

function keep() {
  localStorage.setItem(KEY, JSON.stringify(story));
  show();
}

function show() {
  const next = [...items].find(({ dataset }) => !isDone(/** @type {Step} */ (dataset.step)));
  for (const item of items) {
    item.classList.toggle("done", isDone(/** @type {Step} */ (item.dataset.step)));
    if (item === next) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  }
  document.body.dataset.next = next?.dataset.step ?? "";
  const end = document.getElementById("end");
  if (end) end.hidden = next !== undefined;
}

/** @returns {{ handle: string, done: Step[] }} */
function read() {
  try {
    const { handle, done } = JSON.parse(localStorage.getItem(KEY) ?? "");
    return { handle: String(handle), done: Array.isArray(done) ? done : [] };
  } catch {
    return { handle: "", done: [] };
  }
}

document.getElementById("again")?.addEventListener("click", () => {
  story.done = [];
  keep();
  document.getElementById("text")?.focus();
});
addEventListener("storage", ({ key }) => {
  if (key !== KEY) return;
  story = read();
  show();
});
show();
