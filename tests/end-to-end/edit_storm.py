# SPDX-License-Identifier: Apache-2.0
"""A thousand edits of endpoints a second under real traffic: nothing that is established breaks, and memory stays bounded."""

import json
import random
import re
import time

import lab

RATE, SECONDS = 1000, 10
lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(3)]
for web in webs:
    web.serve_http()
webs[0].start("iperf3", "-s")
lab.wait_until("iperf3 listens", lambda: webs[0].run("ss", "-ltnH", "sport = :5201"))

# Services of no traffic, each in a file of its own, whose endpoints come, go and turn.
OTHERS = 100


class Elsewhere:
    def __init__(self, service, number):
        self.name, self.address = f"far-{service}-{number}", f"10.50.{service}.{number}"


def other(service, generation):
    here = [Elsewhere(service, (generation + i) % 200) for i in range(10)]
    document = mesh.service(f"far-{service}", f"10.97.0.{service}")
    document["metadata"]["annotations"] = {"weft.dev/maglev-table-size": "1021"}
    mesh.put(f"far-{service}.yaml", document, mesh.slice(f"far-{service}", here))


def busy(present):
    """The service under traffic: web0 and web1 always serve their flows, but are not always in the registry."""
    mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", [webs[2], *present]),
             mesh.service("iperf", "10.96.0.12", 5201), mesh.slice("iperf", [webs[0]], 5201))


for service in range(OTHERS):
    other(service, 0)
busy(webs[:2])
mesh.start_weftd()


def resident():
    return int(re.search(r"VmRSS:\s+(\d+)", lab.pathlib.Path(f"/proc/{mesh.weftd.pid}/status").read_text())[1]) / 1024


def read(path):
    return path.read_text() if path.exists() else ""


# A download from each endpoint, slow enough to outlive the storm; bulk over iperf3; and requests one after another.
held = {}
for port in range(41000, 41200):
    name = mesh.ctl("where", "tcp", f"10.1.0.1:{port}", "10.96.0.10:80")["endpoint_name"].split("/")[-1]
    if name not in held:
        head = mesh.folder / f"head-{name}"
        held[name] = client.start("curl", "-sS", "--local-port", port, "--limit-rate", "100k", "-D", head, "-o",
                                  "/dev/null", "http://10.96.0.10/stream")
        lab.wait_until(f"{name} streams", lambda: f"X-Pod: {name}" in read(head))
assert set(held) == {"web0", "web1", "web2"}
bulk = client.start("iperf3", "-c", "10.96.0.12", "-t", SECONDS + 2, "-b", "200M", "-J")
requests = client.start("curl", "-sS", "--fail", "-m", "60", "--rate", "6000/m", "-H", "Connection: close",
                        f"http://10.96.0.10/?[1-{100 * SECONDS}]")
lab.wait_until("requests flow", lambda: len(read(requests.log).split()) > 20)

seeded = random.Random(1)
epochs = [mesh.epoch()]
sizes = [resident()]
begin = time.monotonic()
edits = 0
while time.monotonic() < begin + SECONDS:
    if edits >= (time.monotonic() - begin) * RATE:
        time.sleep(0.001)  # the storm's pace
        continue
    edits += 1
    if edits % 50 == 0:
        busy(seeded.sample(webs[:2], seeded.randint(0, 2)))
    else:
        other(edits % OTHERS, edits)
    if edits % RATE == 0:
        sizes.append(resident())
took = time.monotonic() - begin
epochs.append(mesh.epoch())
assert edits > 0.9 * RATE * SECONDS, f"only {edits} edits: the test's own machine is too slow"

for name, process in held.items():
    assert process.running(), f"the connection to {name} broke: {read(process.log)}"
assert requests.popen.wait(60) == 0, read(requests.log)[-2000:]
assert bulk.popen.wait(60) == 0, read(bulk.log)[-2000:]
sent = json.loads(read(bulk.log))["end"]["sum_sent"]

# The end of the storm is in force, whatever came in between.
busy(webs[:2])
lab.wait_until("the last edit is in force", lambda: len(mesh.ctl("show", "endpoints", "web")) == 3)
snapshot = mesh.ctl("show", "snapshot")
assert not snapshot["errors"], snapshot["errors"]
# Slots: what is in the registry, and what had not been freed yet a second after it left.
endpoints = sum(1 for _ in mesh.ctl("show", "endpoints"))
assert endpoints == 10 * OTHERS + 4, endpoints
growth = max(sizes[2:]) - sizes[1]
print(f"{edits / took:.0f} edits a second in {epochs[1] - epochs[0]} snapshots; resident {sizes[0]:.0f} MiB before, "
      f"{sizes[-1]:.0f} after; iperf3 {sent['bits_per_second'] / 1e6:.0f} Mbit/s, {sent['retransmits']} retransmits")
assert growth < 32, f"weftd grew by {growth:.0f} MiB from the storm's first second to its end: {sizes}"
assert epochs[1] - epochs[0] >= 10, "edits were not put in force while they came"
mesh.check_books()
drops = {row["name"]: row["packets"] for row in mesh.ctl("show", "drops")["workers"] if row["outcome"] == "dropped" and row["packets"]}
assert not drops, drops
