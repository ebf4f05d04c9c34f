#!/usr/bin/env python3
"""The Debian packages: built, checked, installed, upgraded, removed and purged, on a root of their own.

Usage: PORTCULLIS_BIN=build/release/bin tests/packaging/package_test.py [-v]

The root is this machine's, seen through an overlay in a mount namespace: what is installed there is gone with it. systemd
does not run there; the programs are started as their units say (user, group, command line, state folder), but without
systemd's sandbox, which units_test.py looks at. Exit status 77: skipped.
"""

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
NAMES = ["portcullis-dataplane", "portcullis-control", "portcullis"]
INSIDE = "--inside"
EXAMPLES = "/usr/share/doc/portcullis/examples"
PORT = 9925


def run(*words, status=0, seconds=120, **more):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=seconds, check=False, **more)
    if done.returncode != status:
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


def build(version, folder):
    paths = run(ROOT / "tools" / "package", "--no-build", "--version", version, "--output", folder, seconds=300).split()
    return {Path(path).name.split("_")[0]: Path(path) for path in paths}


class PackagesTest(unittest.TestCase):
    """What needs no root."""

    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="pc-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.folder.chmod(0o755)
        cls.old = build("0.1.0-1", cls.folder)
        cls.new = build("0.1.0-2", cls.folder)

    def test_there_are_three(self):
        self.assertEqual(sorted(self.old), sorted(NAMES))

    def test_lintian_finds_no_errors(self):
        if shutil.which("lintian") is None:
            self.skipTest("lintian is not installed")
        found = subprocess.run(
            ["lintian", "--allow-root", "--tag-display-limit=0", *map(str, self.old.values())],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        self.assertEqual([line for line in found.stdout.splitlines() if line.startswith("E:")], [])

    def test_pages_name_every_option(self):
        binaries = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build" / "release" / "bin"))
        help_of = lambda *words: run(*words, "--help")
        texts = {name: help_of(binaries / name) for name in NAMES}
        pending = [("portcullis",)]
        while pending:
            command = pending.pop()
            text = texts["-".join(command)] = help_of(binaries / command[0], *command[1:])
            listed = text.partition("Subcommands:\n")[2].partition("\n\n")[0]
            pending += [(*command, name) for name in re.findall(r"^  ([a-z]+) ", listed, re.MULTILINE)]
        self.assertLessEqual({"portcullis-capture", "portcullis-events", "portcullis-shadow", "portcullis-exempt-add"}, set(texts))
        for package in self.old.values():
            run("dpkg-deb", "-x", package, self.folder / "pages")
        pages = {path.name.split(".")[0]: path for path in (self.folder / "pages").glob("usr/share/man/man*/*.gz")}
        self.assertEqual(sorted(pages), sorted(texts))
        for name, text in texts.items():
            with self.subTest(name):
                page = gzip.decompress(pages[name].read_bytes()).decode().replace("\\-", "-")
                options = set(re.findall(r"^\s+(?:-\w,)?(--[a-z-]+)", text, re.MULTILINE))
                self.assertIn("--help", options)
                self.assertEqual([option for option in sorted(options) if option not in page], [])
                # Examples are lines to copy, not prose.
                lines = [re.sub(r"\\f[BRI]", "", line).replace("\\e", "\\") for line in page.partition(".nf\n")[2].partition("\n.fi\n")[0].splitlines()]
                examples = [line.strip() for line in text.partition("Examples:\n")[2].partition("\n\n")[0].splitlines()]
                self.assertEqual([example for example in examples if example not in lines], [])

    def test_dashboard_and_alerts_are_where_their_page_says(self):
        run("dpkg-deb", "-x", self.old["portcullis"], self.folder / "dashboards")
        page = (ROOT / "control" / "prometheus" / "README.md").read_text()
        named = re.findall(r"/usr/share/portcullis/[a-z/.]+", page)
        self.assertTrue(named)
        for path in [*named, "/usr/share/portcullis/prometheus/dashboard.json"]:
            self.assertTrue((self.folder / "dashboards" / path.lstrip("/")).is_file(), path)

    def test_links_of_pages_lead_to_pages(self):
        folder = self.folder / "pages"
        run("dpkg-deb", "-x", self.new["portcullis"], folder)
        links = [
            (page, target)
            for page in folder.rglob("*.md") if "doc" in page.parts
            for target in re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", page.read_text())
        ]
        self.assertGreater(len(links), 3)
        self.assertEqual([f"{page.name}: {to}" for page, to in links if not (page.parent / to).is_file()], [])

    def test_completion_knows_commands_and_options(self):
        binaries = Path(os.environ.get("PORTCULLIS_BIN", ROOT / "build" / "release" / "bin"))
        script = ROOT / "packaging" / "portcullis.bash-completion"

        def complete(*words):
            asked = " ".join(f"'{word}'" for word in words)
            return run(
                "bash", "-c",
                f'. {script}; COMP_WORDS=({asked}); COMP_CWORD={len(words) - 1}; _portcullis; printf "%s\\n" "${{COMPREPLY[@]}}"',
            ).split()  # fmt: skip

        self.assertIn("check", complete(binaries / "portcullis", "ch"))
        self.assertEqual(complete(binaries / "portcullis", "replay", "--verd"), ["--verdicts"])
        self.assertEqual(complete(binaries / "portcullis", "show", "su"), ["subscribers", "suspects"])
        self.assertEqual(complete(binaries / "portcullis", "shadow", ""), ["show", "stop"])
        self.assertEqual(complete(binaries / "portcullis", "exempt", ""), ["add", "remove", "list"])
        self.assertEqual(complete(binaries / "portcullis", "exempt", "add", "100.64.7.9", "--ru"), ["--rule"])
        self.assertEqual(complete(binaries / "portcullis", "capture", "--snap"), ["--snaplen"])
        self.assertEqual(complete(binaries / "portcullis", "events", "--wind"), ["--window"])
        self.assertEqual(complete(binaries / "portcullis", "check", ""), [])
        self.assertIn("--inside", complete(binaries / "portcullis-dataplane", "--in"))

    def test_installed_upgraded_removed_and_purged(self):
        if os.geteuid() != 0:
            self.skipTest("needs root, for a root of its own")
        done = subprocess.run(
            ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child=KILL", sys.executable, __file__, INSIDE,
             *(str(which[name]) for which in (self.old, self.new) for name in NAMES)],
            capture_output=True, text=True, timeout=400, check=False,
        )  # fmt: skip
        if done.returncode == 77:
            self.skipTest(done.stdout.strip())
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


