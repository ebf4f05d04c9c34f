"""Real sessions on odd ports: who speaks to whom, and which signature must find it. Each function is one session, and
raises unless it was served."""

import dataclasses
from collections.abc import Callable

import clients
from network import RESIDENTIAL
from odd_servers import FILE_TEXT, SMB_PASSWORD, SMB_USER, Ports

SMTP, SMB, SESSION = "smtp-anywhere", "smb-anywhere", "session-anywhere"
OUTER4, OUTER6, INNER4 = RESIDENTIAL.foreign4, RESIDENTIAL.foreign6, RESIDENTIAL.near4


@dataclasses.dataclass(frozen=True)
class Sessions:
    protocol: str
    made_by: str  # server and client
    run: Callable
    rules: tuple[str, ...] = ()  # any of these must find it; none: it must not be found
    postfix: bool = False  # needs Postfix


def served(attempted, text=""):
    status, said = attempted
    assert status == 0 and text in said, f"status {status}: {said[-2000:]}"


def swaks(port, *more, server=OUTER4, namespace="sub"):
    def session(world):
        served(clients.attempt(
            world.border, namespace, "swaks", "--server", server, "--port", port, "-6" if ":" in server else "-4", "--helo", "customer.example",
            "--from", "customer@customer.example", "--to", "somebody@border.example", "--timeout", 20, *more,
        ))  # fmt: skip

    return session


# What a bot sends: everything at once, and nothing of the answers matters to it but that the last one is 250.
ALL_AT_ONCE = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as one:
    one.sendall(b"EHLO bot.example\\r\\nMAIL FROM:<a@bot.example>\\r\\nRCPT TO:<b@border.example>\\r\\nDATA\\r\\n")
    heard = b""
    def wait_for(code):
        global heard
        while code not in heard:
            try:
                heard += one.recv(4096) or sys.exit("closed: " + heard.decode())
            except TimeoutError:
                sys.exit("heard only: " + heard.decode())
    wait_for(b"354 ")
    one.sendall(b"Subject: all at once\\r\\n\\r\\nx\\r\\n.\\r\\nQUIT\\r\\n")
    wait_for(b"221 ")
"""

SMTPLIB = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20) as one:
    one.sendmail("a@customer.example", ["b@border.example"], "Subject: hello\\r\\n\\r\\nx\\r\\n")
"""

FROM_PORT = """
import smtplib, sys
with smtplib.SMTP(sys.argv[1], int(sys.argv[2]), timeout=20, source_address=("", int(sys.argv[3]))) as one:
    one.sendmail("a@customer.example", ["b@border.example"], "Subject: hello\\r\\n\\r\\nx\\r\\n")
"""

IRC = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), 20) as one:
    one.sendall(b"NICK customer\\r\\nUSER customer 0 * :a customer\\r\\n")
    heard = b""
    while b" 001 " not in heard:
        heard += one.recv(4096) or sys.exit("closed: " + heard.decode())
    one.sendall(b"QUIT :bye\\r\\n")
    while one.recv(4096):  # the name is taken until the server closes
        pass
"""


def python(code, port, *more):
    return lambda world: served(clients.attempt(world.border, "sub", "python3", "-c", code, OUTER4, port, *more))


def curl(url, *more, text=""):
    return lambda world: served(clients.attempt(world.border, "sub", "curl", "--silent", "--show-error", "--max-time", 20, *more, url), text)


def upload(url, option, *more):
    """Curl sends a letter, the way `option` says."""

    def session(world):
        letter = world.folder / "letter.txt"
        letter.write_text("MAIL FROM:<a@customer.example>\r\n" + FILE_TEXT)
        served(clients.attempt(world.border, "sub", "curl", "--silent", "--show-error", "--max-time", 20, *more, option, letter, url))

    return session


def smbclient(port, *more, server=OUTER4, namespace="sub"):
    def session(world):
        name = server if ":" not in server else "server"
        served(
            clients.attempt(
                world.border, namespace, "smbclient", "-s", world.servers.samba_config, "-p", port, "-t", 20, "-I", server, f"//{name}/share",
                "-c", "get file.txt -", *more,
            ),
            FILE_TEXT[:60],
        )  # fmt: skip

    return session


def guest(port, least, most, **where):
    return smbclient(port, "-N", f"--option=client min protocol={least}", f"--option=client max protocol={most}", **where)


def netbios_session(world):
    """A client opens a NetBIOS session on port 139 only: the customer's kernel sends it elsewhere."""
    table = f"table ip odd {{ chain out {{ type nat hook output priority -100; ip daddr {OUTER4} tcp dport 139 dnat to {OUTER4}:{Ports.samba_session}; }}; }}"
    world.border.run("sub", "nft", table)
    try:
        guest(139, "NT1", "NT1")(world)
    finally:
        world.border.run("sub", "nft", "delete", "table", "ip", "odd")


