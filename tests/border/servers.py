"""Real servers in the border's namespaces: Exim, Samba, dnsmasq, iperf3, OpenSSL. Each with files of its own."""

import os
import shutil
import socket
import subprocess
import threading
import time

from netns import inside, run
from network import BUSINESS, FAR4, FAR6, QUIET_INTERFACE, RESIDENTIAL, SMARTHOST4, SMARTHOST6
from processes import Process, wait_for

EXIM = """
primary_hostname = {name}
spool_directory = {spool}
log_file_path = {spool}/%slog
pid_file_path = {spool}/pid
local_interfaces = {interfaces}
daemon_smtp_ports = 25 : 587 : 465
tls_on_connect_ports = 465
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
queue_only = true
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = accept_all
acl_smtp_data = accept_all
begin acl
accept_all:
  accept
begin routers
begin transports
"""

SAMBA = """
[global]
netbios name = {name}
workgroup = BORDER
server role = standalone server
map to guest = Bad User
guest account = nobody
# What nmbd tells everybody, it tells a network where nobody is: tests count what crosses the filter.
interfaces = {interface}
socket options = TCP_NODELAY
disable spoolss = yes
load printers = no
server min protocol = SMB2
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
# Else all nmbd of a machine have one place for it, and of two that start at once one ends.
nmbd:socket dir = {folder}/nmbd
log file = {folder}/log.%m
local master = no
[share]
path = {folder}/share
guest ok = yes
read only = yes
"""

ZONE_ADDRESS = "203.0.113.80"
LONG_TEXT = "x" * 250
BIG_FILE_BYTES = 8 << 20


def certificate(folder):
    """(certificate, key) for every name that the tests use."""
    names = ",".join(
        [f"IP:{address}" for address in (RESIDENTIAL.foreign4, RESIDENTIAL.foreign6, BUSINESS.foreign4, BUSINESS.foreign6, SMARTHOST4, SMARTHOST6, FAR4, FAR6)]
        + ["DNS:border.example"]
    )
    out = folder / "certificate.pem", folder / "key.pem"
    run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
        "-subj", "/CN=border.example", "-addext", f"subjectAltName={names}", "-out", out[0], "-keyout", out[1],
    )  # fmt: skip
    for path in out:
        path.chmod(0o644)  # a key for nobody but this test
    return out


class MailServer:
    """An Exim that keeps in its queue whatever it is given."""

    def __init__(self, border, folder, name, addresses, cert):
        self._spool = folder / name
        self._spool.mkdir()
        shutil.chown(self._spool, "Debian-exim", "Debian-exim")
        config = folder / f"{name}.conf"
        # Exim's lists are parted by semicolons where colons are part of addresses.
        config.write_text(
            EXIM.format(name=f"{name}.example", spool=self._spool, interfaces="<; " + " ; ".join(addresses), certificate=cert[0], key=cert[1])
        )
        self.process = Process(name, border.words("net", "/usr/sbin/exim4", "-C", config, "-bdf"), folder)

    def close(self):
        self.process.close()

    def has(self, token):
        """Whether a message with this text has arrived."""
        return any(token in path.read_text(errors="replace") for path in self._spool.glob("input/**/*-D"))

    def connections(self):
        """What the log says of addresses that spoke to it."""
        log = self._spool / "mainlog"
        return log.read_text(errors="replace") if log.exists() else ""


