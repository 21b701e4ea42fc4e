// What the GraphQL over HTTP specification says a server MUST and SHOULD do.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { serverAudits } from "graphql-http";
import { startServer } from "./server.js";

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

const audits = serverAudits({
  url: () => server.url,
  fetchFn: (target, init) => server.fetch(target, init),
}).filter(({ name }) => name.startsWith("MUST") || name.startsWith("SHOULD"));

test("the audits are there", () => assert.ok(audits.length >= 30, `only ${audits.length}`));

for (const audit of audits) {
  test(audit.name, async () => {
    const result = await audit.fn();
    assert.equal(result.status, "ok", result.reason);
  });
}
