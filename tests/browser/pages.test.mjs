/** Tests Vestibule's own pages in a real browser: their words, languages and looks. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { KvServer } from "../harness/kv.mjs";
import { Origin } from "../harness/origin.mjs";
import { Vestibule } from "../harness/workerd.mjs";
import { isAccessible } from "./accessibility.mjs";
import { openPage, picture } from "./chromium.mjs";

/** Heading of the sign-in page by the browser's language. */
const SIGN_IN = {
  "en-GB": ["en", "Sign in"],
  "zh-CN": ["zh-Hans", "登录"],
  "ja-JP": ["ja", "ログイン"],
  "de-AT": ["de", "Anmelden"],
  "fr-CA": ["fr", "Se connecter"],
  "es-MX": ["es", "Iniciar sesión"],
  "it-IT": ["en", "Sign in"],
};

const LOOKS = {
  light: {},
  dark: /** @type {const} */ ({ colorScheme: "dark" }),
  phone: { viewport: { width: 390, height: 844 } },
};

const origin = await Origin.start({ after });
const documents = new KvServer();
after(() => documents.stop());
const provider = (/** @type {string} */ name, /** @type {string} */ title, issuer = "") => ({
  name,
  title,
  issuer,
  client_id: "x",
});
site("plain", {
  login: {
    mode: "required",
    methods: {
      password: true,
      oidc: [
        provider("google", "Google", "https://accounts.google.com"),
        provider("microsoft", "Microsoft", "https://login.microsoftonline.com/common/v2.0"),
        provider("company", "Company account", "https://id.example.com"),
      ],
    },
  },
});
site("guests", {});
const { port } = await Vestibule.start({ after }, { tenants: documents, origins: [] });

/**
 * Creates a tenant without branding.
 * @param {string} id
 * @param {object} more
 */
function site(id, more) {
  const host = `${id}.localhost`;
  const origins = [{ name: "a", url: origin.url }];
  documents.plant(`host:${host}`, id);
  documents.plant(`tenant:${id}`, JSON.stringify({ id, hosts: [host], origins, ...more }));
}

/** @param {string} name */
const at = (name) => `http://${name}.localhost:${port}`;

for (const [look, options] of Object.entries(LOOKS)) {
  test(`a sign-in page without branding names its host and marks the providers: ${look}`, async (t) => {
    const page = await openPage(t, options);
    await page.goto(at("plain"));
    assert.equal(await page.locator("header").textContent(), "plain.localhost");
    assert.equal(await page.title(), "Sign in · plain.localhost");
    const links = page.locator(".ways a");
    assert.deepEqual(await links.allTextContents(), [
      "Continue with Google",
      "Continue with Microsoft",
      "Continue with Company account",
    ]);
    const marks = await links.locator("svg").evaluateAll((all) => all.map((svg) => svg.innerHTML));
    assert.equal(new Set(marks).size, 3);
    await isAccessible(page, `sign-in, ${look}`);
    await picture(page, `page-sign-in-${look}`);
  });

  test(`a visitor of a host without a site reads what to do: ${look}`, async (t) => {
    const page = await openPage(t, options);
    const response = await page.goto(at("nowhere"));
    assert.equal(response?.status(), 421);
    await page.getByRole("heading", { name: "There is no site here" }).waitFor();
    const text = String(await page.locator("main").textContent());
    assert.match(text, /Check the address/);
    assert.doesNotMatch(text, /tenant|hosts/i);
    await isAccessible(page, `no site, ${look}`);
    await picture(page, `page-no-site-${look}`);
  });

  test(`a guest ends the session without being asked to stay signed in: ${look}`, async (t) => {
    const page = await openPage(t, options);
    await page.goto(at("guests"));
    await page.goto(`${at("guests")}/_session/logout`);
    await page.getByRole("heading", { name: "End your session?" }).waitFor();
    assert.equal(await page.getByText(/stay signed in/i).count(), 0);
    assert.equal(await page.getByRole("checkbox").count(), 0);
    await isAccessible(page, `a guest's sign-out, ${look}`);
    await picture(page, `page-sign-out-guest-${look}`);
    await page.getByRole("button", { name: "End session" }).click();
    await page.getByRole("heading", { name: "You are signed out" }).waitFor();
    await isAccessible(page, `signed out, ${look}`);
    await picture(page, `page-signed-out-${look}`);
  });
}

for (const [locale, [lang, heading]] of Object.entries(SIGN_IN)) {
  test(`the sign-in page is in the browser's language: ${locale}`, async (t) => {
    const page = await openPage(t, { locale });
    await page.goto(at("plain"));
    await page.getByRole("heading", { name: heading, exact: true, level: 1 }).waitFor();
    assert.equal(await page.locator("html").getAttribute("lang"), lang);
    await isAccessible(page, `sign-in, ${locale}`);
    await picture(page, `page-sign-in-${locale}`);
  });
}
