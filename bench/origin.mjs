/** The origin of every variant: nginx with a fixed answer, and one that stores the session, and one that changes it. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { freePort } from "../tests/harness/ports.mjs";
import { until } from "../tests/harness/until.mjs";
import { DATA } from "./session.mjs";

export async function startOrigin() {
  const folder = mkdtempSync(path.join(tmpdir(), "vestibule-origin-"));
  const port = await freePort();
  const patch = JSON.stringify(DATA).replaceAll("\\", "\\\\").replaceAll('"', '\\"');
  writeFileSync(
    path.join(folder, "nginx.conf"),
    `worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 1024; }
http {
  access_log off; keepalive_requests 1000000;
  client_body_temp_path ${folder}; proxy_temp_path ${folder}; fastcgi_temp_path ${folder};
  uwsgi_temp_path ${folder}; scgi_temp_path ${folder};
  server {
    listen 127.0.0.1:${port};
    location / { default_type text/plain; return 200 "hello\\n"; }
    location /store { add_header X-Session-Patch "${patch}"; return 200 "stored\\n"; }
    location /note { add_header X-Session-Patch "{\\"note\\":\\"$request_id\\"}" always; return 200 "noted\\n"; }
  }
}
`,
  );
  const nginx = spawn("nginx", ["-c", path.join(folder, "nginx.conf"), "-p", folder], {
    stdio: "inherit",
  });
  await until(
    () =>
      fetch(`http://127.0.0.1:${port}`).then(
        () => true,
        () => false,
      ),
    { what: "nginx" },
  );
  return {
    port,
    async stop() {
      const gone = once(nginx, "exit");
      nginx.kill("SIGTERM");
      await gone;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
