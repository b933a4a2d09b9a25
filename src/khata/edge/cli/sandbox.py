"""`khata sandbox …`: a payment provider to try everything with."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Annotated, Any, Final, Literal

import msgspec
from cyclopts import Parameter

from khata.edge.cli.screen import dump, err
from khata.edge.cli.session import Json, command, family, log_to_stderr
from khata.errors import Invalid, Unavailable

app: Final = family("sandbox", "A payment provider to try everything with.")
Name = Literal["standard", "stripe", "razorpay"]


@Parameter(name="*")
@dataclass(frozen=True)
class How:
    """How the sandbox is run."""

    host: Annotated[str, Parameter(help="Address to listen at.")] = "127.0.0.1"
    port: Annotated[int, Parameter(help="Port to listen at; 0 for a free one.")] = 9100
    webhook_url: Annotated[str | None, Parameter(help="Where its webhooks go.")] = None
    secret: Annotated[
        str | None,
        Parameter(
            env_var="KHATA_SANDBOX_SECRET",
            help="Signs its webhooks; made from the seed if left out.",
        ),
    ] = None
    api_key: Annotated[
        str | None,
        Parameter(
            env_var="KHATA_SANDBOX_API_KEY",
            help="What callers must show; made from the seed if left out.",
        ),
    ] = None
    seed: Annotated[
        str | None, Parameter(help="Of ids, keys and chance: the same again. Drawn if left out.")
    ] = None
    fault_rate: Annotated[
        float, Parameter(help="Share of calls and webhooks that go wrong, 0 to 1.")
    ] = 0.0
    instant: Annotated[
        bool, Parameter(negative="", show_default=False, help="Payouts are completed at once.")
    ] = False
    scheme: Annotated[Name, Parameter(help="How webhooks are signed and written.")] = "standard"
    state: Annotated[
        Path | None, Parameter(help="A file to remember in, so that a restart knows old keys.")
    ] = None

    def check(self) -> None:
        """Errors: `Invalid`, before anything listens."""
        # imported here: --help needs none of the HTTP libraries
        from khata.edge.providers.signatures import standard  # noqa: PLC0415

        if not 0 <= self.port <= 65_535:  # noqa: PLR2004 - the highest there is
            raise Invalid("There is no such port.", expected="0 to 65535", got=self.port)
        if not 0 <= self.fault_rate <= 1:
            raise Invalid("A fault rate is a share.", expected="0 to 1", got=str(self.fault_rate))
        if self.secret is not None and self.scheme == "standard":
            standard(self.secret)


SO: Final = How()


@command(
    app,
    "serve",
    "khata sandbox serve",
    "khata sandbox serve --webhook-url http://127.0.0.1:8080/v1/webhooks/sandbox --seed 7",
    "khata sandbox serve --fault-rate 0.2 --state sandbox.jsonl",
    "khata sandbox serve --scheme stripe --secret whsec_of_my_own",
)
def serve(*, how: How = SO, json: Json = False) -> int:
    """Serve a payment provider that fails on demand, until it is told to stop.

    Charges, refunds and payouts move no money. Tokens (tok_decline, tok_timeout_done, …) and POST
    /v1/script choose what goes wrong; docs/sandbox.md lists all of it. It prints what to put into
    KHATA_PROVIDERS.
    """
    # imported here for the reason given in `check`
    from khata.edge.sandbox import SandboxServer, plan  # noqa: PLC0415

    how.check()
    log_to_stderr()
    made = plan(
        how.seed,
        how.secret,
        how.api_key,
        host=how.host,
        port=how.port,
        webhook_url=how.webhook_url,
        scheme=how.scheme,
        fault_rate=how.fault_rate,
        instant=how.instant,
        state=how.state,
    )
    try:
        server = SandboxServer(made)
    except OSError as error:
        raise Unavailable(
            f"Nothing can listen at {how.host}:{how.port}: {error.strerror}."
        ) from None
    config = {
        "name": "sandbox",
        "base_url": server.url,
        "api_key": made.api_key,
        "webhook_secrets": [made.secret],
        "scheme": made.scheme,
    }
    if json:
        dump({"url": server.url, "seed": made.seed, "providers": [config]})
    else:
        _show(server.url, made.seed, config)
    _until_told(server.serve_forever, server.close)
    return 0


def _show(url: str, seed: str, config: dict[str, Any]) -> None:
    err().print(f"The sandbox listens at {url}, with the seed {seed}.")
    text = msgspec.json.encode([config]).decode()
    err().print(f"KHATA_PROVIDERS='{text}'", soft_wrap=True, markup=False, highlight=False)


def _until_told(run: Callable[[], None], close: Callable[[], None]) -> None:
    """Run until SIGTERM or SIGINT."""
    stop = threading.Event()

    def told(_: int, __: FrameType | None) -> None:
        stop.set()

    before = {number: signal.signal(number, told) for number in (signal.SIGTERM, signal.SIGINT)}
    thread = threading.Thread(target=run, name="sandbox")
    thread.start()
    try:
        stop.wait()
    finally:
        close()
        thread.join()
        for number, handler in before.items():
            signal.signal(number, handler)
