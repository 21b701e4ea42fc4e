// A server of its own for a test file: SQLite, an empty folder, a free port.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";

const BINARY = process.env.COUNTERWEIGHT_BIN ?? fileURLToPath(new URL("../../target/debug/counterweight", import.meta.url));
const KEY = "an-administrators-key-of-the-http-tests-0001";

export const authorization = `Basic ${btoa(`api:${KEY}`)}`;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

async function isReady(url) {
  try {
    return (await fetch(`${url}/ready`)).ok;
  } catch {
    return false;
  }
}

export async function startServer() {
  const folder = await mkdtemp(join(tmpdir(), "counterweight-http-"));
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const own = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("COUNTERWEIGHT_")));
  const server = spawn(BINARY, ["serve", "--listen", `127.0.0.1:${port}`, "--data", folder], {
    env: { ...own, COUNTERWEIGHT_ADMIN_API_KEY: KEY },
    stdio: ["ignore", "ignore", "inherit"],
  });
  const ended = once(server, "exit");
  for (let attempt = 0; !(await isReady(url)); attempt += 1) {
    if (server.exitCode !== null || attempt === 600) throw new Error(`${BINARY} did not become ready`);
    await pause(50);
  }

  return {
    url: `${url}/graphql`,
    // fetch with the administrator's key
    fetch: (target, init = {}) => fetch(target, { ...init, headers: { authorization, ...init.headers } }),
    async stop() {
      server.kill("SIGTERM");
      await ended;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
