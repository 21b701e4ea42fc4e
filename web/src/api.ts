import { apiKey, signOut } from "./session";

export interface Viewer {
  username: string | null;
  entity: string | null;
}

export interface Project {
  id: string;
  name: string;
  entityName: string;
  createdAt: string;
  runCount: number | null;
}

export interface Run {
  id: string;
  name: string;
  displayName: string | null;
  state: string | null;
  createdAt: string;
  heartbeatAt: string | null;
  historyLineCount: number | null;
  user: { username: string | null } | null;
}

export interface DeletedRun {
  id: string;
  name: string;
  displayName: string | null;
  project: { name: string } | null;
  deletedAt: string | null;
  purgeAfter: string | null;
}

export interface Connection<Node> {
  edges: { node: Node | null }[];
  pageInfo: { endCursor: string | null; hasNextPage: boolean };
}

interface GraphQLAnswer {
  data?: unknown;
  errors?: { message: string }[];
}

/** The server does not take the API key. */
class KeyRefused extends Error {}

/** Posts one GraphQL request, signed with `key`; a line in `headers` wins over the ones set here. */
export async function post(body: object, key: string, headers: HeadersInit = {}): Promise<Response> {
  const signed = new Headers({
    Accept: "application/json",
    "Content-Type": "application/json",
    Authorization: basicAuthorization(key),
  });
  new Headers(headers).forEach((value, name) => signed.set(name, value));
  // Without credentials the browser never puts its own password dialog over the page.
  const init: RequestInit = { method: "POST", headers: signed, body: JSON.stringify(body), credentials: "omit" };
  try {
    return await fetch("/graphql", init);
  } catch (cause) {
    throw new Error("The server cannot be reached.", { cause });
  }
}

/** Reads a GraphQL answer; a body that is not one becomes an error that quotes it. */
export async function readAnswer(response: Response): Promise<GraphQLAnswer> {
  const text = await response.text();
  try {
    return JSON.parse(text) as GraphQLAnswer;
  } catch {
    throw new Error(`The server answered ${status(response)}: ${text.slice(0, 300)}`);
  }
}

/** Runs an operation of the signed-in user. Throws the server's own words. */
export function request<Data>(query: string, variables: object = {}): Promise<Data> {
  return inSession((key) => requestWithKey<Data>(key, query, variables));
}

/** The signed-in user. */
export function fetchViewer(): Promise<Viewer> {
  return inSession(fetchViewerOf);
}

/** The user to whom `key` belongs, whether or not it is the key of the session. */
export async function fetchViewerOf(key: string): Promise<Viewer> {
  const query = "query Viewer { viewer { username entity } }";
  const { viewer } = await requestWithKey<{ viewer: Viewer | null }>(key, query);
  if (viewer === null) throw new KeyRefused("The server knows no user with this API key.");
  return viewer;
}

/** A key that the server no longer takes ends the session. */
async function inSession<Data>(work: (key: string) => Promise<Data>): Promise<Data> {
  const key = apiKey();
  if (key === null) throw new Error("You are signed out.");
  try {
    return await work(key);
  } catch (error) {
    if (error instanceof KeyRefused && apiKey() === key) signOut(error.message);
    throw error;
  }
}

async function requestWithKey<Data>(key: string, query: string, variables: object = {}): Promise<Data> {
  const response = await post({ query, variables }, key);
  const { data, errors = [] } = await readAnswer(response);
  if (errors.length > 0 || !response.ok || data == null) {
    const words = errors.map((error) => error.message).join("\n") || `The server answered ${status(response)}.`;
    throw response.status === 401 ? new KeyRefused(words) : new Error(words);
  }
  return data as Data;
}

function status(response: Response): string {
  return `${response.status} ${response.statusText}`.trim();
}

function basicAuthorization(key: string): string {
  const bytes = new TextEncoder().encode(`api:${key}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
