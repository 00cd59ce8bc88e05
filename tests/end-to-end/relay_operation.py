# SPDX-License-Identifier: Apache-2.0
"""Relayed connections as an operator meets them: listed, traced and captured; refused beyond their number; ended with weftd."""

import json
import subprocess
import sys
import time

import lab

# Sends a first byte, and then one whenever it is told to; says what ends the connection.
TALKER = """
import socket, sys
connection = socket.create_connection((sys.argv[1], 7), 5)
connection.settimeout(30)
connection.sendall(b"a")
print(connection.recv(1), connection.getsockname()[1], flush=True)
try:
    if sys.argv[2] == "talk":
        import time
        while True:
            time.sleep(0.2)
            connection.sendall(b"b")
            connection.recv(1) or sys.exit("closed")
    print(connection.recv(1))
except ConnectionResetError:
    print("reset", flush=True)
except OSError as error:
    print(error, flush=True)
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1", "fd00:1::1")
web = mesh.pod("web", "10.1.0.10", "fd00:1::10")
web.start("socat", "TCP6-LISTEN:7007,fork,reuseaddr,ipv6only=0", "EXEC:cat")
lab.wait_until("the echo listens", lambda: web.run("ss", "-ltnH", "sport = :7007"))
proxied = {"forwarding": {"mode": "proxy"}}
mesh.put("echo4.yaml", mesh.service("echo4", "10.96.0.20", 7, app_protocol="tcp"), mesh.slice("echo4", [web], 7007), mesh.policy("echo4", **proxied))
mesh.put("echo6.yaml", mesh.service("echo6", "10.96.0.21", 7, app_protocol="tcp"), mesh.slice("echo6", [web], 7007, family=6), mesh.policy("echo6", **proxied))
mesh.put("nat.yaml", mesh.service("nat", "10.96.0.22", 7, app_protocol="tcp"), mesh.slice("nat", [web], 7007))  # the same endpoint
OWN = {"addresses": ["10.9.0.1", "fd00:9::1"]}
mesh.configure(snat=OWN, tcp={"time_wait_s": 1}, captures={"folder": str(mesh.folder / "captures")}, pods={"on_stop": "keep"})
mesh.start_weftd()


def talker(vip, how="listen"):
    """@returns it, and its port"""
    process = client.start(sys.executable, "-c", TALKER, vip, how)
    lab.wait_until("the echo came back", lambda: process.log.read_text().endswith("\n"), 10)
    return process, process.log.read_text().split()[1]


def endpoint_connections():
    return [line.strip() for line in web.run("ss", "-tnH", "sport = :7007").splitlines() if line.startswith("ESTAB")]


# A live session is a flow among flows.
quiet, port = talker("10.96.0.20")
crossing, port6 = talker("10.96.0.21")
flow, = mesh.ctl("show", "flows", "service", "echo4")
own = flow.pop("own_source")
assert own.startswith("10.9.0.1:") and any(line.endswith(own.replace(":", "]:")) for line in endpoint_connections()), (own, endpoint_connections())
assert flow.pop("age_seconds") < 20 and flow.pop("idle_seconds") < 20
assert flow == {"worker": 0, "protocol": "tcp", "client": f"10.1.0.1:{port}", "address": "10.96.0.20:7", "endpoint": "10.1.0.10:7007",
                "endpoint_name": "default/echo4/web", "way": "proxy", "state": "established", "packets_in": None,
                "packets_out": None, "bytes_in": 1, "bytes_out": 1}, flow
flow, = mesh.ctl("show", "flows", "service", "echo6")
assert flow["endpoint"] == "[fd00:1::10]:7007" and flow["own_source"].startswith("[fd00:9::1]:"), flow
assert len(mesh.ctl("show", "flows")) == 2 and len(mesh.ctl("show", "flows", "limit", "1")) == 1
for words in (("tcp", f"10.1.0.1:{port}", "10.96.0.20:7"), ("tcp", "10.1.0.10:7007", own)):
    there = mesh.ctl("where", *words)
    assert there["rule"] == "relayed session" and there["endpoint_name"] == "default/echo4/web", there
    assert there["client"] == f"10.1.0.1:{port}" and there["own_source"] == own and there["state"] == "established", there
assert mesh.ctl("where", "tcp", "10.1.0.1:1", "10.96.0.20:7")["rule"] == "consistent hash"
row, = mesh.ctl("show", "endpoints", "echo4")
assert row["packets_in"] is None and row["active_flows"] == 1, row
shown = mesh.ctl("show", "tcp")
assert shown["workers"][0]["connections"] == 4 and shown["workers"][0]["connections_limit"] == 65536, shown["workers"]
assert all(row["meaning"] for row in shown["counters"])

# Both legs are captured, and traced with the session.
capture = subprocess.Popen([lab.BUILD / "weftctl", "--socket", mesh.socket, "capture", "x.pcap", "for", "60", "tcp"],
                           stdout=subprocess.PIPE, text=True)
trace = subprocess.Popen([lab.BUILD / "weftctl", "--socket", mesh.socket, "trace", "1000", "for", "60", "tcp"], stdout=subprocess.PIPE, text=True)
assert "capturing" in capture.stdout.readline() and "tracing" in trace.stdout.readline()
talking, talks_from = talker("10.96.0.20")
talking.kill()
lab.wait_until("its session is over", lambda: len(mesh.ctl("show", "flows")) == 2)
mesh.ctl("capture", "stop")
capture.communicate(timeout=20)
seen = lab.run("tcpdump", "-nn", "-r", mesh.folder / "captures" / "x.pcap", "-v")
assert "incorrect" not in seen
for part in (f"10.1.0.1.{talks_from} > 10.96.0.20.7: Flags [S]", f"10.96.0.20.7 > 10.1.0.1.{talks_from}: Flags [S.]",
             "> 10.1.0.10.7007: Flags [S]", "10.1.0.10.7007 > 10.9.0.1.", f"10.96.0.20.7 > 10.1.0.1.{talks_from}: Flags [P.]"):
    assert part in seen, (part, seen)
trace.terminate()
said = trace.communicate(timeout=20)[0]
assert "verdict delivered: to weft's own TCP" in said, said
assert f"flow    known reply, proxy, established: 10.1.0.1:{talks_from} > 10.96.0.20:7 at 10.1.0.10:7007 (default/echo4/web)" in said, said
assert f"sent      IPv4 tcp 10.96.0.20:7 > 10.1.0.1:{talks_from} SYN,ACK" in said, said
mesh.check_books()

# SIGTERM: both ends know at once.
began = time.monotonic()
assert mesh.weftd.stop() == 0, mesh.weftd_log()
assert quiet.popen.wait(2) == 0 and quiet.log.read_text().endswith("reset\n"), quiet.log.read_text()
assert crossing.popen.wait(2) == 0 and crossing.log.read_text().endswith("reset\n"), crossing.log.read_text()
assert not endpoint_connections(), endpoint_connections()
print(f"both ends were told {time.monotonic() - began:.2f} s after SIGTERM")

# SIGKILL: whoever says something learns of it from the next weftd.
mesh.start_weftd()
talking, _ = talker("10.96.0.20", "talk")
mesh.weftd.kill()
mesh.start_weftd()
assert talking.popen.wait(20) == 0 and talking.log.read_text().endswith("reset\n"), talking.log.read_text()
# The client's last byte was on its way to the endpoint, or the echo to the client; a keepalive does it, too.
mesh.check_books()
mesh.weftd.stop()

# More clients than a service's share of the connections: the handshake ends with a reset, and is counted.
mesh.configure(snat=OWN, tcp={"connections": 16, "time_wait_s": 1}, pods={"on_stop": "keep"})
mesh.start_weftd()
kept = [talker("10.96.0.20") for _ in range(6)]
began = time.monotonic()
refused = client.run(sys.executable, "-c", TALKER, "10.96.0.20", "listen", check=False)
assert "reset" in refused.lower() and time.monotonic() - began < 4, refused
row, = mesh.ctl("show", "services", "echo4")
protections, = mesh.ctl("show", "protections", "echo4")
assert row["refused"] == protections["connection_share_overflows"] >= 1, (row, protections)
assert all(process.running() for process, _ in kept)
mesh.check_books()
