# SPDX-License-Identifier: Apache-2.0
"""Full NAT, for both families: endpoints see an address of the node's own, so replies come back wherever they are; ports
are given back when flows are forgotten."""

import json

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1", "fd00:1::1")
web = mesh.pod("web", "10.1.0.10", "fd00:1::10")
# Another machine: the host's end of its veth is the NIC, and it is nobody's pod.
remote = lab.Pod(mesh, "remote", "10.2.0.10", "fd00:2::10")
for pod in (web, remote):
    pod.serve_http()
    pod.start("iperf3", "-s")
    lab.wait_until(f"iperf3 of {pod.name} listens", lambda: pod.run("ss", "-ltnH", "sport = :5201"))

OWN = {4: "10.9.0.1", 6: "fd00:9::1"}
full = {"forwarding": {"mode": "fullnat"}}
for family in (4, 6):
    vip = (lambda n: f"10.96.0.{n}") if family == 4 else (lambda n: f"fd00:96::{n}")
    for number, pod in ((10, web), (20, remote)):
        name = f"{pod.name}{family}"
        mesh.put(f"{name}.yaml", mesh.service(name, vip(number)), mesh.slice(name, [pod], family=family),
                 mesh.policy(name, **full))
        speed = f"iperf-{name}"
        mesh.put(f"{speed}.yaml", *mesh.both_protocols(speed, vip(number + 1), [pod], 5201, family),
                 mesh.policy(speed, **full))
mesh.configure(workers={"cores": [0, 1]}, memory={"megabytes": 256}, pods={"nics": [remote.interface]},
               snat={"addresses": list(OWN.values())},
               flows={"capacity": 65536, "timeouts": {"tcp_closed_s": 1, "tcp_reset_s": 1, "tcp_closing_s": 2,
                                                      "udp_request_s": 1, "udp_exchange_s": 1}})
mesh.start_weftd()

def in_use():
    return sum(row["ports_in_use"] for row in mesh.ctl("show", "snat"))

for family in (4, 6):
    vip = (lambda n: f"10.96.0.{n}") if family == 4 else (lambda n: f"[fd00:96::{n}]")
    for number, pod in ((10, web), (20, remote)):
        head = client.run("curl", "-sS", "--fail", "-m", "20", "-D", "-", "-o", "/dev/null", "-H", "Connection: close",
                          f"http://{vip(number)}/?[1-50]")
        assert head.count(f"X-Pod: {pod.name}") == 50, head[:500]
        assert head.count(f"X-Client: {OWN[family]}\n") == 50, head[:500]
        address = vip(number + 1).strip("[]")
        for direction in ([], ["-R"]):
            report = json.loads(client.run("iperf3", "-c", address, "-n", "16M", "-J", *direction))
            assert report["end"]["sum_received"]["bytes"] >= 4 << 20, (pod.name, family, direction, report["end"])
        report = json.loads(client.run("iperf3", "-c", address, "-u", "-b", "4M", "-l", "1200", "-n", "300K", "-J"))
        end = report["end"]["sum"]
        # A busy machine's receiver may lose some; what weft has lost is said below.
        assert end["packets"] >= 250 and end["lost_packets"] <= end["packets"] / 2, end
assert mesh.verdict("own_ports_dry") == 0

# Hairpin: a pod that is the only endpoint of the service that it calls, in nat too, is answered by itself; it sees a caller
# of the node's, or it would take the packet for one that it sent.
for family, vip in ((4, "10.96.0.30"), (6, "[fd00:96::30]")):
    mesh.update(f"mirror{family}.yaml", mesh.service(f"mirror{family}", vip.strip("[]")),
                mesh.slice(f"mirror{family}", [web], family=family))
    head = web.run("curl", "-sS", "--fail", "-m", "20", "-D", "-", "-o", "/dev/null", f"http://{vip}/")
    assert "X-Pod: web" in head and f"X-Client: {OWN[family]}\n" in head, head
    other = client.run("curl", "-sS", "--fail", "-m", "20", "-D", "-", "-o", "/dev/null", f"http://{vip}/")
    assert f"X-Client: {client.address if family == 4 else client.address6}\n" in other, other

# Replies of the remote endpoint come to the worker that asked. What has to be handed over is ICMP's: an iperf3 that is done
# refuses the last datagrams.
handed, replies = mesh.ctl("show", "drops")["handed_over"], mesh.verdict("reply")
assert handed * 100 < replies, f"{handed} handed over beside {replies} replies"
assert mesh.ebpf("from_nic_redirected_reply") > 0

# What the flows had of ports is given back, with each flow that is forgotten.
used = {row["address"] for row in mesh.ctl("show", "snat")}
assert used == set(OWN.values()), used
lab.wait_until("all ports are given back", lambda: in_use() == 0, 30)
# Late segments of connections that are forgotten after a second may drop; nothing else does.
assert mesh.ctl("show", "drops")["dropped"] * 1000 < replies, mesh.text("show", "drops")
mesh.check_books()
