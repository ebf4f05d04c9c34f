"""Real servers of many protocols on ports that are not theirs, each in namespaces and with files of its own."""

import dataclasses
import shutil
from pathlib import Path

from netns import run
from network import QUIET_INTERFACE
from processes import Process

# Postfix cannot be installed beside Exim: tools/install_packages only unpacks it, to here. Not below /usr, which it is laid over.
PYTHON = "/usr/bin/python3"  # for which Debian packages its modules
POSTFIX = Path("/var/lib/portcullis-tests/postfix")


@dataclasses.dataclass(frozen=True)
class Ports:
    """Where who listens; nothing of it is a port that a rule of the policy names, or a port of mail submission."""

    exim, exim_lines, exim_tls, exim_inner = 2525, 3001, 3002, 3003
    postfix, postscreen, aiosmtpd = 3011, 3012, 3013
    samba, samba_inner, samba_session = 3101, 3102, 3139
    vsftpd, vsftpd_data, vsftpd_lines, vsftpd_lines_data = 3201, (3210, 3219), 3202, (3220, 3229)
    pyftpdlib, pyftpdlib_data = 3203, (3230, 3239)
    imap, imaps, pop3, lmtp = 3301, 3302, 3303, 3304
    http, https, ssh, irc, dns, git, iperf = 3401, 3402, 3403, 3404, 3405, 3406, 3407


EXIM = """
primary_hostname = {name}.example
spool_directory = {folder}
log_file_path = {folder}/%slog
pid_file_path = {folder}/pid
local_interfaces = <; 0.0.0.0 ; ::0
daemon_smtp_ports = <; {ports}
tls_on_connect_ports = {tls_port}
tls_advertise_hosts = *
tls_certificate = {certificate}
tls_privatekey = {key}
smtp_banner = ${{if eq{{$received_port}}{{{lines_port}}}{{{name}.example ESMTP\\nno unsolicited mail\\nyou are known to us}}{{{name}.example ESMTP Exim}}}}
# Clients may speak first, as bots do.
smtp_enforce_sync = false
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

POSTFIX_MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
mail_owner = postfix
setgid_group = postdrop
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
meta_directory = /etc/postfix
shlib_directory = /usr/lib/postfix
maillog_file = /dev/stdout
myhostname = postfix.example
mydestination =
local_recipient_maps =
alias_maps =
mynetworks = 0.0.0.0/0 [::]/0
smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination
defer_transports = smtp
inet_protocols = ipv4
smtpd_tls_security_level = may
smtpd_tls_cert_file = {certificate}
smtpd_tls_key_file = {key}
postscreen_greet_action = ignore
postscreen_greet_wait = 1s
postscreen_access_list =
postscreen_cache_map =
"""

POSTFIX_MASTER = """
{port} inet n - n - - smtpd
{screen_port} inet n - n - 1 postscreen
smtpd pass - - n - - smtpd
dnsblog unix - - n - 0 dnsblog
tlsproxy unix - - n - 0 tlsproxy
tlsmgr unix - - n 1000? 1 tlsmgr
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
proxywrite unix - - n - 1 proxymap
postlog unix-dgram n - n - 1 postlogd
"""

# In a mount namespace of its own, Postfix lies where it expects itself.
POSTFIX_START = """
mount -t overlay overlay -o lowerdir={tree}/usr:/usr /usr &&
mount -t overlay overlay -o lowerdir={folder}/etc:{tree}/etc:/etc /etc &&
exec postfix -c {folder}/conf start-fg
"""

SAMBA = """
[global]
netbios name = {name}
workgroup = BORDER
server role = standalone server
map to guest = Bad User
guest account = nobody
interfaces = {interface}
socket options = TCP_NODELAY
disable spoolss = yes
load printers = no
server min protocol = NT1
client min protocol = NT1
smb ports = {ports}
passdb backend = tdbsam
private dir = {folder}/private
lock directory = {folder}/lock
state directory = {folder}/state
cache directory = {folder}/cache
pid directory = {folder}/pid
ncalrpc dir = {folder}/ncalrpc
log file = {folder}/log.%m
[share]
path = {folder}/share
guest ok = yes
read only = yes
"""

VSFTPD = """
listen=YES
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={folder}
no_anon_password=YES
local_enable=NO
pasv_min_port={data[0]}
pasv_max_port={data[1]}
secure_chroot_dir={folder}/empty
ssl_enable=YES
allow_anon_ssl=YES
force_anon_logins_ssl=NO
force_anon_data_ssl=NO
require_ssl_reuse=NO
rsa_cert_file={certificate}
rsa_private_key_file={key}
seccomp_sandbox=NO
"""

