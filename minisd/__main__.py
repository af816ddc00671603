"""The command ``minisd``, which ``python -m minisd`` is, too."""

from __future__ import annotations

import os
import signal


def run() -> None:
    """Run the command; Ctrl-C ends it quietly, while it is still importing, too."""
    before = signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # 128 + SIGINT, as shells count
    from minisd.cli import main

    signal.signal(signal.SIGINT, before)
    main(prog_name="minisd")


if __name__ == "__main__":
    run()
