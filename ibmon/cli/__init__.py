"""The command line. A command imports what it needs when it runs: ``ibmon --help`` loads neither numpy nor torch."""

from __future__ import annotations

import sys

from ibmon.records import IbmonError


def main() -> None:
    """Entry point of ``ibmon``: every error that a user can mend is one sentence and an exit code."""
    debug = "--debug" in sys.argv
    if debug:
        sys.argv.remove("--debug")
    try:
        from .app import build

        build(sys.argv[1:])()
    except IbmonError as error:
        if debug:
            raise
        print(f"ibmon: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()  # the reader (head, less) has gone; so do we
        sys.exit(0)
    except OSError as error:
        if debug:
            raise
        what = f"{error.filename}: {error.strerror}" if error.filename else str(error)
        print(f"ibmon: {what}; mend that and try again (--debug shows where).", file=sys.stderr)
        sys.exit(1)
