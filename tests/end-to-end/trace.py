# SPDX-License-Identifier: Apache-2.0
"""`trace` and `capture` on a node at work: what they tell of real connections, and careless and hostile clients."""

import json
import os
import socket
import stat
import subprocess

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [web]),
         mesh.service("nobody", "10.96.0.20"), mesh.slice("nobody", []))
captures = mesh.folder / "captures"
mesh.configure(workers={"cores": [0, 1]}, memory={"megabytes": 128, "buffers": 8192}, captures={"folder": str(captures)})
mesh.start_weftd()


class Asked:
    """A client whose answer goes on. It has begun once this is made."""

    def __init__(self, line):
        self.connection = socket.socket(socket.AF_UNIX)
        self.connection.settimeout(30)
        self.connection.connect(str(mesh.socket))
        self.lines = self.connection.makefile("rb")
        self.connection.sendall(line.encode() + b"\n")
        self.first = self.lines.readline().decode()

    def rest(self):
        self.connection.shutdown(socket.SHUT_WR)  # as weftctl and socat do: the answer goes on
        return self.lines.read().decode()

    def data(self):
        return [json.loads(line) for line in self.rest().splitlines()]

    def close(self):
        self.lines.close()
        self.connection.close()


def weftctl(*words):
    done = subprocess.run([lab.BUILD / "weftctl", "--socket", mesh.socket, *words], capture_output=True, text=True)
    return done.returncode, done.stdout, done.stderr


def curl(*arguments, **options):
    return client.run("curl", "-sS", "-m", "5", *arguments, **options)


# A connection's first packet.
asked = Asked("trace 1 for 30s dst host 10.96.0.10 and tcp[tcpflags] == tcp-syn")
assert asked.first == "tracing 1 packet, for 30 s at most\n", asked.first
curl("--local-port", "40001", "http://10.96.0.10/")
text = asked.rest()
assert "received  IPv4 tcp 10.1.0.1:40001 > 10.96.0.10:80 SYN, ttl 6" in text, text
assert "from port pods" in text and "made request, nat, opening: " in text, text
assert "at 10.1.0.10:8080 (default/web/web); hash " in text, text
assert "rule    consistent hash, service default/web\n" in text, text
assert "verdict transmitted, request: translated, to its endpoint" in text, text
assert "sent      IPv4 tcp 10.1.0.1:40001 > 10.1.0.10:8080 SYN, ttl 6" in text, text
assert text.endswith("\n1 packet\n"), text

# A whole connection as data, in the order of time; the filter sees packets before and after.
asked = Asked("json trace 1000 for 2 tcp and host 10.96.0.10 and port 40002")
assert json.loads(asked.first) == {"tracing": 1000, "seconds": 2}
curl("--local-port", "40002", "http://10.96.0.10/")
*packets, last = asked.data()
assert last == {"packets": len(packets), "ended_by": "time"} and len(packets) >= 8, last
assert [packet["packet"] for packet in packets] == list(range(1, len(packets) + 1))
assert [packet["time"] for packet in packets] == sorted(packet["time"] for packet in packets)
stages = [packet["stages"][-1] for packet in packets]
assert [stage["flow"]["found"] for stage in stages] == ["made"] + ["known"] * (len(packets) - 1), stages
assert {stage["verdict"] for stage in stages} == {"request", "reply"}, stages
assert packets[0]["received"]["flags"] == "SYN" and packets[1]["received"]["flags"] == "SYN,ACK", packets[:2]
assert {stage["flow"]["endpoint_name"] for stage in stages} == {"default/web/web"}

# A refusal says why, and what was answered.
asked = Asked("json trace 1 for 30 dst host 10.96.0.20")
curl("http://10.96.0.20/", check=False)
stage, = asked.data()[0]["stages"]
assert stage["verdict"] == "refused_no_endpoint" and stage["rule"] == "no ready endpoint", stage
assert stage["service"] == "default/nobody" and "RST" in stage["sent"]["flags"], stage

# Capture: what came and what went, read back by tcpdump; a name is used once.
asked = Asked("capture web.pcap for 60 tcp and host 10.1.0.1 and (port 40003)")
assert asked.first == f"capturing to {captures}/web.pcap\n", asked.first
curl("--local-port", "40003", "http://10.96.0.10/")
assert mesh.ctl("capture", "stop") == {"stopped": 1}
report = asked.rest()
assert report.endswith("ended by stopped\n") and ", 0 missed, " in report, report
mode = os.stat(captures / "web.pcap")
assert stat.S_IMODE(mode.st_mode) == 0o600 and stat.S_IMODE(os.stat(captures).st_mode) == 0o700
lines = lab.run("tcpdump", "-nn", "--nano", "-r", captures / "web.pcap").splitlines()
lines = [line for line in lines if " IP " in line]
assert report.startswith(f"{len(lines)} captured, "), (report, lines)
for part in ("10.1.0.1.40003 > 10.96.0.10.80: Flags [S]", "10.1.0.1.40003 > 10.1.0.10.8080: Flags [S]",
             "10.1.0.10.8080 > 10.1.0.1.40003: Flags [S.]", "10.96.0.10.80 > 10.1.0.1.40003: Flags [S.]"):
    assert sum(part in line for line in lines) == 1, (part, lines)
assert lab.run("tcpdump", "-nn", "-r", captures / "web.pcap", "-vv").count("incorrect") == 0, "checksums"

