"""Real clients: swaks, smbclient, nmblookup, curl, dig, iperf3, ping, udhcpc. Each says whether it got through."""

import json
import socket
import subprocess
import time

from netns import inside

SECONDS = 6  # until a client of something blocked gives up


def attempt(border, namespace, *command, seconds=30):
    """(exit status, output); a client that is killed at the end of its time has status 124."""
    words = ["timeout", "--kill-after=2", str(seconds), *map(str, command)]
    done = subprocess.run(
        ["ip", "netns", "exec", border[namespace], *words],
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=seconds + 30,
    )  # fmt: skip
    return done.returncode, done.stdout.decode(errors="replace")


def send_mail(border, server, port, token, cert, seconds=30):
    """A message with `token`: in the clear on 25, by STARTTLS on 587, by TLS on 465, the certificate verified."""
    tls = {25: [], 587: ["-tls", "--tls-verify", "--tls-ca-path", cert], 465: ["--tls-on-connect", "--tls-verify", "--tls-ca-path", cert]}[port]
    return attempt(
        border, "sub", "swaks", "--server", server, "--port", port, "--protocol", "ESMTP", "-6" if ":" in server else "-4",
        "--helo", "customer.example", "--from", "customer@customer.example", "--to", "somebody@border.example",
        "--timeout", str(min(seconds, 20)), "--body", token, *tls,
        seconds=seconds,
    )  # fmt: skip


def read_share(border, namespace, samba, server, port=445, seconds=30):
    """The file of a share: (whether it came whole, output)."""
    status, text = attempt(
        border, namespace, "smbclient", "-N", "-s", samba.config, "-p", port, "-t", "20", "-I", server,
        f"//{server if ':' not in server else 'server'}/share", "-c", "get file.txt -",
        seconds=seconds,
    )  # fmt: skip
    return status == 0 and samba.CONTENT in text, text


def look_up_name(border, namespace, samba, server, name, seconds=30):
    """NetBIOS' name service, UDP 137: (whether the server answered, output). It asks three times: datagrams get lost, and
    a server that has just started takes some seconds until it answers to its name; of its status it always tells."""
    deadline = time.monotonic() + seconds
    said = ""
    for _ in range(3):
        for question in (("-U", server, name), ("-A", server)):
            left = max(1, deadline - time.monotonic())
            status, text = attempt(border, namespace, "nmblookup", "-s", samba.config, *question, seconds=left)
            said += text
            if status == 0 and "<00>" in text:
                return True, said
    return False, f"{said}The server's log:\n{samba.log()}"


def fetch(border, server, name, cert, seconds=60):
    """SHA-256 of what https://server/name gives, or what curl says."""
    host = f"[{server}]" if ":" in server else server
    return attempt(
        border, "sub", "sh", "-c", f"curl --silent --show-error --fail --http1.0 --cacert {cert} https://{host}/{name} | sha256sum", seconds=seconds
    )  # fmt: skip


def iperf(border, server, *more, seconds=60):
    """iperf3's own result. Its server takes one client at a time, and is not ready for the next at once."""
    deadline = time.monotonic() + seconds
    while True:
        status, text = attempt(border, "sub", "iperf3", "-c", server, "-p", "5201", "-J", "--connect-timeout", "20000", *more, seconds=seconds)
        result = json.loads(text)
        if status == 0 and "error" not in result:
            return result
        not_ready = "unable to connect" in text or "busy running a test" in text
        assert not_ready and time.monotonic() < deadline, text


def echo(border, namespace, source, server, port, datagrams, seconds=10):
    """Those of `datagrams` that come back as they were sent."""
    out = []
    with inside(border[namespace]):
        one = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    with one:
        one.bind((source, 0))
        one.settimeout(seconds)
        one.connect((server, port))
        for data in datagrams:
            one.send(data)
            try:
                if one.recv(65535) == data:
                    out.append(data)
            except (TimeoutError, ConnectionError):
                pass
    return out


def error_of_datagram(border, namespace, server, port, seconds=20):
    """The errno that a client is told of a datagram to where it may not send."""
    with inside(border[namespace]):
        one = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    with one:
        one.settimeout(seconds)
        one.connect((server, port))
        one.send(b"who are you")
        try:
            return f"answered: {one.recv(100)}"
        except TimeoutError:
            return "nothing"
        except OSError as error:
            return error.errno


def send_datagrams(border, namespace, source, server, port, count):
    """As fast as the socket takes them, whatever is answered."""
    with inside(border[namespace]):
        one = socket.socket(socket.AF_INET6 if ":" in server else socket.AF_INET, socket.SOCK_DGRAM)
    with one:
        one.bind((source, 0))
        for number in range(count):
            one.sendto(b"who are you", (server, port))  # unconnected: no answer is an error of the next one
            if number % 50 == 49:
                time.sleep(0.01)  # so that no queue between here and the filter overflows
