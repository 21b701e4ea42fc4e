// What the specification leaves open, or what a stock server gets wrong.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { startServer } from "./server.js";

let server;
before(async () => (server = await startServer()));
after(() => server?.stop());

const json = { "content-type": "application/json" };
const post = (body, headers = {}) => server.fetch(server.url, { method: "POST", headers: { ...json, ...headers }, body });

async function assertError(response, status) {
  assert.equal(response.status, status);
  const { errors } = await response.json();
  assert.ok(errors[0].message, "an error has a message");
  assert.match(errors[0].extensions.code, /^[A-Z_]+$/, "an error has a stable code");
}

const createProject = "mutation { upsertModel(input: { name: \"over-get\" }) { inserted } }";

test("a mutation over GET is refused, and does nothing", async () => {
  const refused = await server.fetch(`${server.url}?query=${encodeURIComponent(createProject)}`);
  assert.equal(refused.status, 405);
  assert.equal(refused.headers.get("allow"), "POST");
  const created = await (await post(JSON.stringify({ query: createProject }))).json();
  assert.equal(created.data.upsertModel.inserted, true);
});

test("no key, a wrong key and a wrong user are all 401, with an error the client can print", async () => {
  const query = JSON.stringify({ query: "{ viewer { username } }" });
  for (const authorization of ["", "Basic !", `Basic ${btoa("api:" + "x".repeat(40))}`, `Bearer ${"x".repeat(40)}`]) {
    const headers = authorization ? { ...json, authorization } : json;
    await assertError(await fetch(server.url, { method: "POST", headers, body: query }), 401);
  }
});

test("malformed JSON is 400", async () => {
  for (const body of ["", "{", "nonsense", "[1, 2", "\"text\""]) await assertError(await post(body), 400);
});

test("a body that is not UTF-8 is 400", async () => {
  await assertError(await post(Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d])), 400);
});

test("a body over the limit is 413, one of 10 MB is not", async () => {
  const query = (size) => JSON.stringify({ query: "{ __typename }", variables: { padding: "x".repeat(size) } });
  assert.equal((await post(query(10_000_000))).status, 200);
  await assertError(await post(query(64 * 1024 * 1024)), 413);
});

test("a document that is too deep is refused before it runs", async () => {
  const deep = `{ viewer ${"{ teams { edges { node { user ".repeat(30)} { id } ${"} } } }".repeat(30)} }`;
  const { errors } = await (await post(JSON.stringify({ query: deep }))).json();
  assert.ok(errors.length > 0);
});

test("the client's quirks are taken: an empty operation name, variables nobody declared, unknown input fields", async () => {
  const response = await post(
    JSON.stringify({
      query: "#graphql\nquery Project($name: String!,) { project(name: $name, entityName: \"admin\",) { id } }",
      operationName: "",
      variables: { name: "nowhere", undeclared: 1 },
    }),
  );
  assert.equal(response.status, 200);
  assert.deepEqual(await response.json(), { data: { project: null } });

  const unknown = await post(
    JSON.stringify({
      query: "mutation ($input: UpsertModelInput!) { upsertModel(input: $input) { inserted } }",
      variables: { input: { name: "quirks", somethingNewer: true } },
    }),
  );
  assert.equal((await unknown.json()).data.upsertModel.inserted, true);
});
