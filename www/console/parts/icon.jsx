/** Draws icons next to words; they replace words only in buttons with a name. */

const SHAPES = {
  overview: "M3 17l5-6 4 4 8-9M3 21h18",
  origins: "M4 4h16v6H4zM4 14h16v6H4zM8 7h.01M8 17h.01",
  sessions: "M12 12a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM4 21c0-4 3.6-6 8-6s8 2 8 6",
  tenants: "M4 21V9l8-6 8 6v12M10 21v-6h4v6",
  explain:
    "M6 4v4a4 4 0 0 0 4 4h4a4 4 0 0 1 4 4v4M6 4L3.500 7M6 4l2.500 3M18 20l-2.500-3M18 20l2.500-3",
  logs: "M4 6h16M4 12h10M4 18h13",
  pass: "M5 12.500l4.500 4.500L19 7",
  stop: "M6 6l12 12M18 6L6 18",
  note: "M12 7v6M12 17h.01",
  skip: "M7 12h10",
};

/** @param {{ name: keyof typeof SHAPES }} props */
export function Icon({ name }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={SHAPES[name]} />
    </svg>
  );
}

export function Arch() {
  return (
    <svg class="arch" viewBox="0 0 32 32" aria-hidden="true">
      <path class="wall" d="M3 31V15a13 13 0 0 1 26 0v16z" />
      <path class="door" d="M10.500 31V16a5.500 5.500 0 0 1 11 0v15z" />
    </svg>
  );
}