DOVECOT = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap pop3 lmtp
listen = *
ssl = yes
ssl_cert = <{certificate}
ssl_key = <{key}
disable_plaintext_auth = no
mail_location = maildir:{folder}/mail/%u
first_valid_uid = 1
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid=mail gid=mail home={folder}/mail/%u allow_all_users=yes
}}
service imap-login {{
  inet_listener imap {{
    port = {imap}
  }}
  inet_listener imaps {{
    port = {imaps}
    ssl = yes
  }}
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {pop3}
  }}
  inet_listener pop3s {{
    port = 0
  }}
}}
service lmtp {{
  inet_listener lmtp {{
    port = {lmtp}
  }}
}}
"""

SSHD = """
Port {port}
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/client_key.pub
StrictModes no
UsePAM no
PermitRootLogin yes
PasswordAuthentication no
PidFile none
"""

NGIRCD = """
[Global]
Name = irc.example
Info = a server of a test
Listen = 0.0.0.0
Ports = {port}
ServerUID = nobody
ServerGID = nogroup
[Options]
DNS = no
Ident = no
PAM = no
"""

FILE_TEXT = "EHLO is what a mail client says first, and 220 what a mail server does.\n" * 40
SMB_USER, SMB_PASSWORD = "root", "of-this-share-only"  # any name that the system knows


class OddServers:
    """All of them, in `net` unless it is said otherwise. close() ends them."""

    def __init__(self, border, folder, cert):
        self._border, self._folder = border, folder
        self._cert = {"certificate": cert[0], "key": cert[1]}
        self.processes = []
        self.has_postfix = (POSTFIX / "usr/sbin/postfix").exists()
        try:
            self._start_all()
        except BaseException:
            self.close()
            raise

    def close(self):
        for process in self.processes:
            process.close()

    def _start_all(self):
        exim_ports = f"{Ports.exim} ; {Ports.exim_lines} ; {Ports.exim_tls}"
        self._exim("net", "exim", exim_ports, Ports.exim_lines, Ports.exim_tls)
        self._exim("sub", "inner-exim", Ports.exim_inner, 1, 1)
        if self.has_postfix:
            self._postfix()
        self._run("aiosmtpd", PYTHON, "-m", "aiosmtpd", "-n", "-c", "aiosmtpd.handlers.Sink", "-l", f"0.0.0.0:{Ports.aiosmtpd}")
        self.samba_config = self._samba("net", "outer", f"{Ports.samba} {Ports.samba_session}")
        self._samba("sub", "inner", Ports.samba_inner)
        self._ftp()
        self._dovecot()
        self._others()

    def _run(self, name, *words, namespace="net"):
        self.processes.append(Process(name, self._border.words(namespace, *words), self._folder))

    def _home(self, name, *parts):
        out = self._folder / name
        out.mkdir()
        for part in parts:
            (out / part).mkdir()
        return out

    def _write(self, folder, file, text, **values):
        out = folder / file
        out.write_text(text.format(folder=folder, **self._cert, **values))
        return out

    def _exim(self, namespace, name, ports, lines_port, tls_port):
        folder = self._home(name)
        shutil.chown(folder, "Debian-exim", "Debian-exim")
        config = self._folder / f"{name}.conf"
        config.write_text(EXIM.format(folder=folder, name=name, ports=ports, lines_port=lines_port, tls_port=tls_port, **self._cert))
        self._run(name, "/usr/sbin/exim4", "-C", config, "-bdf", namespace=namespace)

    def _postfix(self):
        folder = self._home("postfix", "etc", "conf", "queue", "data")
        user, group = 7001, 7002  # of nobody on this system, as long as nobody looks
        for name, lines in (
            ("passwd", f"postfix:x:{user}:{user}::/var/spool/postfix:/usr/sbin/nologin\n"),
            ("group", f"postfix:x:{user}:\npostdrop:x:{group}:\n"),
        ):
            (folder / "etc" / name).write_text(Path("/etc", name).read_text() + lines)
        shutil.chown(folder / "data", user)
        (folder / "conf" / "main.cf").write_text(POSTFIX_MAIN.format(folder=folder, **self._cert))
        (folder / "conf" / "master.cf").write_text(POSTFIX_MASTER.format(port=Ports.postfix, screen_port=Ports.postscreen))
        self._run("postfix", "sh", "-c", POSTFIX_START.format(tree=POSTFIX, folder=folder))

    def _samba(self, namespace, name, ports):
        folder = self._home(name, "private", "lock", "state", "cache", "pid", "ncalrpc", "share")
        (folder / "share" / "file.txt").write_text(FILE_TEXT)
        config = self._write(folder, "smb.conf", SAMBA, name=name, interface=QUIET_INTERFACE, ports=ports)
        run("sh", "-c", f"printf '%s\\n%s\\n' {SMB_PASSWORD} {SMB_PASSWORD} | smbpasswd -c {config} -s -a {SMB_USER}")
        self._run(
            f"{name}-smbd", "env", "TDB_NO_FSYNC=1", "/usr/sbin/smbd", "-F", "--no-process-group", "--debug-stdout", "-s", config, "-l", folder,
            namespace=namespace,
        )  # fmt: skip
        return config

    def _ftp(self):
        for name, port, data, more in (
            ("vsftpd", Ports.vsftpd, Ports.vsftpd_data, ""),
            ("vsftpd-lines", Ports.vsftpd_lines, Ports.vsftpd_lines_data, "banner_file={folder}/banner\n"),
        ):
            folder = self._home(name, "empty")
            (folder / "file.txt").write_text(FILE_TEXT)
            (folder / "banner").write_text("Welcome to files.example.\nMail to us goes elsewhere.\n")
            config = self._write(folder, "conf", VSFTPD + more, port=port, data=data)
            self._run(name, "/usr/sbin/vsftpd", config)
        folder = self._home("pyftpdlib")
        (folder / "file.txt").write_text(FILE_TEXT)
        data = "-".join(map(str, Ports.pyftpdlib_data))
        self._run("pyftpdlib", PYTHON, "-m", "pyftpdlib", "-i", "0.0.0.0", "-p", Ports.pyftpdlib, "-r", data, "-d", folder)

    def _dovecot(self):
        folder = self._home("dovecot", "mail", "state")
        shutil.chown(folder / "mail", "mail", "mail")
        config = self._write(folder, "conf", DOVECOT, imap=Ports.imap, imaps=Ports.imaps, pop3=Ports.pop3, lmtp=Ports.lmtp)
        self._run("dovecot", "/usr/sbin/dovecot", "-F", "-c", config)

    def _others(self):
        web = self._home("web")
        (web / "file.txt").write_text(FILE_TEXT)
        self._run("http", PYTHON, "-m", "http.server", "--directory", web, Ports.http)
        self._run("https", "env", "-C", web, "openssl", "s_server", "-accept", f"*:{Ports.https}", "-WWW", "-quiet", "-cert", self._cert["certificate"], "-key", self._cert["key"])
        ssh = self.ssh_folder = self._home("ssh")
        for key in ("host_key", "client_key"):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", ssh / key)
        config = self._write(ssh, "conf", SSHD, port=Ports.ssh)
        # It wants a folder below /run, and gets it where nobody else sees it.
        self._run("sshd", "sh", "-c", f"mount -t tmpfs tmpfs /run && mkdir -m 755 /run/sshd && exec /usr/sbin/sshd -D -e -f {config}")
        irc = self._home("ngircd")
        self._run("ngircd", "/usr/sbin/ngircd", "-n", "-f", self._write(irc, "conf", NGIRCD, port=Ports.irc))
        self._run(
            "dnsmasq", "/usr/sbin/dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts", "--no-daemon", "--user=root",
            f"--pid-file={self._folder}/dnsmasq.pid", f"--port={Ports.dns}", "--address=/www.border.example/203.0.113.80",
        )  # fmt: skip
        git = self._home("git")
        run("git", "init", "--quiet", "--bare", git / "empty.git")
        self._run("git", "git", "-c", "safe.directory=*", "daemon", "--export-all", f"--base-path={git}", f"--port={Ports.git}", "--reuseaddr")
        self._run("iperf3", "iperf3", "-s", "-p", Ports.iperf)

    def ports(self, namespace):
        """Those that must be bound before anybody calls."""
        inner = [Ports.exim_inner, Ports.samba_inner]
        if namespace == "sub":
            return inner
        absent = [] if self.has_postfix else [Ports.postfix, Ports.postscreen]
        listed = [value for name, value in vars(Ports).items() if isinstance(value, int) and not name.startswith("_")]
        return [port for port in listed if port not in inner + absent]
