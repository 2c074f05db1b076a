/** Shows the lists that a tenant's servers come from, above the servers. */
import { count } from "../format.js";
import { Badge } from "./badge.jsx";
import { Time } from "./time.jsx";

/** @import { ServerList } from "../backend.d.ts" */

/** @param {{ lists: ServerList[] }} props */
export function ServerLists({ lists }) {
  return lists.map(({ name, servers, read, error }) => (
    <p key={name}>
      <State read={read} error={error} /> <span class="mono">{name}</span>,{" "}
      {servers === 1 ? "1 server" : `${count(servers)} servers`}
      {read !== null && (
        <>
          , read <Time at={read} />
        </>
      )}
      .{error && ` Last attempt: ${error}. The servers known before stay.`}
    </p>
  ));
}

/** @param {{ read: number | null, error: string | null }} props */
function State({ read, error }) {
  if (error) return <Badge kind="bad">List not readable</Badge>;
  return read === null ? <Badge>List not read yet</Badge> : <Badge kind="good">List</Badge>;
}
