"""``python -m tests.fuzz [--minutes 1] [TARGET …]``: each target for so long; executions and findings.  Exits 1 if there is a finding.

Guided by coverage where atheris can be imported; else by mutation of the seeds alone.  A finding is kept in ``corpus/<target>``.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.fuzz.seeds import CORPUS, seeds
from tests.fuzz.targets import TARGETS

LONGEST = 4096


def guided(target: str, seconds: float) -> tuple[int, int]:
    """By atheris, in a process of its own, for it ends the one it runs in.  Executions, findings."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "corpus").mkdir()
        for number, seed in enumerate(seeds(target)):
            (folder / "corpus" / str(number)).write_bytes(seed)
        flags = (f"-max_total_time={int(seconds)}", f"-max_len={LONGEST}", "-print_final_stats=1", "-timeout=20")
        command = [
            sys.executable,
            "-m",
            "tests.fuzz.guided",
            target,
            *flags,
            f"-artifact_prefix={folder}/",
            str(folder / "corpus"),
        ]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        found = [path for path in folder.iterdir() if path.name.startswith(("crash-", "timeout-", "oom-"))]
        for path in found:
            keep(target, path.read_bytes())
            print(done.stdout[-3000:], done.stderr[-3000:])
        number = re.search(r"stat::number_of_executed_units: (\d+)", done.stderr)
        if done.returncode and not found:
            raise RuntimeError(f"atheris ended with {done.returncode}\n{done.stderr[-3000:]}")
        return int(number[1]) if number else 0, len(found)


def mutated(target: str, seconds: float) -> tuple[int, int]:
    """By random changes of the seeds and of each other.  Executions, findings."""
    rng, pool, run = random.Random(), seeds(target), TARGETS[target]
    number = findings = 0
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        data = mutant(rng, pool)
        number += 1
        findings += not holds(target, run, data)
    return number, findings


def holds(target: str, run: Callable[[bytes], None], data: bytes) -> bool:
    try:
        run(data)
    except Exception:
        keep(target, data)
        traceback.print_exc()
        return False
    return True


def mutant(rng: random.Random, pool: list[bytes]) -> bytes:
    data = bytearray(rng.choice(pool))
    for _ in range(rng.randint(1, 6)):
        at = rng.randint(0, len(data))
        match rng.randrange(5):
            case 0:
                data[at:at] = rng.randbytes(rng.randint(1, 6))
            case 1:
                del data[at : at + rng.randint(1, 8)]
            case 2:
                data[at : at + 1] = bytes((rng.randrange(256),))
            case 3:
                other = rng.choice(pool)
                cut = rng.randint(0, len(other))
                data[at:at] = other[cut : cut + rng.randint(1, 60)]
            case _:
                data[at : at + 4] = rng.choice(
                    (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\4", b"\0\0\0\5")
                )
    return bytes(data[:LONGEST])


def keep(target: str, data: bytes) -> None:
    folder = CORPUS / target
    folder.mkdir(parents=True, exist_ok=True)
    (folder / hashlib.sha256(data).hexdigest()[:16]).write_bytes(data)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz")
    parser.add_argument("--minutes", type=float, default=1.0, help="for each target")
    parser.add_argument("--plain", action="store_true", help="without atheris")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    chosen = parser.parse_args()
    engine: Callable[[str, float], tuple[int, int]] = mutated
    if not chosen.plain:
        try:
            import atheris  # noqa: F401
        except ImportError:
            print("without atheris: by mutation alone")
        else:
            engine = guided
    total = 0
    for target in chosen.targets or TARGETS:
        number, findings = engine(target, chosen.minutes * 60)
        total += findings
        print(f"{target:10} {number:>12,} executions, {findings} findings", flush=True)
    return 1 if total else 0


if __name__ == "__main__":
    sys.exit(main())
