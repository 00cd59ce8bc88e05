# SPDX-License-Identifier: Apache-2.0
"""The runtime socket: every command in both forms, and whatever a careless or hostile client can send."""

import json
import os
import socket
import stat

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]))
mesh.start_weftd()

def connect():
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(10)
    connection.connect(str(mesh.socket))
    return connection

def ask(data):
    """Sends it all, and reads to the end."""
    with connect() as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b"")).decode()

mode = os.stat(mesh.socket)
assert stat.S_IMODE(mode.st_mode) == 0o660 and mode.st_uid == 0, oct(mode.st_mode)

# Every command that help names works, as text and as JSON, through socat as through weftctl.
commands = [row["command"] for row in mesh.ctl("help")]
assert {command.split()[0] for command in commands} == {"show", "where", "trace", "capture", "access", "drain", "set", "fault", "pod", "nic", "get", "help"}
for subject in ("version", "workers", "ports", "services", "endpoints", "flows", "drops", "snapshot"):
    assert f"show {subject}" in [" ".join(command.split()[:2]) for command in commands]
    text = lab.run("bash", "-c", f"echo show {subject} | socat - UNIX-CONNECT:{mesh.socket}")
    assert text and not text.startswith("error"), text
    answer = ask(f"json show {subject}\n".encode())
    assert answer.count("\n") == 1 and isinstance(json.loads(answer), (dict, list)), answer
# Metrics are of Prometheus' format alone, and say what the tables say.
assert "Prometheus" in json.loads(ask(b"json show metrics\n"))["error"]
assert client.run("curl", "-sS", "-m", "5", "http://10.96.0.10/", check=False) is not None
metrics = mesh.metrics()
assert metrics["weft_build_info", (("version", mesh.ctl("show", "version")["version"]), ("node", mesh.ctl("show", "version")["node"]), ("registry", "files"))] == 1
for row in mesh.ctl("show", "drops")["workers"]:
    assert any(name == "weft_packets_total" and dict(labels)["verdict"] == row["name"] and dict(labels)["outcome"] == row["outcome"] for name, labels in metrics), row
received = sum(value for (name, _), value in metrics.items() if name == "weft_received_packets_total")
assert received > 0 and mesh.metric("weft_port_received_packets_total", port="pods") >= received
assert received + mesh.metric("weft_originated_packets_total") <= mesh.metric("weft_packets_total"), metrics
# As docs/operating.md has it: a scrape, by socat.
said = f"{lab.BUILD / 'weftctl'} --socket {mesh.socket} show metrics"
lab.run("ip", "link", "set", "lo", "up")
scraped = lab.Process(["socat", "TCP-LISTEN:9469,bind=127.0.0.1,reuseaddr,fork",
                       r"""SYSTEM:'printf "HTTP/1.0 200 OK\r\nContent-Type\: text/plain; version=0.0.4\r\n\r\n"; %s'""" % said], mesh.folder / "socat.log")
answer = lab.wait_until("it is scraped", lambda: lab.run("curl", "-sS", "-m", "10", "http://127.0.0.1:9469/metrics", check=False).startswith("# HELP") and
                        lab.run("curl", "-sSi", "-m", "10", "http://127.0.0.1:9469/metrics"), 30)
head, _, body = answer.replace("\r\n", "\n").partition("\n\n")
assert "Content-Type: text/plain; version=0.0.4" in head and lab.metrics.read(body), answer
print(len(body), "bytes of metrics")
scraped.stop()
worker, = mesh.ctl("show", "workers")
assert worker["flow_memory_bytes"] == 65536 * (96 + 160) and worker["burst_sizes"], worker
service, = mesh.ctl("show", "services")
assert service["memory_bytes"] >= 2 * 65537, service

assert mesh.ctl("set", "registry", "accept")["epoch"] == 1, "nothing was held"

# What weftctl itself is called with.
for arguments, message in ((["--frob"], "error: --frob is not known as an option"), (["--frob", "show", "version"], "error: --frob is not known as an option"),
                           ([], "command is required")):
    done = lab.subprocess.run([lab.BUILD / "weftctl", *arguments], capture_output=True, text=True)
    assert done.returncode == 64 and message in done.stdout + done.stderr, (arguments, done)

# Several commands in one go, with and without a last line's end.
assert len(ask(b"json show version\njson show version\n\njson show version").splitlines()) == 3

# Whatever else comes in is told what is wrong, and changes nothing.
for line, message in {
    b"": None,
    b"hello": 'unknown command "hello"',
    b"show": "unknown command",
    b"show everything": "unknown command",
    b"show version please": "takes no arguments",
    b"show services nowhere": 'no service "default/nowhere"',
    b"show flows limit 0": "expected a number from 1 to 10000",
    b"show flows limit": "usage: show flows",
    b"where": "usage: where",
    b"where tcp 10.1.0.1 10.96.0.10:80": "expected an address and port",
    b"where tcp 10.1.0.1:0 10.96.0.10:80": "expected an address and port",
    b"where icmp 10.1.0.1:1 10.96.0.10:80": "expected tcp or udp",
    b"set endpoint web/web state dance": "usage: set endpoint",
    b"set endpoint web/nobody state drain": "nobody",
    b"set endpoint nothing/web state drain": "nothing",
    b"pod attach netns ../../etc/passwd": "passwd",
    b"pod attach netns nowhere": "nowhere",
    b"pod attach interface lo": "lo",
    b"pod detach nobody": "nobody",
    b"pod detach netns nobody": "nobody",
    b"pod detach interface nobody": "nobody",
    b"pod detach somewhere nobody": "usage: pod detach",
    b"nic attach nowhere": "no interface nowhere",
    b"nic attach lo": "no Ethernet interface",
    b"nic attach weft0": "weft's own",
    b"nic attach": "usage: nic attach",
    b"nic detach nowhere": "no NIC `nowhere`",
    b"\xff\xfe\x00\x01": "unknown command",
    b"A" * 4000: "unknown command",
    b"A" * 100000: "error: a line has at most 4096 characters",
}.items():
    answer = ask(line + b"\n") if len(line) < 50000 else ask(line)
    assert (message is None and answer == "") or (answer.startswith("error: ") and message in answer), (line[:50], answer)
    if message and len(line) < 50000:
        assert "error" in json.loads(ask(b"json " + line + b"\n")), line
assert "only_itself" not in ask(b"where tcp 10.1.0.1:1 10.96.0.10:80\n")

# More clients than it keeps; clients that never read; clients that never end their line.
idle = [connect() for _ in range(200)]
deaf = connect()
deaf.setblocking(False)
try:
    while True:
        deaf.send(b"show drops\n" * 100)
except (BlockingIOError, BrokenPipeError, ConnectionResetError):
    pass
half = connect()
half.sendall(b"show ver")
assert mesh.ctl("show", "version")["node"] == "lab"

# weftctl: its own errors and exit codes.
def weftctl(*words):
    done = lab.subprocess.run([lab.BUILD / "weftctl", *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr
code, out, err = weftctl("--socket", mesh.folder / "nowhere", "show", "version")
assert code == 69 and out == "" and "cannot reach weftd" in err, (code, out, err)
code, out, err = weftctl("--socket", mesh.socket, "show", "nothing")
assert code == 1 and out == "" and err.startswith("error: unknown command"), (code, out, err)
assert weftctl()[0] != 0
