"""Running an async test under the virtual clock.

It must not know fleetctl's own parts: fixtures that need a controller or a machine live beside their tests.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from fleetctl.testing.loop import run

Arguments = ParamSpec("Arguments")


def under_virtual_clock(
    *,
    seed: int | None = None,
    noise_s: float = 0.0,
    inline_executor: bool = False,
    limit_s: float = 7 * 24 * 3600.0,
) -> Callable[[Callable[Arguments, Coroutine[Any, Any, None]]], Callable[Arguments, None]]:
    """Decorates an async test so that it runs under a fresh virtual loop, whatever the asyncio plug-in does.

    The test fails when it leaves tasks behind, when an exception was awaited by nobody, on a deadlock, on
    real input or output, and after `limit_s` virtual seconds. Arguments are those of
    `fleetctl.testing.loop.run`; fixtures pass through.
    """

    def decorate(test: Callable[Arguments, Coroutine[Any, Any, None]]) -> Callable[Arguments, None]:
        @functools.wraps(test)
        def run_test(*args: Arguments.args, **options: Arguments.kwargs) -> None:
            run(
                test(*args, **options),
                seed=seed,
                noise_s=noise_s,
                inline_executor=inline_executor,
                limit_s=limit_s,
                strict=True,
            )

        return run_test

    return decorate
