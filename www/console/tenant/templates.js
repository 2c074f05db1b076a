/** Templates for a new tenant's document. */

/** @typedef {{ title: string, about: string, document: (id: string) => object }} Template */

/** @type {Record<string, Template>} */
export const TEMPLATES = {
  guests: {
    title: "Open to guests",
    about: "No sign-in; one chat server.",
    document: (id) => ({
      id,
      hosts: [`${id}.example.com`],
      origins: [{ name: "a", url: "https://chat.internal.example.com" }],
      branding: { title: id },
    }),
  },
  passwords: {
    title: "Names and passwords",
    about: "Accounts that Vestibule keeps itself; two chat servers.",
    document: (id) => ({
      id,
      hosts: [`${id}.example.com`],
      login: { mode: "required", methods: { password: true } },
      session: { idle: "8h", absolute: "7d", max_per_user: 5 },
      origins: [
        { name: "a", url: "https://chat-a.internal.example.com", capacity: 200 },
        { name: "b", url: "https://chat-b.internal.example.com", capacity: 200 },
      ],
      branding: { title: id, colors: { accent: "#2f4b7c" } },
    }),
  },
  provider: {
    title: "An OpenID provider",
    about: "Users sign in with an account that they have.",
    document: (id) => ({
      id,
      hosts: [`${id}.example.com`],
      login: {
        mode: "required",
        methods: {
          oidc: [
            {
              name: "main",
              title: "Company account",
              issuer: "https://login.example.com",
              client_id: id,
              client_secret: "secret:OIDC_SECRET",
              scopes: ["openid", "email", "profile"],
            },
          ],
        },
      },
      origins: [{ name: "a", url: "https://chat.internal.example.com" }],
      branding: { title: id },
    }),
  },
};

/** @param {unknown} document as it is edited and compared */
export function written(document) {
  return JSON.stringify(document, null, 2);
}
