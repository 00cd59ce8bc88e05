# SPDX-License-Identifier: Apache-2.0
"""weft's own TCP under attack (mode: proxy): a flood of SYNs from spoofed addresses, and clients that ask for much and read
nothing. Real clients are served none the less, and weftd's memory stays what it was."""

import json
import pathlib
import sys

import lab

HALF_OPEN = 512
SYNS, RATE = 60_000, 15_000
HOARDERS = 200
# A SYN from each of many ports of each of many addresses that nobody has, at a rate, each once.
FLOOD = """
import random, socket, struct, sys, time
target, count, rate = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
def syn(number):
    source, port = f"10.2.0.{100 + number % 64}", 1024 + number // 64
    addresses = socket.inet_aton(source) + socket.inet_aton(target)
    header = struct.pack("!HHIIBBHHHBBH", port, 80, random.getrandbits(32), 0, 0x60, 2, 65535, 0, 0, 2, 4, 1460)
    sum = checksum(addresses + struct.pack("!HH", 6, len(header)) + header)
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(header), 0, 0, 64, 6, 0) + addresses
    return ip + header[:16] + struct.pack("!H", sum) + header[18:]
packets = [syn(number) for number in range(count)]
print("ready", flush=True)
begin, sent = time.monotonic(), 0
while sent < count:
    due = min(count, int((time.monotonic() - begin) * rate))
    while sent < due:
        raw.sendto(packets[sent], (target, 0))
        sent += 1
    time.sleep(0.001)
"""
# Connections that ask for a large body each, with little room for it, and never read.
HOARD = """
import signal, socket, sys
sockets = []
for _ in range(int(sys.argv[2])):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    s.settimeout(10)
    s.connect((sys.argv[1], 80))
    s.sendall(b"GET /body HTTP/1.1\\r\\nHost: web\\r\\n\\r\\n")
    sockets.append(s)
print("all there", flush=True)
signal.pause()
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
web = mesh.pod("web", "10.1.0.10")
remote = lab.Pod(mesh, "remote", "10.2.0.10")
web.serve_http()
(mesh.folder / "nginx-web" / "www" / "body").write_bytes(bytes(8 << 20))
mesh.put("web.yaml", mesh.service("web", "10.96.0.10", app_protocol="tcp"), mesh.slice("web", [web]), mesh.policy("web", forwarding={"mode": "proxy"}))
mesh.configure(pods={"nics": [remote.interface]}, snat={"addresses": ["10.9.0.1"]},
               tcp={"half_open": HALF_OPEN, "time_wait_s": 1})
mesh.start_weftd()
# Whoever is answered at a spoofed address is on the attacker's link, and says nothing.
remote_mac = json.loads(remote.run("ip", "-j", "link", "show", "eth0"))[0]["address"]
mesh.ip("route", "add", "10.2.0.0/24", "dev", remote.interface)
for number in range(100, 164):
    mesh.ip("neigh", "replace", f"10.2.0.{number}", "lladdr", remote_mac, "dev", remote.interface, "nud", "permanent")


def resident_kib():
    status = pathlib.Path(f"/proc/{mesh.weftd.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0])


def tcp(name):
    return mesh.tcp(name)


def fetch(count):
    """So many requests, each by a connection of its own. @returns how many were answered"""
    head = client.run("curl", "-sS", "-m", "60", "--connect-timeout", "10", "-o", "/dev/null", "-w", "%{http_code}\\n",
                      "-H", "Connection: close", f"http://10.96.0.10/?[1-{count}]", check=False)
    return head.split().count("200")


assert fetch(200) == 200
before = resident_kib()

flood = remote.start(sys.executable, "-c", FLOOD, "10.96.0.10", SYNS, RATE)
lab.wait_until("the flood is on", lambda: tcp("half_open") >= HALF_OPEN / 2 and tcp("cookies_sent") > 1000, 20)
served = asked = 0
while flood.running():
    served += fetch(50)
    asked += 50
assert flood.popen.returncode == 0, flood.log.read_text()
cookies, accepted = tcp("cookies_sent"), tcp("cookies_accepted")
print(f"{cookies} cookies for {SYNS} SYNs, {accepted} of them accepted; {served} of {asked} real clients served; "
      f"{before} KiB before, {resident_kib()} after")
assert cookies > SYNS / 2, "the flood was not one"
assert accepted > 0 and asked >= 100 and served == asked, (accepted, served, asked)
assert tcp("half_open") <= HALF_OPEN
assert resident_kib() <= before + 1024, (before, resident_kib())

hoarder = remote.start(sys.executable, "-c", HOARD, "10.96.0.10", HOARDERS)
lab.wait_until("all hoarders are there", lambda: "all there" in hoarder.log.read_text(), 30)
lab.wait_until("they are full", lambda: tcp("sessions") >= HOARDERS and tcp("pieces") > HOARDERS * 4, 20)
assert fetch(50) == 50
workers = mesh.ctl("show", "workers")
assert all(row["buffers_free"] > row["buffers"] / 4 for row in workers), workers
print(f"{HOARDERS} that do not read: {tcp('pieces')} pieces held, {resident_kib()} KiB")
assert resident_kib() <= before + 1024, (before, resident_kib())
hoarder.kill()
lab.wait_until("nothing is held any more", lambda: tcp("pieces") == 0 and tcp("sessions") == 0, 30)
mesh.check_books()