# One way only, so many packets, so many bytes of each.
asked = Asked("json capture out.pcap out packets 3 snap 60 tcp src port 40004")
assert json.loads(asked.first) == {"file": f"{captures}/out.pcap"}
curl("--local-port", "40004", "http://10.96.0.10/")
last, = asked.data()
assert last["packets"] == 3 and last["ended_by"] == "packets" and last["missed"] == 0, last
lines = [line for line in lab.run("tcpdump", "-nn", "-r", captures / "out.pcap").splitlines() if " IP " in line]
assert len(lines) == 3 and all("10.1.0.1.40004 > 10.1.0.10.8080" in line for line in lines), lines
assert last["bytes"] == os.path.getsize(captures / "out.pcap") == 24 + 3 * (16 + 60), last
assert json.loads(weftctl("--json", "capture", "time.pcap", "for", "1", "port", "9")[1].splitlines()[-1])["ended_by"] == "time"

# What is wrong is said, and leaves no file and no watcher behind.
before = sorted(os.listdir(captures))
os.symlink("/etc/passwd", captures / "link")
for words, message in {
    ("trace",): "usage: trace <packets>",
    ("trace", "0"): "expected a number of packets from 1 to 1000",
    ("trace", "1001"): "expected a number of packets from 1 to 1000",
    ("trace", "many"): 'got "many"',
    ("trace", "1", "for", "0"): "for: expected a number from 1 to 3600",
    ("trace", "1", "for"): "for: expected a number from 1 to 3600",
    ("trace", "1", "tcp", "port"): "filter: can't parse filter expression: syntax error",
    ("trace", "1", "host", "example.com"): "names are not looked up",
    ("trace", "1", "\xff\x01;$(reboot)"): "filter: ",
    ("trace", "1", "(" * 3000): "filter: ",
    ("capture",): "usage: capture <file>",
    ("capture", "/etc/weft.pcap"): "expected a file's name",
    ("capture", "../x.pcap"): "expected a file's name",
    ("capture", "web.pcap"): f"cannot create {captures}/web.pcap: File exists",
    ("capture", "link"): f"cannot create {captures}/link: File exists",
    ("capture", "x.pcap", "in", "out"): "in and out exclude each other",
    ("capture", "x.pcap", "packets", "0"): "packets: expected a number from 1",
    ("capture", "x.pcap", "snap", "9000"): "snap: expected a number from 14 to 2048",
    ("capture", "x.pcap", "nonsense"): "names are not looked up",
    ("capture", "stop", "it"): '"capture stop" takes no arguments',
}.items():
    code, out, err = weftctl(*words)
    assert code == 1 and out == "" and err.startswith("error: ") and message in err, (words, code, out, err)
os.remove(captures / "link")
assert sorted(os.listdir(captures)) == before

# A disk that is full ends a capture and nothing else.
lab.run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", captures)
asked = Asked("json capture full.pcap tcp")
client.run("curl", "-sS", "-m", "30", "-o", "/dev/null", "-H", "Connection: close", "http://10.96.0.10/?[1-100]")
last, = asked.data()
assert last["ended_by"] == "error" and "No space left on device" in last["error"], last
lab.run("umount", captures)
os.chmod(captures, 0o700)
lab.run("mount", "-t", "tmpfs", "-o", "ro", "tmpfs", captures)
assert "Read-only file system" in weftctl("capture", "ro.pcap")[2]
lab.run("umount", captures)

# More than a few at a time are refused; those that run go on, each for itself.
running = [Asked(f"json capture many{i}.pcap for 3600 port 9") for i in range(4)]
assert "4 run already" in weftctl("capture", "fifth.pcap")[2] and not (captures / "fifth.pcap").exists()
traces = [Asked("json trace 1000 for 3600 port 9") for _ in range(3)] + [Asked("json trace 1 for 60 port 40005")]
assert "4 run already" in weftctl("trace", "1")[2]
curl("--local-port", "40005", "http://10.96.0.10/")
assert traces[3].data()[-1] == {"packets": 1, "ended_by": "packets"}

# Clients that leave in the middle take their observers with them, and nobody else's.
for asked in traces[:3] + running[:2]:
    asked.close()
def accepted(line):
    asked = Asked(line)
    if asked.first.startswith('{"tracing"'):
        return asked
    asked.close()
    return None
again = [lab.wait_until("there is room for four again", lambda: accepted("json trace 1 for 60 port 40006")) for _ in range(4)]
curl("--local-port", "40006", "http://10.96.0.10/")
assert [asked.data()[-1]["packets"] for asked in again] == [1] * 4
lab.wait_until("the captures of those that left are over", lambda: weftctl("capture", "in.pcap", "for", "1", "port", "9")[0] == 0)
assert mesh.ctl("capture", "stop") == {"stopped": 2}
assert [asked.data()[-1]["ended_by"] for asked in running[2:]] == ["stopped", "stopped"]

# A client that sends on while its trace runs is answered in order; one that never reads, or fills its line, holds up nobody.
asked = Asked("trace 1 for 60 port 40007\njson show version")
deaf = Asked("trace 1000 for 3600")
flooding = Asked("trace 1 for 3600 port 9")
flooding.connection.settimeout(0.5)
try:
    while True:
        flooding.connection.send(b"show drops\n" * 1000)
except TimeoutError:
    pass
client.run("curl", "-sS", "-m", "30", "-o", "/dev/null", "-H", "Connection: close", "http://10.96.0.10/?[1-200]")
curl("--local-port", "40007", "http://10.96.0.10/")
answer = asked.rest()
assert "1 packet\n{" in answer and json.loads(answer.splitlines()[-1])["node"] == "lab", answer
deaf.close()
flooding.close()

# weftd ends while somebody looks on.
asked = Asked("trace 1000 for 3600 port 9")
capturing = Asked("json capture last.pcap for 3600 tcp")
curl("http://10.96.0.10/")
mesh.check_books()
assert mesh.weftd.stop() == 0, mesh.weftd_log()
assert asked.rest() == "" and capturing.rest() == ""
assert lab.run("tcpdump", "-nn", "-r", captures / "last.pcap").count(" IP ") > 8
