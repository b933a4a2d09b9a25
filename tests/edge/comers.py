"""Many who connect at once, in a process of their own: `python -m tests.edge.comers PORT COUNT`.

They all connect, say so (`in`), wait for a word on standard input, and end their connections all at
once.
"""

import asyncio
import resource
import sys

import uvloop

from tests.clustering import Talker


async def main(port, count):
    """Come and go."""
    users = await asyncio.gather(*(Talker.connect(port, f"u{n}") for n in range(count)))
    users[0].send(f"u{count - 1}", "m")
    assert await users[-1].messages(1) == ["m"]
    sys.stdout.write("in\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    for user in users:
        user.transport.disconnect(False)


if __name__ == "__main__":
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(main(*map(int, sys.argv[1:])))
