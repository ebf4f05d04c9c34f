#!/usr/bin/env python3
"""The rules and the dashboard for Prometheus: promtool tests every alert, and every metric and label that rules and
dashboard name is one that a real Prometheus scraped from the real programs.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/prometheus_rules_test.py [-v] [TEST...]

Exit status 77: Prometheus is not installed.
"""

import json
import re
import shutil
import subprocess
import sys
import unittest
import urllib.parse
from pathlib import Path

from processes import ROOT, Stage, free_port, http_get, wait_for

FOLDER = ROOT / "control" / "prometheus"
RULES = FOLDER / "rules.yml"
DASHBOARD = FOLDER / "dashboard.json"
RULE_TESTS = Path(__file__).with_name("prometheus_rules.yml")

CONFIG = """
global: {{scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}}
rule_files: ["{rules}"]
scrape_configs:
  - job_name: portcullis
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

ALERT = re.compile(r"^\s+- alert: (\S+)", re.MULTILINE)
RECORD = re.compile(r"^\s+- record: (\S+)", re.MULTILINE)
EXPRESSION = re.compile(r"^        expr: (?:\|\n((?:          .*\n)+)|(.*)\n)", re.MULTILINE)
METRIC = re.compile(r"\bportcullis[_:][a-z0-9_:]+")
SELECTOR = re.compile(r"(portcullis[_:][a-z0-9_:]+)\{([^}]*)\}")
LABEL = re.compile(r"([a-z_]+)\s*(?:=~|!~|!=|=)")
LEGEND = re.compile(r"\{\{\s*([a-z_]+)\s*\}\}")


def promtool(*words):
    return subprocess.run(
        ["promtool", *map(str, words)], capture_output=True, text=True, timeout=120, check=False
    )


class RulesTest(unittest.TestCase):
    def test_promtool_is_content(self):
        with Stage() as stage:
            for file in [RULES, RULE_TESTS]:
                shutil.copy(file, stage.folder / file.name.replace("prometheus_rules", "tests"))
            checked = promtool("check", "rules", stage.folder / "rules.yml")
            self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
            tested = promtool("test", "rules", stage.folder / "tests.yml")
            self.assertEqual(tested.returncode, 0, tested.stdout + tested.stderr)

    def test_every_rule_is_tested(self):
        tests = RULE_TESTS.read_text()
        for name in ALERT.findall(RULES.read_text()):
            with self.subTest(alert=name):
                # Fires, in at least one test.
                self.assertRegex(tests, rf"- alertname: {name}\n        eval_time: \S+\n        exp_alerts:\n          - ")
        for name in RECORD.findall(RULES.read_text()):
            with self.subTest(record=name):
                self.assertRegex(tests, rf"expr: '[^']*{name}")

    def test_every_alert_is_explained(self):
        page = (FOLDER / "README.md").read_text()
        for name in ALERT.findall(RULES.read_text()):
            with self.subTest(alert=name):
                self.assertIn(f"`{name}`", page)


class LiveTest(unittest.TestCase):
    """Against a Prometheus that scrapes the real programs and evaluates the rules."""

    @classmethod
    def setUpClass(cls):
        cls.stage = Stage()
        cls.addClassCleanup(cls.stage.close)
        cls.stage.dataplane("--linger")
        control = cls.stage.control()
        config = cls.stage.folder / "prometheus.yml"
        config.write_text(CONFIG.format(port=control.port, rules=RULES))
        cls.port = free_port()
        prometheus = cls.stage.start(
            "prometheus",
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={cls.stage.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{cls.port}",
        )
        prometheus.wait_for_log("Server is ready to receive web requests")
        # The sample's drops are there, and the rates over them.
        wait_for(lambda: cls.query("portcullis_top_subscriber_dropped_frames_total"), "top subscribers", 120)
        wait_for(lambda: cls.query("sum(portcullis_watched_subscribers) > 0"), "subscribers under watch", 120)
        for name in RECORD.findall(RULES.read_text()):
            if "ratio" not in name:  # no frames flow any more
                wait_for(lambda record=name: cls.query(record), name, 120)

    @classmethod
    def query(cls, text):
        answer = json.loads(http_get(cls.port, "/api/v1/query?query=" + urllib.parse.quote(text)))
        return answer["data"]["result"]

    def labels_of(self, metric):
        """The names of the labels that `metric` was scraped with."""
        out = set()
        for row in self.query(metric):
            out |= set(row["metric"])
        return out

    def check_expression(self, expression):
        for metric in METRIC.findall(expression):
            if "ratio_rate5m" in metric:
                continue  # needs frames that flow; its parts stand in the recording rule
            with self.subTest(metric=metric):
                # Failures by reason appear with the first failure.
                if metric != "portcullis_policy_apply_failures_total":
                    self.assertTrue(self.query(metric), f"{metric} was not scraped")
        for metric, selector in SELECTOR.findall(expression):
            for label in LABEL.findall(selector):
                with self.subTest(metric=metric, label=label):
                    if "ratio_rate5m" not in metric:
                        self.assertIn(label, self.labels_of(metric))

    def test_metrics_of_rules_are_scraped(self):
        for block, line in EXPRESSION.findall(RULES.read_text()):
            self.check_expression(block or line)

    def test_no_critical_alert_fires_where_nothing_is_wrong(self):
        firing = self.query('ALERTS{severity="critical",alertstate="firing"}')
        self.assertEqual([row["metric"]["alertname"] for row in firing], [])

    def test_the_dashboard_shows_what_is_scraped(self):
        dashboard = json.loads(DASHBOARD.read_text())
        panels = [panel for panel in dashboard["panels"] if panel["type"] != "row"]
        self.assertGreater(len(panels), 10)
        seen = set()
        for panel in panels:
            self.assertTrue(panel["targets"], panel["title"])
            self.assertTrue(panel["description"], panel["title"])
            self.assertNotIn(panel["id"], seen)
            seen.add(panel["id"])
            for target in panel["targets"]:
                expression = target["expr"].replace("$instance", ".*")
                with self.subTest(panel=panel["title"], expression=expression):
                    self.check_expression(expression)
                    if "ratio_rate5m" in expression:
                        continue
                    rows = self.query(expression)
                    self.assertTrue(rows, "shows nothing")
                    for label in LEGEND.findall(target.get("legendFormat", "")):
                        for row in rows:
                            self.assertIn(label, row["metric"])
        variables = dashboard["templating"]["list"]
        self.assertEqual([one["name"] for one in variables], ["datasource", "instance"])
        self.assertIn("portcullis_build_info", variables[1]["query"])


if __name__ == "__main__":
    if shutil.which("prometheus") is None or shutil.which("promtool") is None:
        print("skipped: prometheus is not installed (apt install prometheus)")
        sys.exit(77)
    unittest.main()
