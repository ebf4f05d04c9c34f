"""Runs portcullis-bench for tests."""

import json
import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build" / "release" / "bin")).resolve()
PROGRAM = BIN / "portcullis-bench"

# Turns as short as they can be: tests look at what is there, never at how fast it was.
SHORT = ["--runs", "2", "--seconds", "0.02", "--warm-up", "0.01"]
SECONDS = 540


def bench(*words):
    return subprocess.run(
        [PROGRAM, *map(str, words)], capture_output=True, text=True, timeout=SECONDS
    )


def figures(test, *words):
    """What the program prints with --json, when it ends well."""
    done = bench(*words, "--json")
    test.assertEqual(done.returncode, 0, f"{words}: {done.stderr}")
    test.assertEqual(done.stderr, "")
    return json.loads(done.stdout)


def has_testpmd():
    return shutil.which("dpdk-testpmd") is not None
