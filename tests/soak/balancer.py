"""One address in front of several servers: each connection goes to the next server that takes it.

balancer.py LISTEN SERVER...    addresses as HOST:PORT
"""

import asyncio
import contextlib
import itertools
import sys


async def hand_on(source, target):
    with contextlib.suppress(OSError):
        while received := await source.read(1 << 16):
            target.write(received)
            await target.drain()
    target.close()


async def main(listen, *servers):
    turn = itertools.cycle(servers)

    async def serve(outside, to_outside):
        for _ in servers:
            with contextlib.suppress(OSError):
                inside, to_inside = await asyncio.open_connection(*next(turn).split(":"))
                await asyncio.gather(hand_on(outside, to_inside), hand_on(inside, to_outside))
                return
        to_outside.close()

    host, port = listen.split(":")
    await (await asyncio.start_server(serve, host, port)).serve_forever()


asyncio.run(main(*sys.argv[1:]))
