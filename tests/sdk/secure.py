"""HTTPS in front of a server, as a proxy of its operator gives it: the server itself speaks plain HTTP."""

import asyncio
import contextlib
import ssl
import subprocess
import threading


def certificate(folder):
    """A certificate of 127.0.0.1 that signs itself, and its key."""
    paths = folder / "certificate.pem", folder / "key.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2".split()
    names = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-out", str(paths[0]), "-keyout", str(paths[1])]
    subprocess.run([*command, *names, *files], check=True, capture_output=True)
    return paths


class Secured:
    """Takes what comes to a socket by TLS and hands it on to `address` as it is."""

    def __init__(self, listener, address, folder):
        self.certificate, key = certificate(folder)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.certificate, key)
        self.host, self.port = address.split(":")
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        serving = asyncio.start_server(self.serve, sock=listener, ssl=self.context)
        self.server = asyncio.run_coroutine_threadsafe(serving, self.loop).result()

    async def serve(self, outside, to_outside):
        inside, to_inside = await asyncio.open_connection(self.host, self.port)
        await asyncio.gather(hand_on(outside, to_inside), hand_on(inside, to_outside))

    def close(self):
        self.loop.call_soon_threadsafe(self.server.close)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    def environment(self):
        """What makes the client trust the certificate: its Python, and its core."""
        return {name: str(self.certificate) for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")}


async def hand_on(source, target):
    with contextlib.suppress(OSError):
        while received := await source.read(1 << 16):
            target.write(received)
            await target.drain()
    target.close()
