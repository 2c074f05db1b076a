/** Defines the reference session: its data and its user. */

/** The data of every variant's session. Tokens come with a sign-in: `records.mjs`. */
export const DATA = {
  tier: "pro",
  language: "en",
  theme: "dark",
  model: "large",
  temperature: 0.7,
  streaming: true,
  region: "eu",
  timezone: "Europe/Vienna",
  seat: 12,
  feature: ["search", "files"],
  onboarding: "done",
  // Five turns in 600 bytes without repetition, which would compress too well.
  summary: [
    "The visitor asks how to run two chat processes behind one address.",
    "They are told why a plain proxy breaks the polling handshake of socket.io.",
    "They try a sticky cookie and ask what happens when a process is restarted.",
    "They learn that the session is kept at the edge and handed to the other process.",
    "They ask how long a session lives, and how to end all of a user's sessions at once, and hear that it is a write however many there are.",
    "At last they want to know what it costs when nobody is talking: nothing, until there is something to keep; then one write in an hour, and reads only where it is used.",
  ].join(" "),
};

export const IDENTITY = {
  user: "f2b6f7a0-6c1b-4e57-9f6e-3f1f0c8a7d21",
  email: "zoe.mueller@acme.example",
  name: "Zoe Mueller",
  groups: ["staff", "chat-users", "beta"],
};
