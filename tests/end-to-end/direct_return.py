# SPDX-License-Identifier: Apache-2.0
"""Direct server return between two nodes: one balances and tunnels, by IP in IP and by GUE, in either family over either;
the other's eBPF unpacks for its pod, whose answers go straight to the client. What does not fit with a tunnel's headers is
told so, and large transfers pass both ways."""

import itertools
import json

import lab

lab.enter()
near, far = lab.Lab(), lab.Lab("far")
lab.run("ip", "link", "add", "up0", "type", "veth", "peer", "up0", "netns", "far")
for node, number, pods in ((near, 1, 2), (far, 2, 1)):
    node.ip("address", "add", f"192.168.0.{number}/24", "dev", "up0")
    node.ip("address", "add", f"fd00:192::{number}/64", "dev", "up0", "nodad")
    node.ip("link", "set", "up0", "up")
    node.ip("route", "add", f"10.{pods}.0.0/16", "via", f"192.168.0.{pods}")
    node.ip("route", "add", f"fd00:{pods}::/64", "via", f"fd00:192::{pods}")
client = near.pod("client", "10.1.0.1", "fd00:1::1")
web = far.pod("web", "10.2.0.10", "fd00:2::10")

# A service for each tunnel, at one address each; the pod has all of them on its loopback.
tunnels = {}
for (encapsulation, inner, outer), number in zip(itertools.product(("ipip", "gue"), (4, 6), (4, 6)), itertools.count(10)):
    name = f"{encapsulation}-{inner}in{outer}"
    vip = f"10.96.0.{number}" if inner == 4 else f"fd00:96::{number}"
    web.run("ip", "address", "add", vip + ("/32" if inner == 4 else "/128"), "dev", "lo",
            *([] if inner == 4 else ["nodad"]))
    http = {"name": "http", "port": 80, "protocol": "TCP"}
    near.put(f"{name}.yaml", *near.both_protocols(name, vip, [web], 5201, outer, [http]),
             near.policy(name, forwarding={"mode": "dsr", "encapsulation": encapsulation}))
    tunnels[name] = vip
# By NAT on the same wire, with TCP's segments clamped.
near.put("clamped.yaml", *near.both_protocols("clamped", "10.96.0.99", [web], 5201),
         near.policy("clamped", forwarding={"mode": "nat", "maxSegmentSize": 1000}))
web.serve_http(80)
# A UDP server must answer from the address that it was asked at: so one is bound to each.
for address in (web.address, *tunnels.values()):
    web.start("iperf3", "-s", "-B", address)
lab.wait_until("all listen", lambda: web.run("ss", "-ltnH", "sport = :5201").count("\n") == 1 + len(tunnels))

near.configure(pods={"nics": ["up0"]}, tunnels={"sources": ["10.8.0.0/16", "fd00:8::/112"]})
far.configure(pods={"nics": ["up0"], "pins": "/sys/fs/bpf/far"}, registry={"folder": str(near.registry)})
near.start_weftd()
far.start_weftd()

for name, vip in tunnels.items():
    before = near.verdict("tunneled"), far.ebpf("from_nic_decapsulated"), near.verdict("too_big_answered")
    host = f"[{vip}]" if ":" in vip else vip
    head = client.run("curl", "-sS", "-m", "20", "-D", "-", "-o", "/dev/null", "-r", "0-8388607",
                      "-w", "%{size_download}", f"http://{host}/stream")
    source = client.address6 if ":" in vip else client.address
    assert head.endswith("8388608") and f"X-Client: {source}" in head, (name, head)
    # Up: the first full segment is too large by the tunnel's headers, and the client learns of it.
    report = json.loads(client.run("iperf3", "-c", vip, "-n", "16M", "-J"))
    assert report["end"]["sum_received"]["bytes"] >= 4 << 20, (name, report["end"])
    assert near.verdict("too_big_answered") > before[2], name
    report = json.loads(client.run("iperf3", "-c", vip, "-u", "-b", "4M", "-l", "1200", "-n", "300K", "-J"))
    assert "sum" in report["end"], (name, report)
    end = report["end"]["sum"]
    # A busy machine's receiver may lose some; what weft has lost is said below.
    assert end["packets"] >= 250 and end["lost_packets"] <= end["packets"] / 2, (name, end)
    # Requests came in tunnels, all of them; answers passed no worker.
    def counts():
        return near.verdict("tunneled") - before[0], far.ebpf("from_nic_decapsulated") - before[1]
    assert counts()[0] > 5000, (name, counts())
    lab.wait_until(f"what {name} packed is unpacked", lambda: len(set(counts())) == 1)  # the last may be on its way
assert near.verdict("reply") == 0 and near.verdict("request") == 0
# The far node's workers had nothing to forward; ICMP errors of an iperf3 that is done they see, and pass on.
assert all(far.verdict(name) == 0 for name in ("request", "reply", "tunneled")), far.text("show", "drops")
assert far.ctl("show", "drops")["received"] * 100 < near.verdict("tunneled"), far.text("show", "drops")
assert far.ebpf("from_pod_passed_direct") > 0
assert near.ctl("show", "drops")["dropped"] * 1000 < near.verdict("tunneled"), near.text("show", "drops")

for direction in ([], ["-R"]):
    report = json.loads(client.run("iperf3", "-c", "10.96.0.99", "-n", "16M", "-J", *direction))
    assert report["end"]["sum_received"]["bytes"] >= 4 << 20, report["end"]
    assert 536 <= report["start"]["tcp_mss_default"] <= 1000, report["start"]["tcp_mss_default"]
near.check_books()
far.check_books()
