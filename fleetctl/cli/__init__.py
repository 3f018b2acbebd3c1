"""The command line: one file per noun, and `main`, which turns errors into one red sentence and an exit status.

Exit status: 0 ok, 1 the thing asked for failed, 2 wrong usage. It speaks to a running daemon only over HTTP; the only
commands that work without one are `preflight`, `simulate`, `plugin`, `doctor`, and those that start a daemon.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from fleetctl.cli.root import root
from fleetctl.errors import FleetctlError, UsageError

OK = 0
FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells report a program that Ctrl-C ended."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one command and leave the process with its exit status."""
    sys.exit(invoke(arguments))


def invoke(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns its exit status."""
    try:
        status = root.main(args=arguments, prog_name="fleetctl", standalone_mode=False)
    except click.ClickException as wrong:
        wrong.show()
        return wrong.exit_code
    except UsageError as error:
        _show(error)
        return WRONG_USAGE
    except FleetctlError as error:
        _show(error)
        return FAILED
    except (click.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except TimeoutError:
        _show(FleetctlError("The daemon took too long to answer.", hint="Look at it with `fleetctl doctor`."))
        return FAILED
    except BrokenPipeError:
        # Whoever read our output (`| head`) has had enough; what Python still holds must not be written at exit.
        sys.stdout = None
        return OK
    except OSError as error:
        # A disk, folder or port of this computer that cannot be used: for the person, not for us.
        where = f"{error.filename}: " if error.filename else ""
        hint = "Look at its rights and free space, or name another place."
        _show(FleetctlError(f"{where}{error.strerror or error}.", hint=hint))
        return FAILED
    return status if isinstance(status, int) else OK


def _show(error: FleetctlError) -> None:
    from fleetctl.cli.output import show_error  # Here, so that the agent does not carry rich.

    show_error(error)