def ssh(world):
    served(
        clients.attempt(
            world.border, "sub", "ssh", "-F", "none", "-i", world.servers.ssh_folder / "client_key", "-p", Ports.ssh, "-o", "StrictHostKeyChecking=no",
            "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", f"root@{OUTER4}", "echo", "served",
        ),
        "served",
    )  # fmt: skip


def command(*words, text=""):
    return lambda world: served(clients.attempt(world.border, "sub", *words), text)


ENCRYPTED = ("-U", f"{SMB_USER}%{SMB_PASSWORD}", "--client-protection=encrypt", "--option=client min protocol=SMB3")

# In the clear, on ports that no rule names.
FOUND = (
    Sessions("SMTP", "Exim, swaks", swaks(Ports.exim), (SMTP,)),
    Sessions("SMTP", "Exim, swaks, IPv6", swaks(Ports.exim, server=OUTER6), (SMTP,)),
    Sessions("SMTP", "Exim, swaks with HELO", swaks(Ports.exim, "--protocol", "SMTP"), (SMTP,)),
    Sessions("SMTP", "Exim, swaks with STARTTLS", swaks(Ports.exim, "-tls"), (SMTP,)),
    Sessions("SMTP", "Exim, swaks with pipelining", swaks(Ports.exim, "--pipeline"), (SMTP,)),
    Sessions("SMTP", "Exim that greets with three lines, swaks", swaks(Ports.exim_lines), (SMTP,)),
    Sessions("SMTP", "Exim, a client that says all at once", python(ALL_AT_ONCE, Ports.exim), (SMTP,)),
    Sessions("SMTP", "Exim, smtplib", python(SMTPLIB, Ports.exim), (SMTP,)),
    Sessions("SMTP", "Exim, curl", upload(f"smtp://{OUTER4}:{Ports.exim}", "--upload-file", "--mail-from", "a@customer.example", "--mail-rcpt", "b@border.example"), (SMTP,)),
    Sessions("SMTP", "the subscriber's Exim, swaks", swaks(Ports.exim_inner, server=INNER4, namespace="net"), (SMTP,)),
    Sessions("SMTP", "Postfix, swaks", swaks(Ports.postfix), (SMTP,), postfix=True),
    Sessions("SMTP", "Postfix, swaks with STARTTLS", swaks(Ports.postfix, "-tls"), (SMTP,), postfix=True),
    Sessions("SMTP", "Postfix, swaks with pipelining", swaks(Ports.postfix, "--pipeline"), (SMTP,), postfix=True),
    Sessions("SMTP", "postscreen, which greets twice, swaks", swaks(Ports.postscreen), (SMTP,), postfix=True),
    Sessions("SMTP", "aiosmtpd, smtplib", python(SMTPLIB, Ports.aiosmtpd), (SMTP,)),
    Sessions("SMB", "Samba, smbclient, SMB 1", guest(Ports.samba, "NT1", "NT1"), (SMB,)),
    Sessions("SMB", "Samba, smbclient, from SMB 1 on", guest(Ports.samba, "NT1", "SMB3"), (SMB,)),
    Sessions("SMB", "Samba, smbclient, SMB 2", guest(Ports.samba, "SMB2_02", "SMB2_10"), (SMB,)),
    Sessions("SMB", "Samba, smbclient, SMB 3", guest(Ports.samba, "SMB3_11", "SMB3_11"), (SMB,)),
    Sessions("SMB", "Samba, smbclient, SMB 3, IPv6", guest(Ports.samba, "SMB3_11", "SMB3_11", server=OUTER6), (SMB,)),
    Sessions("SMB", "Samba, smbclient, SMB 3 encrypted", smbclient(Ports.samba, *ENCRYPTED), (SMB,)),
    Sessions("SMB", "the subscriber's Samba, smbclient", guest(Ports.samba_inner, "SMB2_02", "SMB3", server=INNER4, namespace="net"), (SMB,)),
    Sessions("NetBIOS session", "Samba, smbclient", netbios_session, (SESSION, SMB)),
)