class Installed:
    """Inside the namespaces: the packages on a root that is thrown away."""

    def __init__(self, packages):
        self.old, self.new = packages[:3], packages[3:]
        base = Path(tempfile.mkdtemp(prefix="pc-root-", dir=Path(packages[0]).parent))  # goes with the packages
        run("mount", "--make-rprivate", "/")
        run("mount", "-t", "tmpfs", "tmpfs", base)
        for name in ("upper", "work", "root"):
            (base / name).mkdir()
        self.root = base / "root"
        options = f"lowerdir=/,upperdir={base}/upper,workdir={base}/work"
        made = subprocess.run(["mount", "-t", "overlay", "overlay", "-o", options, self.root], capture_output=True, text=True, check=False)
        if made.returncode != 0:
            print(f"skipped: no overlay here: {made.stderr.strip()}")
            sys.exit(77)
        run("mount", "-t", "proc", "proc", self.root / "proc")
        for name in ("dev", "sys"):
            run("mount", "--rbind", f"/{name}", self.root / name)
        for name in ("run", "tmp"):  # no socket of this machine's services is to be seen
            run("mount", "-t", "tmpfs", "tmpfs", self.root / name)
        run("ip", "link", "set", "lo", "up")
        shutil.copytree(Path(self.old[0]).parent, self.root / "tmp" / "packages", ignore=shutil.ignore_patterns("pages", "pc-root-*"))
        self.old, self.new = ([f"/tmp/packages/{Path(path).name}" for path in which] for which in (self.old, self.new))
        self.processes = {}

    def inside(self, *words, **more):
        return run("chroot", self.root, *words, **more)

    def path(self, name):
        return self.root / name.lstrip("/")

    def unit(self, program, key):
        text = self.path(f"/lib/systemd/system/{program}.service").read_text()
        return re.search(rf"^{key}=(.*)$", text, re.MULTILINE)[1]

    def start(self, program, *words):
        """As the unit says, or with these words instead of its own."""
        command = words or self.unit(program, "ExecStart").replace("$PORTCULLIS_CONTROL_OPTIONS", "").split()[1:]
        user, group = self.unit(program, "User"), self.unit(program, "Group")
        state = re.search(r"^StateDirectory=(.*)$", self.path(f"/lib/systemd/system/{program}.service").read_text(), re.MULTILINE)
        if state:
            self.inside("install", "-d", "-o", user, "-g", group, "-m", "0750", f"/var/lib/{state[1]}")
        log = open(self.path(f"/tmp/{program}.log"), "ab")
        self.processes[program] = subprocess.Popen(
            ["chroot", str(self.root), "setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups", "--no-new-privs",
             "--bounding-set=-all", "--inh-caps=-all", "--", f"/usr/bin/{program}", *command],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip

    def start_dataplane(self):
        self.start("portcullis-dataplane", "--replay", f"{EXAMPLES}/sample.pcap", "--direction", "by-source", "--linger",
                   "--wait-for-policy", "--subscriber-slots", "2000000", "--socket", "/run/portcullis/dataplane.sock")  # fmt: skip

    def stop(self, program):
        process = self.processes.pop(program)
        process.terminate()
        status = process.wait(timeout=60)
        assert status == 0, f"{program} ended with {status}: {self.log(program)}"

    def log(self, program):
        return self.path(f"/tmp/{program}.log").read_text(errors="replace")

    def wait_for(self, holds, what, seconds=60):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for program, process in self.processes.items():
                assert process.poll() is None, f"{program} ended: {self.log(program)}"
            try:
                if holds():
                    return
            except OSError:
                pass
            time.sleep(0.1)
        raise AssertionError(f"{what}: not within {seconds} s\n" + "\n".join(map(self.log, self.processes)))

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/metrics", timeout=10) as answer:
            lines = answer.read().decode().splitlines()
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if line and line[0] != "#"}

    def received(self):
        return sum(value for name, value in self.metrics().items() if name.startswith("portcullis_received_frames_total"))

    def dropped(self):
        return {name: value for name, value in self.metrics().items() if name.startswith("portcullis_rule_dropped_frames_total")}

    def check(self):
        policy, config = self.path("/etc/portcullis/policy.toml"), self.path("/etc/portcullis/dataplane.toml")
        self.inside("dpkg", "-i", *self.old)
        group = self.inside("getent", "group", "portcullis").split(":")[2]
        users = {name: self.inside("getent", "passwd", name).split(":") for name in NAMES[:2]}
        assert all(row[3] == group and row[6].strip().endswith("nologin") for row in users.values()), users
        assert str(policy.stat().st_gid) == group and policy.stat().st_mode & 0o7777 == 0o640, policy.stat()
        sockets = self.path("/run/portcullis").stat()
        assert (sockets.st_mode & 0o7777, str(sockets.st_gid)) == (0o1770, group), sockets
        self.inside("portcullis", "check", "/etc/portcullis/policy.toml")
        self.inside("portcullis-dataplane", "--config", "/etc/portcullis/dataplane.toml", "--check-config")
        # The ports that the configuration comes with are nobody's.
        said = json.loads(self.inside("portcullis", "doctor", "--json", status=1))
        topics = {one["topic"]: one["grade"] for one in said["findings"]}
        assert topics["port 0000:01:00.0"] == "fault" and topics["users"] == "good" and topics["sockets"] == "good", said
        # A replay, as any user.
        answer = self.inside(
            "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "portcullis", "replay", "--policy", f"{EXAMPLES}/policy.toml",
            "--in", f"{EXAMPLES}/sample.pcap", "--json", "--direction", "by-source",
        )  # fmt: skip
        assert json.loads(answer)["conservation"]["received"] == 4000, answer

        # The administrator's own policy and configuration.
        self.inside("sh", "-c", f"cp {EXAMPLES}/smarthosts.list /etc/portcullis/ && cat {EXAMPLES}/policy.toml > /etc/portcullis/policy.toml")
        config.write_text(config.read_text().replace("# workers = 1", "workers = 1  # ours"))
        written = policy.read_text(), config.read_text()
        self.start_dataplane()
        self.start("portcullis-control")
        self.wait_for(lambda: self.received() == 4000, "the sample capture judged")
        dropped = self.dropped()
        assert sum(dropped.values()) > 0, dropped
        subscribers = self.inside("portcullis", "show", "subscribers")

        self.inside("dpkg", "-i", "--force-confold", *self.new)
        assert self.inside("dpkg-query", "-W", "-f", "${Version}", "portcullis-control") == "0.1.0-2"
        assert (policy.read_text(), config.read_text()) == written
        assert self.processes["portcullis-dataplane"].poll() is None, "the upgrade ended the dataplane"
        # What systemd does then to control; the dataplane goes on, and is restarted when it suits.
        self.stop("portcullis-control")
        self.start("portcullis-control")
        self.wait_for(lambda: self.metrics()["portcullis_dataplane_up"] == 1, "control connected again")
        assert self.dropped() == dropped, (dropped, self.dropped())
        assert self.inside("portcullis", "show", "subscribers") == subscribers
        self.stop("portcullis-dataplane")
        self.start_dataplane()
        self.wait_for(lambda: self.received() == 8000, "the sample capture judged a second time")
        assert self.dropped() == {name: 2 * value for name, value in dropped.items()}
        self.stop("portcullis-dataplane")
        self.stop("portcullis-control")

        self.inside("dpkg", "--remove", *NAMES)
        assert not self.path("/usr/bin/portcullis-dataplane").exists()
        assert (policy.read_text(), config.read_text()) == written
        assert list(self.path("/var/lib/portcullis").iterdir()), "removing takes no totals"
        self.path("/etc/portcullis/smarthosts.list").unlink()
        self.inside("dpkg", "--purge", *NAMES)
        for name in ("/etc/portcullis", "/var/lib/portcullis"):
            assert not self.path(name).exists(), name
        left = [path for path in self.inside("sh", "-c", "find /usr /etc /lib /var -xdev -newer /tmp/packages -name '*portcullis*'").split()]
        left = [path for path in left if "/var/lib/dpkg" not in path and "-root" not in path]
        assert left == [], left


if __name__ == "__main__":
    if INSIDE in sys.argv:
        Installed(sys.argv[sys.argv.index(INSIDE) + 1 :]).check()
        sys.exit(0)
    for program in ("dpkg-deb", "dpkg-shlibdeps", "help2man", "strip"):
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed")
            sys.exit(77)
    unittest.main()
