# SPDX-License-Identifier: Apache-2.0
"""IPv6 from a pod to a service and back, by NAT: TCP, UDP and pings; and of both families, what a router says of packets that
are too big for its next link reaches the client in its own terms."""

import collections
import json

import lab

lab.enter()
mesh, router = lab.Lab(), lab.Lab("router")
client = mesh.pod("client", "10.1.0.1", "fd00:1::1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}", f"fd00:1::{10 + i}") for i in range(3)]
for web in webs:
    web.serve_http()
# An endpoint behind a router whose link to it takes 1400 bytes.
lab.run("ip", "link", "add", "up0", "type", "veth", "peer", "up0", "netns", "router")
for node, number in ((mesh, 1), (router, 2)):
    node.ip("address", "add", f"192.168.0.{number}/24", "dev", "up0")
    node.ip("address", "add", f"fd00:192::{number}/64", "dev", "up0", "nodad")
    node.ip("link", "set", "up0", "up")
mesh.ip("route", "add", "10.2.0.0/16", "via", "192.168.0.2")
mesh.ip("route", "add", "fd00:2::/64", "via", "fd00:192::2")
router.ip("route", "add", "10.1.0.0/16", "via", "192.168.0.1")
router.ip("route", "add", "fd00:1::/64", "via", "fd00:192::1")
remote = lab.Pod(router, "remote", "10.2.0.10", "fd00:2::10")
router.ip("link", "set", remote.interface, "mtu", "1400")

mesh.put("web.yaml", mesh.service("web", "fd00:96::10"), mesh.slice("web", webs, family=6))
mesh.put("shout.yaml", mesh.service("shout", "fd00:96::11", 53, "UDP"), mesh.slice("shout", webs[:1], 9000, "UDP", family=6))
mesh.put("iperf.yaml", *mesh.both_protocols("iperf", "fd00:96::12", webs[1:2], 5201, 6))
mesh.put("far6.yaml", *mesh.both_protocols("far6", "fd00:96::13", [remote], 5201, 6))
mesh.put("far4.yaml", *mesh.both_protocols("far4", "10.96.0.13", [remote], 5201, 4))
for pod in (webs[1], remote):
    pod.start("iperf3", "-s")
    lab.wait_until("iperf3 listens", lambda: pod.run("ss", "-ltnH", "sport = :5201"))
mesh.put("clamped.yaml", *mesh.both_protocols("clamped", "fd00:96::14", [remote], 5201, 6),
         mesh.policy("clamped", forwarding={"mode": "nat", "maxSegmentSize": 1300}))
mesh.configure(workers={"cores": [0, 1]}, memory={"megabytes": 256}, pods={"nics": ["up0"]})
mesh.start_weftd()

headers = client.run("curl", "-sS", "-m", "30", "-D", "-", "-H", "Connection: close", "http://[fd00:96::10]/?[1-300]")
lines = headers.splitlines()
assert lines.count("HTTP/1.1 200 OK") == 300 and lines.count("X-Client: fd00:1::1") == 300, lines[:20]
served = collections.Counter(line.split()[1] for line in lines if line.startswith("X-Pod:"))
assert set(served) == {"web0", "web1", "web2"} and min(served.values()) > 60, served
assert sum(worker["flows"] for worker in mesh.ctl("show", "workers")) == 300, "a flow that two workers know was split"

said = mesh.ctl("where", "tcp", "[fd00:1::1]:40000", "[fd00:96::10]:80")
got = client.run("curl", "-sS", "-m", "5", "--local-port", "40000", "http://[fd00:96::10]/").strip()
assert said["endpoint_name"] == f"default/web/{got}", (said, got)
size = client.run("curl", "-sS", "-m", "60", "-o", "/dev/null", "-w", "%{size_download}", "http://[fd00:96::10]/stream")
assert size == str(64 << 20), size

webs[0].start("socat", "UDP6-RECVFROM:9000,fork", "SYSTEM:tr a-z A-Z")
lab.wait_until("the UDP server listens", lambda: webs[0].run("ss", "-lunH", "sport = :9000"))
answer = client.run("bash", "-c", "echo hello | socat -t 3 - UDP6:[fd00:96::11]:53")
assert answer == "HELLO\n", answer
# A datagram in fragments, there and back.
answer = client.run("bash", "-c", "head -c 4000 /dev/zero | tr '\\0' a | socat -b 8000 -t 3 - UDP6:[fd00:96::11]:53")
assert answer == "A" * 4000, len(answer)
for direction in ([], ["-R"]):
    report = json.loads(client.run("iperf3", "-c", "fd00:96::12", "-n", "16M", "-J", *direction))
    assert report["end"]["sum_received"]["bytes"] >= 4 << 20, report["end"]

# A virtual address answers pings, also large ones, and those that come in fragments do not fit an answer.
client.run("ping", "-c", "3", "-i", "0.01", "-W", "5", "fd00:96::10")
client.run("ping", "-c", "3", "-i", "0.01", "-W", "5", "-s", "1400", "fd00:96::10")
assert mesh.verdict("echo_reply") == 6
assert mesh.verdict("icmp_error") == 0

# The router's packet too big is about what it met; the client hears of what it sent.
for family, vip in ((6, "fd00:96::13"), (4, "10.96.0.13")):
    before = mesh.verdict("icmp_error")
    report = json.loads(client.run("iperf3", "-c", vip, "-n", "16M", "-J"))
    assert report["end"]["sum_received"]["bytes"] >= 4 << 20, (family, report["end"])
    assert mesh.verdict("icmp_error") > before, family
    routes = client.run("ip", f"-{family}", "route", "get", vip)
    assert "mtu 1400" in routes, routes

# What the node's own kernel says of its own NIC's MTU does not pass weft: there, segments are clamped.
mesh.ip("link", "set", "up0", "mtu", "1400")
report = json.loads(client.run("iperf3", "-c", "fd00:96::14", "-n", "16M", "-J"))
assert report["end"]["sum_received"]["bytes"] >= 4 << 20, report["end"]
mesh.check_books()