# They greet like a mail server, carry mail, or look a little like SMB; or cannot be seen through.
NOT_FOUND = (
    Sessions("FTP", "vsftpd, curl", curl(f"ftp://{OUTER4}:{Ports.vsftpd}/file.txt", text=FILE_TEXT)),
    Sessions("FTP", "vsftpd that greets with lines, curl", curl(f"ftp://{OUTER4}:{Ports.vsftpd_lines}/file.txt", text=FILE_TEXT)),
    Sessions("FTP", "vsftpd, curl with AUTH TLS", curl(f"ftp://{OUTER4}:{Ports.vsftpd}/file.txt", "--ssl-reqd", "--insecure", text=FILE_TEXT)),
    Sessions("FTP", "pyftpdlib, curl", curl(f"ftp://{OUTER4}:{Ports.pyftpdlib}/file.txt", text=FILE_TEXT)),
    Sessions("LMTP", "Dovecot, swaks", swaks(Ports.lmtp, "--protocol", "LMTP")),
    Sessions("IMAP", "Dovecot, curl", curl(f"imap://{OUTER4}:{Ports.imap}/INBOX?ALL", "--user", "customer:x", text="* SEARCH")),
    Sessions("IMAP", "Dovecot, curl with STARTTLS", curl(f"imap://{OUTER4}:{Ports.imap}/INBOX?ALL", "--user", "customer:x", "--ssl-reqd", "--insecure", text="* SEARCH")),
    Sessions("POP3", "Dovecot, curl", curl(f"pop3://{OUTER4}:{Ports.pop3}/", "--user", "customer:x")),
    Sessions("HTTP", "http.server, curl", curl(f"http://{OUTER4}:{Ports.http}/file.txt", text=FILE_TEXT)),
    Sessions("HTTP", "http.server, curl that posts a mail", upload(f"http://{OUTER4}:{Ports.http}/", "--upload-file")),
    Sessions("SSH", "OpenSSH", ssh),
    Sessions("IRC", "ngIRCd, a script", python(IRC, Ports.irc)),
    Sessions("DNS over TCP", "dnsmasq, dig", command("dig", "+tcp", "+short", "-p", Ports.dns, f"@{OUTER4}", "www.border.example", text="203.0.113.80")),
    Sessions("git", "git daemon, git", command("git", "ls-remote", f"git://{OUTER4}:{Ports.git}/empty.git")),
    Sessions("iperf3", "iperf3", command("iperf3", "-c", OUTER4, "-p", Ports.iperf, "-n", "200K")),
    Sessions("TLS", "OpenSSL, curl", curl(f"https://{OUTER4}:{Ports.https}/file.txt", "--insecure", "--http1.0", text=FILE_TEXT)),
    Sessions("IMAP in TLS", "Dovecot, curl", curl(f"imaps://{OUTER4}:{Ports.imaps}/INBOX?ALL", "--user", "customer:x", "--insecure", text="* SEARCH")),
    Sessions("SMTP in TLS", "Exim, swaks", swaks(Ports.exim_tls, "--tls-on-connect")),
)
