/** Runs the variants' origin: nginx with a fixed response, one that stores session data, and one that changes it. */
import { startNginx } from "./processes.mjs";
import { DATA } from "./session.mjs";

export function startOrigin() {
  const patch = JSON.stringify(DATA).replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  return startNginx(
    (port) => `server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 "hello\\n"; }
    location /store { add_header X-Session-Patch "${patch}"; return 200 "stored\\n"; }
    location /note { add_header X-Session-Patch "{\\"note\\":\\"$request_id\\"}" always; return 200 "noted\\n"; }
  }`,
  );
}
