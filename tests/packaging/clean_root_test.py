#!/usr/bin/env python3
"""The Debian packages on a clean Debian 12: debootstrap's smallest root, what the packages ask for from the mirror that apt
uses here, and then doctor and a replay there.

Usage: PORTCULLIS_BIN=build/release/bin tests/packaging/clean_root_test.py [-v]

Everything happens in a mount namespace, on a tmpfs: nothing stays behind. Needs root, debootstrap, 600 MB of memory and the
mirror. Exit status 77: skipped.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
INSIDE = "--inside"
SUITE = "bookworm"
EXAMPLES = "/usr/share/doc/portcullis/examples"
SECONDS = 500


def run(*words, status=0, seconds=SECONDS, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False, **more)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def mirrors():
    """Where apt gets this suite from: its main archive."""
    listed = run("apt-get", "indextargets", "--format", "$(SITE) $(CODENAME) $(COMPONENT)", "Created-By: Packages")
    rows = [line.split() for line in listed.splitlines()]
    return list(dict.fromkeys(row[0] for row in rows if row[1:] == [SUITE, "main"]))


class CleanRootTest(unittest.TestCase):
    def test_installed_and_used_on_a_clean_root(self):
        folder = Path(tempfile.mkdtemp(prefix="pc-clean-"))
        self.addCleanup(shutil.rmtree, folder)
        packages = run(ROOT / "tools" / "package", "--no-build", "--output", folder / "packages").split()
        done = subprocess.run(
            ["unshare", "--mount", "--pid", "--fork", "--kill-child=KILL", sys.executable, __file__, INSIDE, folder, mirrors()[0], *packages],
            capture_output=True, text=True, timeout=SECONDS + 60, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


def inside(folder, mirror, *packages):
    """In namespaces of its own."""
    root = Path(folder) / "root"
    root.mkdir()
    run("mount", "--make-rprivate", "/")
    run("mount", "-t", "tmpfs", "-o", "size=1g,mode=755", "tmpfs", root)
    run("debootstrap", "--variant=minbase", SUITE, root, mirror)
    for name in ("dev", "sys"):
        run("mount", "--rbind", f"/{name}", root / name)
    run("mount", "-t", "proc", "proc", root / "proc")
    shutil.copy("/etc/resolv.conf", root / "etc" / "resolv.conf")
    there = root / "packages"
    there.mkdir()
    for package in packages:
        shutil.copy(package, there)

    def chroot(*words, **more):
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
        environment |= {name: value for name, value in os.environ.items() if name.endswith("_proxy")}
        return run("chroot", root, *words, env=environment, **more)

    chroot("apt-get", "update")
    chroot("apt-get", "install", "-y", "--no-install-recommends", *(f"/packages/{Path(package).name}" for package in packages))

    # Nothing is ready there, and doctor says so: with what mends it.
    said = json.loads(chroot("portcullis", "doctor", "--json", status=1))
    faults = {one["topic"]: one["cure"] for one in said["findings"] if one["grade"] == "fault"}
    assert "port 0000:01:00.0" in faults and all(faults.values()), said
    assert {one["topic"]: one["grade"] for one in said["findings"]}["users"] == "good", said

    chroot("portcullis", "check", "/etc/portcullis/policy.toml")
    as_nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--no-new-privs"]
    answer = json.loads(chroot(
        *as_nobody, "portcullis", "replay", "--policy", f"{EXAMPLES}/policy.toml", "--in", f"{EXAMPLES}/sample.pcap",
        "--direction", "by-source", "--json",
    ))  # fmt: skip
    expected = json.loads((ROOT / "tools" / "sample" / "expected.json").read_text())
    dropped = sum(row["frames"] for row in expected["outcomes"] if row["verdict"] == "drop")
    assert answer["conservation"]["received"] == 4000 and answer["conservation"]["dropped"] == dropped > 0, answer["conservation"]


def skip_reason():
    if os.geteuid() != 0:
        return "needs root, for a root of its own"
    missing = [name for name in ("debootstrap", "unshare", "dpkg-deb", "dpkg-shlibdeps", "help2man") if shutil.which(name) is None]
    if missing:
        return f"needs {', '.join(missing)}"
    if not mirrors():
        return f"apt knows no mirror of {SUITE} here"
    with tempfile.TemporaryDirectory() as folder:
        words = ["/usr/lib/apt/apt-helper", "download-file", f"{mirrors()[0]}/dists/{SUITE}/Release", f"{folder}/Release"]
        reachable = subprocess.run(words, capture_output=True, timeout=120, check=False).returncode == 0
    return None if reachable else "apt's mirror cannot be reached"


if __name__ == "__main__":
    if INSIDE in sys.argv:
        inside(*sys.argv[sys.argv.index(INSIDE) + 1 :])
        sys.exit(0)
    if reason := skip_reason():
        print(f"skipped: {reason}")
        sys.exit(77)
    unittest.main()
