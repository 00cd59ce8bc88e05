# SPDX-License-Identifier: Apache-2.0
"""When no port of the node's own is left, new flows drop and are counted, those that there are go on, and it recovers."""

import lab

# One datagram from each port.
FLOOD = """
import socket, sys
address, first, last = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
for port in range(first, last):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sender.bind((address, port))
        sender.sendto(b"x", ("10.96.0.10", 53))
"""
# Takes what comes and says nothing: so each flow is a request without an answer.
SILENT = "import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind(('', 53)); import signal; signal.pause()"

lab.enter()
mesh = lab.Lab()
clients = [mesh.pod(f"client{i}", f"10.1.0.{1 + i}") for i in range(2)]
sink = mesh.pod("sink", "10.1.0.10")
echo = mesh.pod("echo", "10.1.0.11")
sink.start("python3", "-c", SILENT)
echo.serve_http(8081)
lab.wait_until("the sink listens", lambda: sink.run("ss", "-lunH", "sport = :53"))
mesh.put("sink.yaml", mesh.service("sink", "10.96.0.10", 53, "UDP"), mesh.slice("sink", [sink], 53, "UDP"),
         mesh.policy("sink", forwarding={"mode": "fullnat"}))
mesh.put("web.yaml", mesh.service("web", "10.96.0.20"), mesh.slice("web", [echo], 8081))
mesh.configure(snat={"addresses": ["10.9.0.1"]},
               flows={"capacity": 262144, "timeouts": {"udp_request_s": 25}})
mesh.start_weftd()

def snat():
    row, = mesh.ctl("show", "snat")
    return row["ports_in_use"]

def send(client, first, last):
    client.run("python3", "-c", FLOOD, client.address, first, last)

# 64,512 ports towards one endpoint.
PORTS = 65536 - 1024
send(clients[1], 2000, 2001)
lab.wait_until("the first flow is there", lambda: snat() == 1)
# A busy machine loses some datagrams on the way to the worker: more follow, until the pool is dry.
more = iter([(clients[0], port) for port in range(1024, 65536, 4032)] +
            [(clients[1], port) for port in range(20000, 60000, 4032)])
while mesh.verdict("own_ports_dry") == 0:
    client, port = next(more)
    send(client, port, port + 4032)
assert snat() == PORTS, snat()
assert f"{PORTS}" in mesh.text("show", "snat")
before, requests = mesh.verdict("own_ports_dry"), mesh.verdict("request")
send(clients[1], 2000, 2001)
lab.wait_until("the flow that there was goes on", lambda: mesh.verdict("request") > requests)
assert mesh.verdict("own_ports_dry") == before
assert clients[1].run("curl", "-sS", "-m", "5", "http://10.96.0.20/") == "echo\n", "others do not notice"

# Unanswered flows are forgotten after their time, and there is room again.
lab.wait_until("ports are given back", lambda: snat() < PORTS // 2, 60)
dry, requests = mesh.verdict("own_ports_dry"), mesh.verdict("request")
send(clients[1], 4000, 4010)
lab.wait_until("new flows are forwarded", lambda: mesh.verdict("request") >= requests + 10)
assert mesh.verdict("own_ports_dry") == dry
mesh.check_books()
