/** Shows one real Chainlit with each tenant's own look in a real browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { KvServer } from "../harness/kv.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { openPage, picture } from "./chromium.mjs";

/** A page of this size may take a while to load on a busy machine. */
const PATIENCE = { timeout: 30_000 };

const SETTINGS = `
[project]
[features]
[UI]
name = "Assistant"
custom_css = "/public/custom.css"
custom_js = "/public/custom.js"
[meta]
generated_by = "2.12.0"
`;

const TENANTS = {
  acme: { width: 111, colour: "rgb(1, 2, 3)", theme: "12 80% 45%" },
  globex: { width: 222, colour: "rgb(4, 5, 6)", theme: "200 80% 45%" },
};

test("one unmodified Chainlit shows each tenant its own logo, icon, style and colours", async (t) => {
  const [chainlit] = await startChainlit(t, ["chat"], SETTINGS);
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  for (const [id, { width, colour, theme }] of Object.entries(TENANTS)) {
    const file = (
      /** @type {string} */ name,
      /** @type {string} */ type,
      /** @type {string} */ text,
    ) => tenants.plant(`asset:${id}:${name}`, JSON.stringify({ type, base64: btoa(text) }));
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="40"/>`;
    file("logo.svg", "image/svg+xml", svg);
    file("style.css", "text/css", `#root { outline-color: ${colour} }`);
    const variables = { "--primary": theme };
    const themes = JSON.stringify({ light: variables, dark: variables });
    file("theme.js", "text/javascript", `window.theme = ${themes};`);
    tenants.plant(`host:${id}.localhost`, id);
    const document = {
      id,
      hosts: [`${id}.localhost`],
      origins: [{ url: chainlit.url }],
      assets: {
        "/logo": "kv:logo.svg",
        "/favicon": "kv:logo.svg",
        "/public/custom.css": "kv:style.css",
        "/public/custom.js": "kv:theme.js",
      },
    };
    tenants.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });

  for (const [id, { width, colour, theme }] of Object.entries(TENANTS)) {
    const page = await openPage(t);
    /** @type {string[]} */
    const unshown = [];
    page.on("response", (response) => {
      const { pathname } = new URL(response.url());
      const isOurs = response.headers()["content-security-policy"]?.includes("sandbox");
      if (/^\/(logo|favicon|public\/custom)/.test(pathname) && !isOurs) unshown.push(pathname);
    });
    await page.goto(`http://${id}.localhost:${vestibule.port}/`);
    const logo = page.locator('img[src*="/logo?theme="]').first();
    await logo.waitFor(PATIENCE);
    const shown = await logo.evaluate(async (/** @type {HTMLImageElement} */ image) => {
      await image.decode();
      const root = document.documentElement;
      const container = /** @type {HTMLElement} */ (document.querySelector("#root"));
      return {
        width: image.naturalWidth,
        colour: getComputedStyle(container).outlineColor,
        theme: root.style.getPropertyValue("--primary"),
      };
    });
    assert.deepEqual(shown, { width, colour, theme });
    assert.deepEqual(unshown, []);
    await picture(page, `assets-${id}`);
  }
});
