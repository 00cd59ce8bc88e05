# SPDX-License-Identifier: Apache-2.0
"""Endpoints that come and go, as real connections see it: UDP moves to another when its endpoint leaves, TCP is reset after
the grace time or kept, and who comes new starts slowly."""

import time

import lab

# Answers each datagram with the pod's name.
ECHO = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("", 9000))
while True:
    data, sender = s.recvfrom(2048)
    s.sendto(sys.argv[1].encode(), sender)
"""
# One socket that never stops asking; what is answered is printed.
ASKS = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.connect(("10.96.0.11", 53))
s.settimeout(0.05)
while True:
    try:
        s.send(b"who?")
        print(s.recv(2048).decode(), flush=True)
    except (TimeoutError, ConnectionRefusedError) as error:
        print(type(error).__name__, flush=True)
"""
# A download that says how far it is, and how it ended. It reads slowly, and never stops to make up for having been fast.
READS = """
import socket, sys, time
vip, port = sys.argv[1], int(sys.argv[2])
s = socket.socket()
s.bind(("", port))
s.connect((vip, 80))
s.send(b"GET /stream HTTP/1.1\\r\\nHost: any\\r\\n\\r\\n")
total = 0
try:
    while data := s.recv(8192):
        total += len(data)
        print(total, flush=True)
        time.sleep(0.04)
    print("end", flush=True)
except ConnectionResetError:
    print("reset", flush=True)
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(3)]
for web in webs:
    web.serve_http()
    web.start("python3", "-c", ECHO, web.name)
    lab.wait_until(f"{web.name} echoes", lambda: web.run("ss", "-lunH", "sport = :9000"))
GRACE = 3
ending = mesh.service("ending", "10.96.0.20"), mesh.policy("ending", endpoints={"removal": {"action": "reset",
                                                                                          "graceSeconds": GRACE}})
keeping = mesh.service("keeping", "10.96.0.21"), mesh.policy("keeping", endpoints={"removal": {"action": "keep"}})
echo = mesh.service("echo", "10.96.0.11", 53, "UDP")
def publish(put, pods):
    put("echo.yaml", echo, mesh.slice("echo", pods, 9000, "UDP"))
    put("ending.yaml", *ending, mesh.slice("ending", pods))
    put("keeping.yaml", *keeping, mesh.slice("keeping", pods))
publish(mesh.put, webs[:2])
slow = mesh.service("slow", "10.96.0.30"), mesh.policy("slow", endpoints={"slowStart": {"seconds": 6}})
mesh.put("slow.yaml", *slow, mesh.slice("slow", webs[:2]))
mesh.start_weftd()

# A UDP client that never stops, and a download from each service, all at one endpoint: it is the one that leaves.
asking = client.start("python3", "-u", "-c", ASKS)
def answers():
    return asking.log.read_text().split()
lab.wait_until("UDP is answered", lambda: len(answers()) > 20)
leaving, = set(answers()) & {"web0", "web1"}
staying = "web1" if leaving == "web0" else "web0"

def download(vip, first_port):
    # Not from a port that is in use towards the same endpoint.
    port = next(port for port in range(first_port, first_port + 1000) if mesh.ctl("where", "tcp", f"10.1.0.1:{port}", f"{vip}:80")
                ["endpoint_name"].endswith(leaving))
    process = client.start("python3", "-c", READS, vip, port)
    lab.wait_until(f"{vip} streams", lambda: read(process) > 100_000)
    return process

def said(process):
    return process.log.read_text().split()

def read(process):
    """Bytes so far."""
    return max((int(word) for word in said(process) if word.isdigit()), default=0)
ended = download("10.96.0.20", 41000)
kept = download("10.96.0.21", 42000)

before = mesh.epoch()
left_at = time.monotonic()
publish(mesh.put, [pod for pod in webs[:2] if pod.name == staying])
mesh.wait_epoch(before)
lab.wait_until("UDP goes to the other endpoint", lambda: answers()[-5:] == [staying] * 5)
moved = answers()
assert moved[moved.index(staying):].count(leaving) == 0, "it went back"

# The grace time holds; then the client is told.
lab.wait_until("the connection is reset", lambda: not ended.running(), GRACE + 10)
lasted = time.monotonic() - left_at
assert lasted > GRACE - 0.2, f"reset after {lasted:.1f} s already"
assert said(ended)[-1] == "reset", said(ended)[-1]
assert mesh.verdict("ended_with_endpoint") > 0
before_that = read(kept)
lab.wait_until("the kept one goes on", lambda: read(kept) > before_that + 200_000)
assert kept.running()

# A third endpoint gets a tenth of its share at first, in steps more, and its whole share in the end.
def share():
    rows = {row["endpoint"]: row["share_percent"] for row in mesh.ctl("show", "endpoints", "slow")}
    return rows.get("web2", 0)
mesh.update("slow.yaml", *slow, mesh.slice("slow", webs))
shares = [share()]
assert 3 < shares[0] < 12, shares
def whole():
    now = share()
    if now != shares[-1]:
        shares.append(now)
    return now > 32
lab.wait_until("it has its whole share", whole, 20)
assert shares == sorted(shares) and len(shares) >= 5, shares
mesh.check_books()
