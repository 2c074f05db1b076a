/** The floor: forwards every request and does nothing else. */
export default {
  /** @param {Request} request */
  fetch(request) {
    const url = new URL(request.url);
    url.host = "ORIGIN_HOST";
    return fetch(new Request(url, request));
  },
};
