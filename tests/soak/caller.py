"""The client's requests without the client: sent again, to the other server, until one answers."""

import base64
import collections
import json
import time
import urllib.parse

import urllib3

# How long a request is sent again; far longer than a restart.
PATIENCE = 180
# What passes, by status and by code.
PASSING = {408, 429, 502, 503, 504}
PASSING_CODES = {"CONFLICT", "UNAVAILABLE", "READ_ONLY"}


class Refused(Exception):
    """An answer that says no, and will say so again."""

    def __init__(self, status, code, message, repeated):
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.code = code
        # Whether an earlier attempt got no answer, and so may have done it.
        self.repeated = repeated


class Caller:
    """One author's connection to all servers; remembers its last requests, for the story of a failure."""

    def __init__(self, servers, key, ledger, rng):
        self.servers = servers
        self.ledger = ledger
        self.rng = rng
        self.pool = urllib3.PoolManager(maxsize=4, retries=urllib3.Retry(False))
        token = base64.b64encode(f"api:{key}".encode()).decode()
        self.signed_in = {"Authorization": f"Basic {token}", "Content-Type": "application/json"}
        self.story = collections.deque(maxlen=60)

    def graphql(self, kind, query, /, **variables):
        """The data of an answer; an event of this kind."""
        body = json.dumps({"query": query, "variables": variables})
        return json.loads(self.send(kind, "POST", "/graphql", body, self.signed_in))["data"]

    def mutate(self, name, fields="clientMutationId", done=(), /, **values):
        """The payload of a mutation; None where an earlier attempt turns out to have done it, never answered.

        `done` are the codes by which one sees that.
        """
        query = (
            f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) {{ {fields} }} }}"
        )
        try:
            return self.graphql(name, query, input=values)[name]
        except Refused as refused:
            if refused.repeated and refused.code in done:
                return None
            raise

    def stream(self, path, **body):
        """One request of a run's writer."""
        self.send("file_stream", "POST", f"/files/{path}/file_stream", json.dumps(body), self.signed_in)

    def put(self, kind, url, content):
        """Sends bytes to where an answer said."""
        self.send(kind, "PUT", address_of(url), content, {})

    def get(self, kind, url):
        """The bytes at an address that an answer gave."""
        return self.send(kind, "GET", address_of(url), None, {})

    def send(self, kind, method, path, body, headers):
        """The body of the answer, whichever server gives it."""
        deadline, repeated, pause = time.monotonic() + PATIENCE, False, 0.05
        while True:
            server = self.rng.choice(self.servers)
            begun = time.monotonic()
            try:
                answer = self.pool.request(
                    method,
                    server + path,
                    body=body,
                    headers=headers,
                    redirect=True,
                    retries=urllib3.Retry(connect=0, read=0, redirect=3, other=0, status=0),
                    timeout=60,
                )
            except urllib3.exceptions.HTTPError as error:
                trouble = type(getattr(error, "reason", None) or error).__name__
                repeated = repeated or trouble != "NewConnectionError"
                self.tell(kind, method, path, body, server, trouble)
            else:
                status, text = answer.status, answer.data
                code, message = problem(status, text)
                self.tell(kind, method, path, body, server, f"{status} {code or ''}")
                if code is None and status < 400:
                    self.ledger.event(kind, time.monotonic() - begun)
                    return text
                if code == "INTERNAL" or status == 500:
                    self.ledger.fail(kind, f"internal error: {message}", self.story)
                elif status not in PASSING and code not in PASSING_CODES:
                    raise Refused(status, code, message, repeated)
                trouble, repeated = f"{status} {code or ''}".strip(), True
            self.ledger.count(f"sent again: {trouble}")
            if time.monotonic() > deadline:
                raise Refused(0, "NO_ANSWER", f"nothing but {trouble} in {PATIENCE} s", repeated)
            time.sleep(pause)
            pause = min(pause * 2, 1)

    def tell(self, kind, method, path, body, server, outcome):
        what = body[:300] if isinstance(body, str) and kind != "file_stream" else ""
        clock = f"{time.time():.3f}"
        self.story.append(f"{clock} {kind}: {method} {path[:90]} at {server} -> {outcome} {what}")


def address_of(url):
    """What a server is asked for, without which of them: a token is good at each."""
    parts = urllib.parse.urlsplit(url)
    return parts.path + (f"?{parts.query}" if parts.query else "")


def problem(status, text):
    """The code and the words of a refusal; none of either where there is none."""
    if status < 400 and not text.startswith(b'{"'):
        return None, None
    try:
        answer = json.loads(text)
    except ValueError:
        return (None, None) if status < 400 else (f"HTTP_{status}", text[:200].decode(errors="replace"))
    if isinstance(answer, dict) and answer.get("errors"):
        error = answer["errors"][0]
        return error.get("extensions", {}).get("code", "GRAPHQL"), error["message"]
    if status < 400:
        return None, None
    return answer.get("code", f"HTTP_{status}"), str(answer.get("error", answer))
