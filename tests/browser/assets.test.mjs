/** Shows one real Chainlit with each tenant's own look in a real browser. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { startChainlit } from "../chainlit/processes.mjs";
import { KvServer } from "../harness/kv.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { sendMessage, typeMessage } from "./chainlit-page.mjs";
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
    await typeMessage(page, "hello");
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

const SHARED = `
[project]
[features]
[features.spontaneous_file_upload]
enabled = true
accept = ["*/*"]
max_files = 1
max_size_mb = 1
[UI]
name = "My Assistant"
custom_js = "/public/custom.js"
[meta]
generated_by = "2.12.0"
`;

/** What each tenant sees of one process: a name, a switch, and the width of the assistant's picture. */
const VIEWS = {
  acme: { name: "Acme", uploads: true, width: 33 },
  globex: { name: "Globex", uploads: false, width: 44 },
};

test("one unmodified Chainlit has other names, switches and avatars for each tenant", async (t) => {
  const [chainlit] = await startChainlit(t, ["chat"], SHARED);
  const tenants = new KvServer();
  t.after(() => tenants.stop());
  for (const [id, { name, uploads, width }] of Object.entries(VIEWS)) {
    const file = (
      /** @type {string} */ key,
      /** @type {string} */ type,
      /** @type {string} */ text,
    ) => tenants.plant(`asset:${id}:${key}`, JSON.stringify({ type, base64: btoa(text) }));
    const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${width}"/>`;
    file("bot.svg", "image/svg+xml", svg);
    file("title.js", "text/javascript", `document.title = ${JSON.stringify(name)};`);
    tenants.plant(`host:${id}.localhost`, id);
    const link = { name: "help", display_name: `${name} help`, icon_url: "/favicon" };
    const document = {
      id,
      hosts: [`${id}.localhost`],
      origins: [{ url: chainlit.url }],
      assets: { "/avatars/My%20Assistant": "kv:bot.svg", "/public/custom.js": "kv:title.js" },
      responses: {
        "/project/settings": {
          ui: { name, header_links: [{ ...link, url: `https://${id}.example/` }] },
          features: { spontaneous_file_upload: { enabled: uploads } },
        },
      },
    };
    tenants.plant(`tenant:${id}`, JSON.stringify(document));
  }
  const vestibule = await Vestibule.start(t, { tenants, origins: [] });

  for (const [id, { name, uploads, width }] of Object.entries(VIEWS)) {
    const page = await openPage(t);
    await page.goto(`http://${id}.localhost:${vestibule.port}/`);
    await sendMessage(page, "hello");
    const { ui, features } = await page.evaluate(async () =>
      (await fetch("/project/settings?language=en-US")).json(),
    );
    assert.equal(ui.name, name);
    assert.deepEqual(features.spontaneous_file_upload, {
      accept: ["*/*"],
      enabled: uploads,
      max_files: 1,
      max_size_mb: 1,
    });
    assert.equal(await page.title(), name);
    const link = page.locator(`#header a[href="https://${id}.example/"]`);
    assert.match(String(await link.textContent()), new RegExp(`^${name} help$`));
    assert.equal(await page.locator("#upload-button-input").count(), uploads ? 1 : 0);
    const avatar = page.locator('img[src*="/avatars/My%20Assistant"]').first();
    await avatar.waitFor(PATIENCE);
    const shown = await avatar.evaluate(async (/** @type {HTMLImageElement} */ image) => {
      await image.decode();
      return image.naturalWidth;
    });
    assert.equal(shown, width);
    await picture(page, `settings-${id}`);
  }
});
