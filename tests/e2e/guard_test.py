#!/usr/bin/env python3
"""TLS and logins of control's TCP side, with curl and a certificate made for the test.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/guard_test.py [-v] [TEST...]
"""

import json
import os
import shutil
import subprocess
import sys
import unittest

from changes import write_policies
from processes import BIN, Stage

TOKEN = "0123456789abcdef0123456789abcdef"


class GuardTest(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.folder = self.stage.folder
        write_policies(self.folder)

    def make_certificate(self):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
             "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", self.folder / "key.pem",
             "-out", self.folder / "certificate.pem"],
            check=True, capture_output=True, timeout=60,
        )
        (self.folder / "key.pem").chmod(0o600)

    def make_logins(self):
        hashed = subprocess.run(
            ["openssl", "passwd", "-6", "secret"], check=True, capture_output=True, text=True, timeout=60
        ).stdout
        for name, text in [("users", f"ann:{hashed}"), ("tokens", f"{TOKEN}\n")]:
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)

    def start(self, *more):
        control = self.stage.start(
            "control", BIN / "portcullis-control", "--policy", self.folder / "policy.toml",
            "--dataplane-socket", self.folder / "dp.sock", "--api-socket", self.folder / "control.sock",
            "--listen", "127.0.0.1:0", *more,
        )
        found = control.wait_for_log(r"serving (https?)://127\.0\.0\.1:(\d+)/metrics")
        self.url = f"{found[1]}://127.0.0.1:{found[2]}"
        return control

    def curl(self, *words, path="/api/v1/status"):
        """Status and body; status 0: no HTTP at all."""
        ran = subprocess.run(
            ["curl", "-sS", "--noproxy", "*", "--max-time", "60", "-w", "\n%{http_code}", *map(str, words),
             self.url + path],
            capture_output=True, text=True, timeout=120,
        )
        body, _, status = ran.stdout.rpartition("\n")
        return int(status), body

    def test_tls_with_logins(self):
        self.make_certificate()
        self.make_logins()
        self.start(
            "--tls-certificate", self.folder / "certificate.pem", "--tls-key", self.folder / "key.pem",
            "--password-file", self.folder / "users", "--token-file", self.folder / "tokens",
        )
        self.assertTrue(self.url.startswith("https://"))
        trust = ["--cacert", self.folder / "certificate.pem"]
        status, body = self.curl(*trust, "-u", "ann:secret")
        self.assertEqual(status, 200, body)
        self.assertIn("version", json.loads(body))
        self.assertEqual(self.curl(*trust, "-H", f"Authorization: Bearer {TOKEN}", path="/metrics")[0], 200)
        for wrong in [
            [], ["-u", "ann:wrong"], ["-u", "bob:secret"], ["-H", f"Authorization: Bearer {TOKEN[1:]}"],
            ["-H", "Authorization: nonsense"], ["-H", "Authorization: Basic ????"],
        ]:
            for path in ["/api/v1/status", "/metrics", "/metrics/subscribers", "/nowhere"]:
                with self.subTest(wrong=wrong, path=path):
                    status, body = self.curl(*trust, *wrong, path=path)
                    self.assertEqual(status, 401)
                    self.assertIn("a login is needed", json.loads(body)["error"])
        headers = self.curl(*trust, "-D", "-")[1]
        self.assertIn('WWW-Authenticate: Basic realm="portcullis"', headers)
        self.assertIn('Bearer realm="portcullis"', headers)
        # Still read-only, whoever asks.
        status, body = self.curl(*trust, "-u", "ann:secret", "-X", "POST", "-d", "{}", path="/api/v1/apply")
        self.assertEqual(status, 403, body)
        # Not trusted, not encrypted: no answer.
        self.assertEqual(self.curl("-u", "ann:secret")[0], 0)
        self.url = self.url.replace("https", "http")
        self.assertEqual(self.curl("-u", "ann:secret")[0], 0)
        # The Unix socket needs no login: the kernel knows who asks.
        ran = subprocess.run(
            [BIN / "portcullis", "show", "--json", "--socket", self.folder / "control.sock"],
            capture_output=True, text=True, timeout=60,
        )
        self.assertEqual(ran.returncode, 0, ran.stderr)

    def show(self, *words, url=None, **environment):
        return subprocess.run(
            [BIN / "portcullis", "show", "--json", "--url", url or self.url, *map(str, words)],
            capture_output=True, text=True, timeout=60, env={**os.environ, "HOME": str(self.folder), **environment},
        )  # fmt: skip

    def test_the_command_line_trusts_and_logs_in(self):
        self.make_certificate()
        self.make_logins()
        self.start(
            "--tls-certificate", self.folder / "certificate.pem", "--tls-key", self.folder / "key.pem",
            "--password-file", self.folder / "users", "--token-file", self.folder / "tokens",
        )  # fmt: skip
        trust = ["--ca-file", self.folder / "certificate.pem"]
        with_login = self.url.replace("https://", "https://ann:secret@")
        for words, url in [
            ([*trust, "--token-file", self.folder / "tokens"], self.url),
            (trust, with_login),
        ]:
            with self.subTest(words=words):
                shown = self.show(*words, url=url)
                self.assertEqual(shown.returncode, 0, shown.stderr)
                self.assertIn("version", json.loads(shown.stdout))
        nobody = self.show(*trust)
        self.assertEqual(nobody.returncode, 2)
        self.assertIn("a login is needed", nobody.stderr)
        (self.folder / ".netrc").write_text("machine 127.0.0.1 login ann password secret\n")
        (self.folder / ".netrc").chmod(0o600)
        self.assertEqual(self.show(*trust).returncode, 0)
        untrusted = self.show(url=with_login)
        self.assertEqual(untrusted.returncode, 2)
        self.assertIn("--ca-file", untrusted.stderr)
        self.assertIn(f"at {self.url}/:", untrusted.stderr)
        self.assertNotIn("secret", untrusted.stderr)
        for words, said in [
            (["--ca-file", self.folder / "absent.pem"], "--ca-file takes certificates in PEM"),
            ([*trust, "--token-file", self.folder / "absent"], "no token is in"),
        ]:
            with self.subTest(said=said):
                refused = self.show(*words)
                self.assertEqual(refused.returncode, 2)
                self.assertIn(said, refused.stderr)

    def test_logins_without_tls(self):
        self.make_logins()
        self.start("--token-file", self.folder / "tokens")
        self.assertEqual(self.curl()[0], 401)
        self.assertEqual(self.curl("-u", "ann:secret")[0], 401)
        self.assertEqual(self.curl("-H", f"Authorization: Bearer {TOKEN}")[0], 200)

    def test_secrets_that_are_none_are_refused_at_the_start(self):
        self.make_certificate()
        self.make_logins()
        certificate = ["--tls-certificate", self.folder / "certificate.pem"]
        key = ["--tls-key", self.folder / "key.pem"]
        (self.folder / "open").write_text(f"{TOKEN}\n")
        (self.folder / "open").chmod(0o644)
        (self.folder / "open-key.pem").write_text((self.folder / "key.pem").read_text())
        (self.folder / "open-key.pem").chmod(0o644)
        (self.folder / "garbage.pem").write_text("garbage\n")
        for words, said in [
            (["--token-file", self.folder / "open"], "others could read it"),
            (["--token-file", self.folder / "absent"], "No such file"),
            (certificate, "has no key"),
            ([*certificate, "--tls-key", self.folder / "open-key.pem"], "others could read it"),
            (["--tls-certificate", self.folder / "garbage.pem", *key], "cannot start the HTTP server"),
        ]:
            with self.subTest(said=said):
                ran = subprocess.run(
                    [BIN / "portcullis-control", "--policy", self.folder / "policy.toml",
                     "--dataplane-socket", self.folder / "dp.sock", "--api-socket", self.folder / "other.sock",
                     "--listen", "127.0.0.1:0", *map(str, words)],
                    capture_output=True, text=True, timeout=60,
                )
                self.assertEqual(ran.returncode, 2, ran.stderr)
                self.assertIn(said, ran.stderr)


if __name__ == "__main__":
    for program in ["curl", "openssl"]:
        if shutil.which(program) is None:
            print(f"skipped: there is no {program}")
            sys.exit(77)
    unittest.main()
