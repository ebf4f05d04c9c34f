#!/usr/bin/env python3
"""The status page in a real Chromium, against a real control and dataplane that have judged the sample capture.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/status_page_test.py [-v] [--screenshots FOLDER] [TEST...]

Exit status 77: Chromium or its driver is not installed.
"""

import base64
import json
import re
import shutil
import sys
import unittest
import urllib.error
import urllib.request
from pathlib import Path

from processes import Stage, free_port, http_get, wait_for

ARGUMENTS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-dev-shm-usage",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]
# What an operator may call a customer, and no browser shall take for HTML.
EVIL = "<b id='evil'>evil</b> & co"
SCREENSHOTS = None


class Browser:
    """A Chromium, driven through chromedriver's HTTP interface (W3C WebDriver)."""

    def __init__(self, stage):
        port = free_port()
        driver = stage.start("chromedriver", "chromedriver", f"--port={port}")
        driver.wait_for_log("started successfully", 60)
        self.base = f"http://127.0.0.1:{port}"
        profile = stage.folder / "profile"
        session = self.post("/session", {"capabilities": {"alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": {"binary": shutil.which("chromium"), "args": [*ARGUMENTS, f"--user-data-dir={profile}"]},
            "goog:loggingPrefs": {"browser": "ALL"},
        }}})
        self.base += "/session/" + session["sessionId"]

    def post(self, path, body, method="POST"):
        request = urllib.request.Request(
            self.base + path, json.dumps(body).encode() if body is not None else None,
            {"Content-Type": "application/json"}, method=method)
        try:
            with urllib.request.urlopen(request, timeout=120) as answer:
                return json.load(answer)["value"]
        except urllib.error.HTTPError as refusal:
            raise AssertionError(refusal.read().decode()) from None

    def close(self):
        self.post("", None, "DELETE")

    def open(self, url):
        self.post("/url", {"url": url})

    def run(self, script, *arguments):
        return self.post("/execute/sync", {"script": script, "args": list(arguments)})

    def run_async(self, script):
        return self.post("/execute/async", {"script": script, "args": []})

    def text(self, element):
        return self.run("return document.getElementById(arguments[0]).textContent", element)

    def log(self):
        return self.post("/se/log", {"type": "browser"})

    def show_as(self, scheme, width, height):
        """Light or dark, with a window of this size."""
        self.post("/goog/cdp/execute", {"cmd": "Emulation.setEmulatedMedia", "params": {
            "features": [{"name": "prefers-color-scheme", "value": scheme}]}})
        self.post("/goog/cdp/execute", {"cmd": "Emulation.setDeviceMetricsOverride", "params": {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}})

    def screenshot(self, name):
        if SCREENSHOTS:
            (Path(SCREENSHOTS) / name).write_bytes(base64.b64decode(self.post("/screenshot", None, "GET")))


def luminance(colour):
    """Of "rgb(r, g, b)": WCAG 2.1, relative luminance."""
    parts = [int(part) / 255 for part in re.findall(r"\d+", colour)[:3]]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    brighter, darker = sorted([luminance(one), luminance(other)], reverse=True)
    return (brighter + 0.05) / (darker + 0.05)


class StatusPageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        policy = cls.stage.folder / "policy.toml"
        # The subscriber with most drops gets a name.
        cls.evil_prefix = "2001:db8:11e1:ae00::/56"
        policy.write_text(
            policy.read_text() + f'\n[[subscriber]]\nname = "{EVIL}"\nprefixes = ["{cls.evil_prefix}"]\n')
        cls.stage.dataplane("--linger")
        cls.control = cls.stage.control()
        cls.url = f"http://127.0.0.1:{cls.control.port}/"
        wait_for(lambda: cls.api("status")["subscribers_with_drops"] > 0, "drops", 120)
        cls.browser = Browser(cls.stage)
        cls.addClassCleanup(cls.browser.close)
        cls.browser.show_as("light", 1280, 1400)
        cls.browser.open(cls.url)
        # Two looks: then there are rates.
        wait_for(lambda: cls.browser.text("pass-rate") != "–", "rates on the page", 120)

    @classmethod
    def api(cls, what):
        return json.loads(http_get(cls.control.port, "/api/v1/" + what))

    def rows(self, element):
        return self.browser.run(
            "return [...document.querySelectorAll('#' + arguments[0] + ' tbody tr')]"
            ".map(row => [...row.cells].map(cell => cell.textContent))", element)

    def test_it_shows_what_the_api_says(self):
        status = self.api("status")
        self.assertEqual(self.browser.text("version"), status["version"])
        self.assertEqual(self.browser.text("generation"), str(status["policy"]["generation"]))
        self.assertEqual(self.browser.text("state"), "filtering" if status["ready"] else "not ready")
        self.assertEqual(self.browser.text("with-drops"), f"{status['subscribers_with_drops']:,}")
        self.assertEqual(self.browser.text("conservation"), "0")
        self.assertEqual(len(self.rows("workers")), len(status["dataplane"]["workers"]))
        top = self.api("subscribers?top=15")["subscribers"]
        expected = [
            [one["subscriber"], f"{sum(row['frames'] for row in one['dropped']):,}",
             f"{sum(row['flows'] for row in one['dropped']):,}"] for one in top]
        self.assertEqual([[row[0], row[2], row[3]] for row in self.rows("top")], expected)
        dropped = {
            (row["reason"], row["direction"]): f"{row['frames']:,}"
            for row in self.api("counters")["verdicts"] if row["verdict"] == "drop" and row["frames"]}
        self.assertEqual({(row[0], row[1]): row[2] for row in self.rows("reasons")}, dropped)

        def suspects_agree():  # the page looks every two seconds; windows move on meanwhile
            suspects = [one["subscriber"] for one in self.api("suspects?top=15")["suspects"]]
            return suspects == [row[0] for row in self.rows("suspects") if len(row) > 1]

        wait_for(suspects_agree, "the same suspects as the API")

    def test_the_last_changes_are_told(self):
        changes = self.api("history?limit=10")["changes"]
        self.assertEqual(
            [row[:4] for row in self.rows("history")],
            [[str(one["change"]), one["time"], one["kind"], one["state"]] for one in changes])
        self.assertGreater(len(changes), 0)

    def test_the_plot_is_drawn_and_told(self):
        for line in ["out-pass", "in-pass", "out-drop", "in-drop"]:
            shape = self.browser.run("return document.querySelector('path.' + arguments[0]).getAttribute('d')", line)
            self.assertRegex(shape, r"^M[\d.]+ [\d.]+")
        self.assertRegex(
            self.browser.run("return document.getElementById('plot').getAttribute('aria-label')"),
            r"passed outbound \S+, passed inbound \S+, dropped outbound \S+, dropped inbound \S+")

    def test_it_answers_where_its_address_holds_a_login(self):
        other = Stage()
        self.addCleanup(other.close)
        page = Browser(other)
        self.addCleanup(page.close)
        page.open(self.url.replace("http://", "http://ann:secret@"))
        wait_for(lambda: page.text("version") != "–", "a version on the page", 60)

    def test_names_are_text(self):
        names = [row[0] for row in self.rows("top")]
        self.assertIn(EVIL, names)
        self.assertIsNone(self.browser.run("return document.getElementById('evil')"))

    def test_nothing_goes_wrong_on_the_console(self):
        messages = [one["message"] for one in self.browser.log() if one["level"] in ("SEVERE", "WARNING")]
        self.assertEqual(messages, [])

    def test_policy_lets_nothing_else_in(self):
        with urllib.request.urlopen(self.url, timeout=30) as answer:
            policy = answer.headers["Content-Security-Policy"]
            body = answer.read().decode()
            self.assertEqual(answer.headers["X-Content-Type-Options"], "nosniff")
        self.assertIn("default-src 'none'", policy)
        self.assertNotIn("unsafe", policy)
        nonce = re.search(r"script-src 'nonce-([0-9a-f]{32})'", policy)[1]
        self.assertEqual(body.count(f'nonce="{nonce}"'), 2)
        self.assertNotIn("NONCE", body.replace("The word NONCE", ""))
        self.assertNotIn(nonce, http_get(self.control.port, "/"))  # another answer, another nonce
        self.assertNotRegex(body, r"https?://")
        other = Stage()
        self.addCleanup(other.close)
        page = Browser(other)
        self.addCleanup(page.close)
        page.open(self.url)
        blocked = page.run_async("""
            const done = arguments[0], blocked = [];
            document.addEventListener('securitypolicyviolation', (event) => blocked.push(event.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'window.injected = true';
            document.body.append(script);
            document.body.insertAdjacentHTML('beforeend', '<img src="/metrics" onerror="window.injected = true">');
            fetch('http://127.0.0.1:1/').catch(() => 0);
            setTimeout(() => done([window.injected === true, blocked.sort()]), 1500);""")
        self.assertFalse(blocked[0])
        self.assertTrue({"connect-src", "img-src", "script-src-elem"} <= set(blocked[1]), blocked)

    def test_light_and_dark_can_be_read(self):
        papers = set()
        for scheme in ["light", "dark"]:
            with self.subTest(scheme=scheme):
                self.browser.show_as(scheme, 1280, 1400)
                self.browser.screenshot(f"{scheme}.png")
                style = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"
                papers.add(self.browser.run(style, "body", "backgroundColor"))
                for element in ["h2", "td.name", "th", ".tile dt", ".good-text", "footer a", ".scale"]:
                    colour = self.browser.run(style, element, "color")
                    behind = self.browser.run(style, "footer" if element == "footer a" else "section[aria-labelledby]",
                                              "backgroundColor")
                    if "0)" in behind.replace(" ", "") and behind.startswith("rgba"):
                        behind = self.browser.run(style, "body", "backgroundColor")
                    self.assertGreaterEqual(contrast(colour, behind), 4.5, f"{element}: {colour} on {behind}")
        self.assertEqual(len(papers), 2)

    def test_a_phone_needs_no_scrolling_sideways(self):
        self.addCleanup(self.browser.show_as, "light", 1280, 1400)
        for width in [360, 320]:
            self.browser.show_as("light", width, 800)
            self.browser.screenshot(f"phone-{width}.png")
            self.assertLessEqual(self.browser.run("return document.documentElement.scrollWidth"), width)

    def test_it_is_told_to_those_who_do_not_see_it(self):
        self.assertEqual(self.browser.run("return document.documentElement.lang"), "en")
        self.assertEqual(self.browser.run("""
            return [...document.querySelectorAll('section, ul:not(.legend), svg')].filter(one =>
                !one.getAttribute('aria-label') && !document.getElementById(one.getAttribute('aria-labelledby'))).length"""), 0)
        self.assertEqual(self.browser.run("return document.querySelectorAll('th:not([scope=col])').length"), 0)
        self.assertEqual(self.browser.run(
            "const ids = [...document.querySelectorAll('[id]')].map(one => one.id); return ids.length - new Set(ids).size"), 0)
        self.assertEqual(self.browser.run("return document.getElementById('state').getAttribute('role')"), "status")


if __name__ == "__main__":
    for program in ["chromium", "chromedriver"]:
        if shutil.which(program) is None:
            print(f"skipped: {program} is not installed (apt install chromium chromium-driver)")
            sys.exit(77)
    if "--screenshots" in sys.argv:
        at = sys.argv.index("--screenshots")
        SCREENSHOTS = sys.argv[at + 1]
        del sys.argv[at:at + 2]
    unittest.main()
