#!/usr/bin/env python3
"""What packaging/GUIDE.md promises when a worker stalls, when control is gone, and before the first policy.

Usage: PORTCULLIS_BIN=build/release/bin tests/e2e/failsafe_test.py [-v] [TEST...]

A worker is stalled by ptrace(2), which stops one thread of a process: its CPU could not be taken away better.
"""

import ctypes
import json
import os
import queue
import socket
import threading
import time
import unittest
import urllib.error
from pathlib import Path

from processes import BIN, Stage, endless_ports, http_get, wait_for

PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207
WALL = 0x40000000

libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
libc.ptrace.restype = ctypes.c_long


def ptrace(request, thread):
    if libc.ptrace(request, thread, None, None) != 0:
        raise OSError(ctypes.get_errno(), "ptrace")


class ServiceManager:
    """systemd's end of sd_notify(3). As systemd does it reads what comes all the time: who tells it more than the kernel
    keeps waits for it."""

    def __init__(self, folder):
        self.path = folder / "notify.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(str(self.path))
        self.socket.settimeout(0.1)
        self.heard = queue.SimpleQueue()
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.listen, daemon=True)
        self.thread.start()

    def listen(self):
        while not self.ends.is_set():
            try:
                for line in self.socket.recv(4096).decode().splitlines():
                    self.heard.put(line)
            except TimeoutError:
                continue

    def close(self):
        self.ends.set()
        self.thread.join()
        self.socket.close()

    def messages(self):
        """What has come since the last call."""
        out = []
        while True:
            try:
                out.append(self.heard.get_nowait())
            except queue.Empty:
                return out


class FailsafeTest(unittest.TestCase):
    def setUp(self):
        self.stage = Stage()
        self.addCleanup(self.stage.close)
        self.manager = ServiceManager(self.stage.folder)
        self.addCleanup(self.manager.close)

    def dataplane(self, *more):
        # Work that never ends.
        return self.stage.start(
            "dataplane", "env", f"NOTIFY_SOCKET={self.manager.path}", BIN / "portcullis-dataplane", *endless_ports(self.stage.folder),
            "--subscriber-slots", 2_000_000, "--socket", self.stage.folder / "dp.sock", *more,
        )  # fmt: skip

    def health(self, control):
        try:
            return 200, json.loads(http_get(control.port, "/healthz"))
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read())

    def wait_for_message(self, wanted):
        wait_for(lambda: wanted in self.manager.messages(), f"{wanted} said", 30)

    def starves(self):
        self.manager.messages()
        time.sleep(2)
        return "WATCHDOG=1" not in self.manager.messages()

    def worker_thread(self, dataplane):
        """The thread that has used the most of a CPU lately."""

        def used():
            out = {}
            for task in Path(f"/proc/{dataplane.process.pid}/task").iterdir():
                fields = (task / "stat").read_text().rpartition(") ")[2].split()
                out[int(task.name)] = int(fields[11]) + int(fields[12])
            return out

        before = used()
        found = []

        def one_works():
            now = used()
            busy = max(now, key=lambda thread: now[thread] - before.get(thread, 0))
            if now[busy] - before.get(busy, 0) >= 20:
                found.append(busy)
            return found

        wait_for(one_works, "a thread that works", 30)
        self.assertNotEqual(found[0], dataplane.process.pid, "the main thread is no worker")
        return found[0]

    def test_a_stalled_worker_starves_the_watchdog_and_is_named(self):
        dataplane = self.dataplane()
        control = self.stage.control()
        self.wait_for_message("READY=1")
        self.wait_for_message("WATCHDOG=1")
        wait_for(lambda: self.health(control)[0] == 200, "ready", 30)
        thread = self.worker_thread(dataplane)
        try:
            ptrace(PTRACE_SEIZE, thread)
        except PermissionError as error:
            self.skipTest(f"this machine allows no ptrace: {error}")
        ptrace(PTRACE_INTERRUPT, thread)
        os.waitpid(thread, WALL)
        wait_for(lambda: self.health(control)[0] == 503, "the stall noticed", 30)
        status, said = self.health(control)
        self.assertEqual((said["live"], said["ready"], said["problems"]), (True, False, ["worker 0 does not run"]))
        # The unit says WatchdogSec=5s; a fed watchdog hears from us five times a second. Control may have noticed first.
        wait_for(self.starves, "a watchdog that hears nothing", 30)
        ptrace(PTRACE_DETACH, thread)
        self.wait_for_message("WATCHDOG=1")
        wait_for(lambda: self.health(control)[0] == 200, "ready again", 30)

    def received(self, control):
        return sum(side["frames"] for side in json.loads(http_get(control.port, "/api/v1/counters"))["received"].values())

    def test_without_control_the_policy_stays_in_force(self):
        self.dataplane("--before-policy", "drop")
        control = self.stage.control()
        wait_for(lambda: self.health(control)[0] == 200, "ready", 30)
        control.kill()
        self.manager.messages()
        self.wait_for_message("WATCHDOG=1")
        again = self.stage.control()
        wait_for(lambda: self.received(again) > 0, "counters read again", 30)
        counters = json.loads(http_get(again.port, "/api/v1/counters"))
        passed = sum(row["frames"] for row in counters["verdicts"] if row["verdict"] == "pass")
        self.assertGreater(passed, 0)

    def test_before_the_first_policy_it_is_open_or_closed_as_said(self):
        for verdict, other in (("pass", "drop"), ("drop", "pass")):
            with self.subTest(verdict):
                dataplane = self.dataplane("--before-policy", verdict)
                self.wait_for_message("READY=1")
                time.sleep(0.5)
                control = self.stage.control()
                wait_for(lambda: self.health(control)[0] == 200, "ready", 30)
                rows = json.loads(http_get(control.port, "/api/v1/counters"))["verdicts"]
                frames = {row["verdict"]: 0 for row in rows}
                for row in rows:
                    if row["reason"] == "no-policy":
                        frames[row["verdict"]] += row["frames"]
                self.assertGreater(frames.get(verdict, 0), 0)
                self.assertEqual(frames.get(other, 0), 0)
                control.end()
                dataplane.end()

    def test_the_heartbeat_ends_with_the_dataplane(self):
        dataplane = self.dataplane()
        control = self.stage.control()
        wait_for(lambda: self.health(control)[0] == 200, "ready", 30)
        dataplane.kill()
        wait_for(lambda: self.health(control)[0] == 503, "its death noticed", 10)
        self.assertTrue(self.health(control)[1]["live"])
        self.dataplane()
        wait_for(lambda: self.health(control)[0] == 200, "ready again, by itself", 30)


if __name__ == "__main__":
    unittest.main()
