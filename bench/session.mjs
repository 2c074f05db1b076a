/**
 * The reference session every variant that keeps one is given. Tokens are left out: this release
 * has no sign-in to put them there.
 */
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
  summary: [
    "The visitor asks how to run two chat processes behind one address.",
    "They are told why a plain proxy breaks the polling handshake of socket.io.",
    "They try a sticky cookie and ask what happens when a process is restarted.",
    "They learn that the session is kept at the edge and handed to the other process.",
    "They ask how long a session lives, and how to end all of a user's sessions at once.",
  ]
    .join(" ")
    .padEnd(600, " And so on."),
};
