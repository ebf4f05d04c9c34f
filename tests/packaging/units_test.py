#!/usr/bin/env python3
"""The systemd units: understood without a complaint, and exposed less than 2.5.

Usage: tests/packaging/units_test.py [-v]
"""

import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

UNITS = Path(__file__).resolve().parents[2] / "packaging" / "systemd"
EXPOSURE_MAX = 2.5
NAMES = ["portcullis-dataplane.service", "portcullis-control.service"]


def analyze(*words):
    done = subprocess.run(["systemd-analyze", *map(str, words)], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout + done.stderr


class UnitsTest(unittest.TestCase):
    def exposure(self, *files):
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / files[0].name
            unit.write_text("\n".join(file.read_text() for file in files))
            _, text = analyze("security", "--offline=true", unit)
        found = re.search(r"Overall exposure level for \S+: ([0-9.]+)", text)
        self.assertIsNotNone(found, text)
        return float(found[1])

    def test_both_are_exposed_little(self):
        for name in NAMES:
            with self.subTest(name):
                self.assertLess(self.exposure(UNITS / name), EXPOSURE_MAX)

    def test_af_xdp_costs_what_it_costs(self):
        dataplane = UNITS / NAMES[0]
        self.assertGreater(self.exposure(dataplane, UNITS / "af-xdp.conf"), self.exposure(dataplane))

    def test_systemd_understands_every_line(self):
        with tempfile.TemporaryDirectory() as folder:
            for name in NAMES:
                # The programs and users need not be on this machine.
                text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", (UNITS / name).read_text(), flags=re.MULTILINE)
                text = re.sub(r"^(User|Group)=.*", r"\1=daemon", text, flags=re.MULTILINE)
                (Path(folder) / name).write_text(text)
            status, text = analyze("verify", "--man=no", *(Path(folder) / name for name in NAMES))
        self.assertEqual((status, [line for line in text.splitlines() if "portcullis" in line]), (0, []), text)

    def test_a_wrong_line_would_be_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "portcullis-wrong.service"
            unit.write_text("[Service]\nExecStart=/bin/true\nProtectSistem=strict\n")
            self.assertIn("ProtectSistem", analyze("verify", "--man=no", unit)[1])

    def test_users_and_folders_are_understood(self):
        for program, files in [("systemd-sysusers", sorted(UNITS.glob("*.sysusers"))), ("systemd-tmpfiles", [UNITS / "tmpfiles.conf"])]:
            if shutil.which(program) is None:
                self.skipTest(f"{program} is not installed")
            for file in files:
                with self.subTest(file.name), tempfile.TemporaryDirectory() as root:
                    (Path(root) / "etc").mkdir()
                    (Path(root) / "etc" / "group").write_text("root:x:0:\nportcullis:x:990:\n" if program == "systemd-tmpfiles" else "root:x:0:\n")
                    (Path(root) / "etc" / "passwd").write_text("root:x:0:0::/root:/bin/sh\n")
                    words = [program, f"--root={root}", str(file)] + (["--create"] if program == "systemd-tmpfiles" else [])
                    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
                    self.assertEqual(done.returncode, 0, done.stderr)
                    if program == "systemd-sysusers":
                        self.assertIn(f"{file.stem}:", (Path(root) / "etc" / "passwd").read_text())


if __name__ == "__main__":
    if shutil.which("systemd-analyze") is None:
        print("skipped: systemd-analyze is not installed")
        sys.exit(77)
    unittest.main()
