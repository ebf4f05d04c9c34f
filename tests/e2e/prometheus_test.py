#!/usr/bin/env python3
"""A real Prometheus scrapes control while the real dataplane judges the sample capture: exact counts come back.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/prometheus_test.py [-v] [TEST...]

Exit status 77: Prometheus is not installed.
"""

import json
import shutil
import struct
import sys
import unittest
import urllib.parse

from processes import BIN, Stage, expected_counters, free_port, http_get, samples, wait_for

CONFIG = """
global:
  scrape_interval: 500ms
  scrape_timeout: 500ms
scrape_configs:
  - job_name: portcullis
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: subscribers-0
    metrics_path: /metrics/subscribers
    params: {{shard: ["0"], shards: ["2"]}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: subscribers-1
    metrics_path: /metrics/subscribers
    params: {{shard: ["1"], shards: ["2"]}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""

MANY = 100_000
MANY_POLICY = """version = 1
[[pool]]
prefix = "100.64.0.0/15"
class = "residential"
[[class]]
name = "residential"
drop = ["smtp"]
[unattributed]
class = "residential"
"""
MANY_CONFIG = """
global: {{scrape_interval: 10s, scrape_timeout: 10s}}
scrape_configs:
  - job_name: subscribers-0
    metrics_path: /metrics/subscribers
    params: {{shard: ["0"], shards: ["2"]}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
  - job_name: subscribers-1
    metrics_path: /metrics/subscribers
    params: {{shard: ["1"], shards: ["2"]}}
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
"""


def write_many(path):
    """A capture of SYNs to port 25: subscriber i sends 1 + i % 3 of them."""
    ethernet = bytes(12) + b"\x08\x00"
    tcp = struct.pack("!HHIIBBHHH", 49152, 25, 0, 0, 0x50, 0x02, 1024, 0, 0)
    out = [struct.pack("<IHHIIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)]
    for i in range(MANY):
        source = (100 << 24 | 64 << 16) + i
        ip = struct.pack("!BBHHHBBHII", 0x45, 0, 40, 0, 0, 64, 6, 0, source, 198 << 24 | 51 << 16 | 100 << 8 | 1)
        frame = ethernet + ip + tcp
        out.append((struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame) * (1 + i % 3))
    path.write_bytes(b"".join(out))


FRAMES = "sum(portcullis_received_frames_total)"


class PrometheusTest(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.expected, self.subscribers = expected_counters()

    def query(self, text):
        """The samples that Prometheus answers to `text` with: (labels, value)."""
        answer = json.loads(http_get(self.prometheus_port, "/api/v1/query?query=" + urllib.parse.quote(text)))
        self.assertEqual(answer["status"], "success")
        return [(row["metric"], float(row["value"][1])) for row in answer["data"]["result"]]

    def start_prometheus(self, control_port, config_text=CONFIG):
        config = self.stage.folder / "prometheus.yml"
        config.write_text(config_text.format(port=control_port))
        self.prometheus_port = free_port()
        prometheus = self.stage.start(
            "prometheus",
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={self.stage.folder / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.prometheus_port}",
        )
        prometheus.wait_for_log("Server is ready to receive web requests")

    def test_exact_counts_come_back(self):
        self.stage.dataplane("--linger")
        control = self.stage.control()
        self.start_prometheus(control.port)
        total = sum(value for name, value in self.expected.items() if "received_frames" in name)
        wait_for(lambda: self.query(FRAMES) and self.query(FRAMES)[0][1] == total, "all frames scraped")
        wait_for(
            lambda: len(self.query("portcullis_subscriber_dropped_frames_total")) == len(self.subscribers),
            "all subscribers scraped",
        )
        for series, value in self.expected.items():
            with self.subTest(series=series):
                self.assertEqual([found for _, found in self.query(series)], [value])
        # Nothing was counted under any other label either.
        for name in ["frames", "dropped_frames", "passed_frames", "rule_dropped_frames", "dropped_flows"]:
            with self.subTest(name=name):
                wanted = sum(v for k, v in self.expected.items() if k.startswith(f"portcullis_{name}_total"))
                self.assertEqual(self.query(f"sum(portcullis_{name}_total)")[0][1], wanted)
        found = {
            (labels["subscriber"], labels["rule"]): value
            for labels, value in self.query("portcullis_subscriber_dropped_frames_total")
        }
        self.assertEqual(found, dict(self.subscribers))
        self.assertEqual(
            self.query("portcullis_subscribers_with_drops")[0][1], len({name for name, _ in self.subscribers})
        )
        for series, value in [("conservation_error_frames", 0), ("dataplane_up", 1), ("policy_generation", 1)]:
            with self.subTest(series=series):
                self.assertEqual([found for _, found in self.query("portcullis_" + series)], [value])
        self.assertEqual([value for _, value in self.query("up")], [1, 1, 1])

    def test_a_hundred_thousand_subscribers_are_ingested(self):
        (self.stage.folder / "policy.toml").write_text(MANY_POLICY)
        capture = self.stage.folder / "many.pcap"
        write_many(capture)
        self.stage.start(
            "dataplane", BIN / "portcullis-dataplane", "--replay", capture, "--wait-for-policy", "--linger",
            "--socket", self.stage.folder / "dp.sock")
        control = self.stage.control()
        wait_for(
            lambda: samples(http_get(control.port, "/metrics"))["portcullis_subscribers_with_drops"] == MANY, "drops", 120
        )
        self.start_prometheus(control.port, MANY_CONFIG)
        count = "count(portcullis_subscriber_dropped_frames_total)"
        wait_for(lambda: self.query(count) and self.query(count)[0][1] == MANY, "all series", 180)
        # Subscriber i was dropped 1 + i % 3 times: what came back is exact, for each shard by itself.
        self.assertEqual(
            self.query("sum(portcullis_subscriber_dropped_frames_total)")[0][1], sum(1 + i % 3 for i in range(MANY)))
        for name, frames in [("100.64.0.0", 1), ("100.64.0.1", 2), ("100.65.134.159", 1 + 99_999 % 3)]:
            found = self.query(f'portcullis_subscriber_dropped_frames_total{{subscriber="{name}"}}')
            self.assertEqual([value for _, value in found], [frames], name)
        self.assertEqual(self.query("sum(portcullis_subscriber_series_left_out)")[0][1], 0)
        self.assertEqual([value for _, value in self.query("up")], [1, 1])

    def test_promtool_finds_nothing_to_say(self):
        if shutil.which("promtool") is None:
            self.skipTest("promtool is not installed")
        self.stage.dataplane("--linger")
        control = self.stage.control()
        wait_for(
            lambda: samples(http_get(control.port, "/metrics"))["portcullis_subscribers_with_drops"] > 0, "drops"
        )
        for path in ["/metrics", "/metrics/subscribers"]:
            with self.subTest(path=path):
                text = self.stage.folder / "metrics.txt"
                text.write_text(http_get(control.port, path))
                opinion = self.stage.start("promtool", "sh", "-c", f"promtool check metrics < {text}")
                self.assertEqual(opinion.process.wait(timeout=60), 0, opinion.log())
                self.assertEqual(opinion.log(), "")


if __name__ == "__main__":
    if shutil.which("prometheus") is None:
        print("skipped: prometheus is not installed (apt install prometheus)")
        sys.exit(77)
    unittest.main()
