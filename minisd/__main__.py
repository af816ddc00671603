"""``python -m minisd`` is the command ``minisd``."""

from minisd.cli import main

main(prog_name="minisd")
