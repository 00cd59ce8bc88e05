# SPDX-License-Identifier: Apache-2.0
"""TCP and UDP from a pod to a service and back: balanced, with the client's address kept, and every packet accounted for."""

import collections
import json

import lab

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1")
webs = [mesh.pod(f"web{i}", f"10.1.0.{10 + i}") for i in range(3)]
for web in webs:
    web.serve_http()
mesh.put("web.yaml", mesh.service("web", "10.96.0.10"), mesh.slice("web", webs))
mesh.start_weftd()

# New connections are spread as the table says, each request is answered by an endpoint that saw the client's own address.
headers = client.run("curl", "-sS", "-m", "30", "-D", "-", "-H", "Connection: close", "http://10.96.0.10/?[1-600]")
lines = headers.splitlines()
assert lines.count("HTTP/1.1 200 OK") == 600, lines[:20]
assert lines.count("X-Client: 10.1.0.1") == 600
served = collections.Counter(line.split()[1] for line in lines if line.startswith("X-Pod:"))
assert set(served) == {"web0", "web1", "web2"}, served
assert all(140 <= count <= 260 for count in served.values()), served

# `where` says beforehand where a connection goes.
for port in range(40000, 40010):
    said = mesh.ctl("where", "tcp", f"10.1.0.1:{port}", "10.96.0.10:80")
    assert said["rule"] == "consistent hash", said
    got = client.run("curl", "-sS", "-m", "5", "--local-port", port, "http://10.96.0.10/").strip()
    assert said["endpoint_name"] == f"default/web/{got}", (said, got)
    flow, = [flow for flow in mesh.ctl("show", "flows", "limit", "10000") if flow["client"] == f"10.1.0.1:{port}"]
    assert flow["endpoint_name"] == said["endpoint_name"], flow

# UDP, with a server that answers in upper case.
echo = webs[0].start("socat", "UDP4-RECVFROM:9000,fork", "SYSTEM:tr a-z A-Z")
lab.wait_until("the UDP server listens", lambda: webs[0].run("ss", "-lunH", "sport = :9000"))
mesh.update("udp.yaml", mesh.service("shout", "10.96.0.11", 53, "UDP"),
            mesh.slice("shout", webs[:1], 9000, "UDP"))
answer = client.run("bash", "-c", "echo hello | socat -t 3 - UDP4:10.96.0.11:53")
assert answer == "HELLO\n", answer
flow, = mesh.ctl("show", "flows", "service", "shout")
assert flow["state"] == "udp-exchange", flow
known = mesh.ctl("where", "udp", flow["client"], flow["address"])
assert known["rule"] == "flow table" and known["endpoint_name"] == "default/shout/web0", known

# Large segments: the kernel has to cut them up and complete their checksums before weft sees them.
webs[1].start("iperf3", "-s", "-1")
lab.wait_until("iperf3 listens", lambda: webs[1].run("ss", "-ltnH", "sport = :5201"))
mesh.update("iperf.yaml", mesh.service("iperf", "10.96.0.12", 5201), mesh.slice("iperf", webs[1:2], 5201))
report = json.loads(client.run("iperf3", "-c", "10.96.0.12", "-n", "64M", "-J"))
assert report["end"]["sum_received"]["bytes"] >= 32 << 20, report["end"]  # what had arrived when the sender was done

# A virtual address answers pings; an address beside it does not.
client.run("ping", "-c", "3", "-i", "0.01", "-W", "2", "10.96.0.10")
assert mesh.verdict("echo_reply") == 3
assert "100% packet loss" in client.run("ping", "-c", "2", "-i", "0.01", "-W", "0.2", "10.96.0.99", check=False)
assert mesh.verdict("echo_reply") == 3

# Traffic between pods that is not of the mesh goes its own way, also from a port that is an endpoint's.
assert client.run("curl", "-sS", "-m", "5", f"http://{webs[0].address}:8080/") == "web0\n"
assert mesh.verdict("passed") > 0, "an endpoint's answers to whoever asks it directly pass through weft untouched"

mesh.check_books()
assert mesh.ctl("show", "drops")["dropped"] == 0, mesh.text("show", "drops")
buffers = [worker["buffers_free"] for worker in mesh.ctl("show", "workers")]
client.run("curl", "-sS", "-m", "30", "-o", "/dev/null", "-H", "Connection: close", "http://10.96.0.10/?[1-300]")
after = [worker["buffers_free"] for worker in mesh.ctl("show", "workers")]
assert all(abs(a - b) <= 64 for a, b in zip(buffers, after)), f"buffers leak: {buffers} free, then {after}"
