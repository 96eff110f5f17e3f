"""The terminal picture of the README: a real ``interlock demo``, as SVG.

python -m bench.cast docs/images/demo.svg
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import MONOKAI
from rich.text import Text

WIDTH = 108
UPTO = "3  What it would do"  # the rest is for those who run it
COLOURS = {"a write has been waiting": "bold red", "the worst write took": "green", "=>": "bold", "NOTICE:": "cyan"}


def main() -> None:
    command = [sys.executable, "-m", "proxy", "demo", *sys.argv[2:]]
    ran = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    head, _, rest = ran.partition(UPTO)
    lines = [
        "$ interlock demo",
        *head.rstrip().splitlines(),
        "",
        "In short",
        *rest.partition("In short\n")[2].splitlines()[:2],
    ]
    console = Console(record=True, width=WIDTH, file=open("/dev/null", "w", encoding="utf-8"), force_terminal=True)  # noqa: SIM115
    for line in lines:
        style = next((colour for words, colour in COLOURS.items() if words in line), "")
        bold = line[:2] in ("1 ", "2 ", "In", "$ ")
        console.print(Text(line, style="bold" if bold else style))
    picture = console.export_svg(title="interlock demo", theme=MONOKAI)
    picture = re.sub(r"@font-face \{.*?\}\n", "", picture, flags=re.DOTALL)  # nothing from elsewhere
    Path(sys.argv[1]).write_text(picture.replace("Fira Code", "ui-monospace, DejaVu Sans Mono"), encoding="utf-8")


if __name__ == "__main__":
    main()
