"""``python -m proxy`` is ``interlock``."""

from proxy.cli import main

if __name__ == "__main__":
    main(prog_name="interlock")