class Samba:
    """smbd and nmbd with a share that anybody may read, which holds one file."""

    CONTENT = "what is on the share\n"

    def __init__(self, border, namespace, folder, name):
        self._folder = folder / name
        for part in ("private", "lock", "state", "cache", "pid", "ncalrpc", "nmbd", "share"):
            (self._folder / part).mkdir(parents=True)
        (self._folder / "share" / "file.txt").write_text(self.CONTENT)
        self.config = self._folder / "smb.conf"
        self.config.write_text(SAMBA.format(name=name, folder=self._folder, interface=QUIET_INTERFACE))
        # In one PID namespace: they know each other's files by PID. One after the other, for both make the same files at first.
        nmbd, smbd = (
            f"/usr/sbin/{program} -F --no-process-group --debug-stdout -s {self.config} -l {self._folder}" for program in ("nmbd", "smbd")
        )
        nmbd_is_there = f"[ -e {self._folder}/pid/nmbd.pid ]"
        both = f"{nmbd} & for try in $(seq 100); do {nmbd_is_there} && break; sleep 0.1; done; {smbd}"
        self._process = Process(name, border.words(namespace, "env", "TDB_NO_FSYNC=1", "sh", "-c", both), folder)

    def log(self):
        return self._process.log()

    def close(self):
        self._process.close()


class Echo:
    """Sends every datagram back to whom it came from, in a thread of this process."""

    PORT = 4007

    def __init__(self, border, namespace, addresses):
        self._sockets = []
        with inside(border[namespace]):
            for address in addresses:
                one = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
                one.bind((address, self.PORT))
                one.settimeout(0.2)
                self._sockets.append(one)
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._serve, args=(one,), daemon=True) for one in self._sockets]
        for thread in self._threads:
            thread.start()

    def _serve(self, one):
        while not self._stop.is_set():
            try:
                data, peer = one.recvfrom(65535)
                one.sendto(data, peer)
            except TimeoutError:
                continue
            except OSError:
                continue  # an ICMP error about an earlier datagram

    def close(self):
        self._stop.set()
        for thread in self._threads:
            thread.join()
        for one in self._sockets:
            one.close()


def name_server(border, folder):
    """dnsmasq: names, and addresses for who asks by DHCP."""
    return Process(
        "dnsmasq",
        border.words(
            "net", "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon",
            "--user=root", "--group=root", f"--pid-file={folder}/dnsmasq.pid", "--local=/example/", "--bind-interfaces",
            f"--listen-address={RESIDENTIAL.foreign4},{RESIDENTIAL.foreign6},100.64.0.1",
            f"--address=/www.border.example/{ZONE_ADDRESS}",
            *(f"--txt-record=long.border.example,{LONG_TEXT}{n}" for n in range(12)),
            "--dhcp-range=100.64.0.100,100.64.0.200,255.255.255.0,1h", f"--dhcp-leasefile={folder}/leases",
            "--dhcp-authoritative", "--interface=n0",
        ),
        folder,
    )  # fmt: skip


def web_server(border, folder, namespace, cert):
    """OpenSSL's: serves the files of the folder over HTTPS, v4 and v6."""
    content = folder / "www"
    content.mkdir(exist_ok=True)
    big = content / "big"
    if not big.exists():
        big.write_bytes(os.urandom(BIG_FILE_BYTES))
    command = border.words(namespace, "openssl", "s_server", "-accept", "*:443", "-WWW", "-quiet", "-cert", cert[0], "-key", cert[1])
    return Process(f"https-{namespace}", ["env", "-C", content, *command], folder), big


def iperf_server(border, folder, address):
    """Bound: over UDP it would else answer from another address than it was asked at."""
    return Process("iperf3", border.words("net", "iperf3", "-s", "-p", "5201", "-B", address), folder)


def wait_until_listening(border, folder, namespace, *ports, seconds=60):
    """Until each of the TCP ports is bound by somebody; else what the servers have to say."""

    def missing():
        shown = border.run(namespace, "ss", "-Htln")
        return [port for port in ports if f":{port} " not in shown]

    try:
        wait_for(lambda: not missing(), "listening servers", seconds)
    except AssertionError as error:
        logs = "\n".join(f"{path.name}: {path.read_text(errors='replace')[-1500:]}" for path in sorted(folder.glob("*.log")))
        raise AssertionError(f"{error}: nobody listens at {missing()}\n{logs}") from error
