/** Values that several examples show. */

export const HANDLE = "q83vASNFZ4mrze8BI0VniQ";

export const SUMMARY_EXAMPLE = {
  handle: HANDLE,
  created: 1790000000,
  last_seen: 1790003600,
  expires: 1790086400,
  device: "desktop",
  browser: "Firefox",
  country: "DE",
  path: "/chat",
  origin: "chat-1",
  user: "ada",
};

export const LIST_EXAMPLE = {
  name: "discover:registry.example",
  servers: 4,
  read: 1795000000,
  error: null,
};

export const ORIGIN_EXAMPLE = {
  name: "chat-1",
  url: "http://10.0.0.5:8000",
  paths: [],
  state: "active",
  weight: 1,
  release: null,
  capacity: 200,
  under_way: 12,
  followed: true,
  reported_load: null,
  ejected: false,
  takes_new_sessions: true,
};
