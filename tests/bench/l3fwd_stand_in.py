#!/usr/bin/env python3
"""Stands in for DPDK's l3fwd where tests have none: hears its command line and answers as its telemetry does.

It writes what it was told, its rules included, to $L3FWD_STAND_IN_LOG as JSON, and counts a million frames a second
of processor time on each of two ports. It says what the library says that has a real one stamp frames, unless
$L3FWD_STAND_IN_STATIC is set: then it is as one that loads no libraries.
"""

import argparse
import json
import os
import socket
import sys
import threading
import time
from pathlib import Path

FRAMES_PER_SECOND = 1_000_000


def words_after_double_dash():
    parser = argparse.ArgumentParser()
    parser.add_argument("-p")
    parser.add_argument("-P", action="store_true")
    parser.add_argument("--lookup")
    parser.add_argument("--config")
    parser.add_argument("--rule_ipv4", type=Path)
    parser.add_argument("--rule_ipv6", type=Path)
    parser.add_argument("--rx-queue-size", type=int)
    parser.add_argument("--parse-ptype", action="store_true")
    parser.add_argument("--no-numa", action="store_true")
    return parser.parse_args(sys.argv[sys.argv.index("--") + 1:])


def answer_telemetry(path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(str(path))
    listener.listen()

    def serve():
        client, _ = listener.accept()
        client.send(b'{"version": "stand-in", "pid": 1, "max_output_len": 16384}')
        while question := client.recv(1024):
            frames = int(time.process_time() * FRAMES_PER_SECOND)
            command = question.decode().split(",")[0]
            client.send(json.dumps({command: {"ipackets": frames, "opackets": 0}}).encode())

    threading.Thread(target=serve, daemon=True).start()


def say_that_frames_are_stamped(queues):
    if "PORTCULLIS_BENCH_STAMP" in os.environ and "L3FWD_STAND_IN_STATIC" not in os.environ:
        for port in range(2):
            print(f"portcullis-bench-stamp: port {port}: a subscriber for every frame; queues: {queues}", flush=True)


def main():
    words = words_after_double_dash()
    Path(os.environ["L3FWD_STAND_IN_LOG"]).write_text(json.dumps({
        "eal": sys.argv[1:sys.argv.index("--")],
        "lookup": words.lookup,
        "config": words.config,
        "rx_queue_size": words.rx_queue_size,
        "rules4": words.rule_ipv4.read_text().splitlines(),
        "rules6": words.rule_ipv6.read_text().splitlines(),
        "preloaded": os.environ.get("LD_PRELOAD", "").split(":"),
        "stamp": os.environ.get("PORTCULLIS_BENCH_STAMP"),
    }))
    folder = Path(os.environ["RUNTIME_DIRECTORY"]) / "dpdk" / "stand-in"
    folder.mkdir(parents=True)
    answer_telemetry(folder / "dpdk_telemetry.v2")
    say_that_frames_are_stamped(words.config.count("(") // 2)
    print("L3FWD: entering main loop on lcore 0", flush=True)
    end = time.monotonic() + 120
    while time.monotonic() < end:
        pass


if __name__ == "__main__":
    main()
