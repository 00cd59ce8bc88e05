# SPDX-License-Identifier: Apache-2.0
"""A flood of SYNs at ten times the rate of new flows: what is established keeps 99 % of its goodput."""

import json
import sys
import time

import lab

RATE, FACTOR = 500, 10
PACE = 40  # Mbit/s of the established connection: below what the machine carries, so that a loss shows and not its noise
FLOOD = """
import random, socket, struct, sys, time
source, target, rate = sys.argv[1], sys.argv[2], int(sys.argv[3])
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
raw.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff
addresses = socket.inet_aton(source) + socket.inet_aton(target)
def syn(port):
    header = struct.pack("!HHIIBBHHH", port, 80, random.getrandbits(32), 0, 0x50, 2, 65535, 0, 0)
    sum = checksum(addresses + struct.pack("!HH", 6, len(header)) + header)
    return header[:16] + struct.pack("!H", sum) + header[18:]
segments = [syn(port) for port in range(1024, 65536, 3)]
begin, sent = time.monotonic(), 0
while True:
    due = int((time.monotonic() - begin) * rate)
    while sent < due:
        raw.sendto(segments[sent % len(segments)], (target, 0))
        sent += 1
    time.sleep(0.002)
"""

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
attacker = mesh.pod("attacker", "10.1.0.2")
web = mesh.pod("web", "10.1.0.10")
sink = mesh.pod("sink", "10.1.0.11")
web.start("iperf3", "-s")
lab.wait_until("iperf3 listens", lambda: web.run("ss", "-ltnH", "sport = :5201"))
# The flood's endpoint answers nothing, as one that is flooded itself would, or its answers were half of the load.
sink.run("ip", "route", "add", "blackhole", attacker.address + "/32")
mesh.put("services.yaml", mesh.service("iperf", "10.96.0.12", 5201), mesh.slice("iperf", [web], 5201),
         mesh.service("web", "10.96.0.10"), mesh.slice("web", [sink]))
mesh.configure(flows={"capacity": 65536, "new_per_second": RATE})
mesh.start_weftd()

bulk = client.start("iperf3", "-c", "10.96.0.12", "-t", 20, "-b", f"{PACE}M", "-J")


def carried():
    return sum(row["bytes_in"] for row in mesh.ctl("show", "endpoints", "iperf"))


def run_for(seconds):
    """Until so much of the paced connection's time is over. @returns SYNs that came meanwhile, and how many were refused"""
    def counts():
        drops = mesh.ctl("show", "drops")
        return drops["received"], next(row["packets"] for row in drops["workers"] if row["name"] == "overload")
    start = time.monotonic()
    before = counts()
    lab.wait_until("the time to measure is over", lambda: time.monotonic() - start >= seconds, 60)
    after = counts()
    return after[0] - before[0], after[1] - before[1]


def rate(seconds):
    """Of the paced connection, in Mbit/s, as weft sees it."""
    start, before = time.monotonic(), carried()
    received, refused = run_for(seconds)
    return (carried() - before) * 8 / (time.monotonic() - start) / 1e6, received, refused


lab.wait_until("the paced connection is at its pace", lambda: carried() > PACE * 1e6 / 8 * 1.5)
rates = []
for _ in range(3):
    before, _, refused = rate(1.5)
    assert refused == 0
    flood = attacker.start(sys.executable, "-c", FLOOD, attacker.address, "10.96.0.10", RATE * FACTOR)
    passed = mesh.verdict("overload")
    lab.wait_until("the flood is over the rate", lambda: mesh.verdict("overload") > passed + RATE)
    during, received, refused = rate(1.5)
    assert flood.running(), flood.log.read_text()
    flood.kill()
    lab.wait_until("the flood is over", lambda: rate(0.1)[2] == 0)
    rates.append((during / before, before, during, refused / 1.5))
assert bulk.popen.wait(60) == 0, bulk.log.read_text()[-2000:]
report = json.loads(bulk.log.read_text())
sent = report["end"]["sum_sent"]
retransmits, segments = sent["retransmits"], sent["bytes"] // report["start"]["tcp_mss_default"]
print("; ".join(f"{before:.1f} Mbit/s before, {during:.1f} during ({kept:.1%}), {refused:.0f} SYNs a second refused"
                for kept, before, during, refused in rates) + f"; {retransmits} of {segments} segments sent again")
kept, _, _, refused = max(rates)  # what else the machine does only ever lowers it
assert refused > 0.7 * RATE * (FACTOR - 1), f"the flood was slower than asked for: {rates}"
assert kept >= 0.99, rates
# The pace is kept in spite of losses, as TCP sends again what was lost: of that there is little too.
assert retransmits <= 0.01 * segments, (retransmits, segments)
flows = mesh.ctl("show", "workers")[0]["flows"]
assert flows < 65536, flows
drops = {row["name"] for row in mesh.ctl("show", "drops")["workers"] if row["outcome"] == "dropped" and row["packets"]}
assert drops <= {"overload"}, drops
mesh.check_books()
