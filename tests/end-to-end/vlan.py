# SPDX-License-Identifier: Apache-2.0
"""An uplink whose frames are tagged, between a trunk and a kernel twin that sees no tag: ARP, ping, a service in full
frames and a relayed one. What comes without the tag, or with another, is dropped."""

import sys

import lab

TAG = 100
# A switch's trunk port: tags what goes to the node, and takes the tag from what comes. The kernel here has no VLAN devices;
# it takes the tag off received frames itself and says it beside them. Prints how often a frame came without it.
TRUNK = """
import select, socket, struct, sys
PACKET_AUXDATA, SOL_PACKET, VLAN_VALID, ETH_P_ALL = 8, 263, 1 << 4, 3
def port(name):
    s = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    s.bind((name, 0))
    s.setsockopt(SOL_PACKET, PACKET_AUXDATA, 1)
    return s
lan, trunk, tag = port(sys.argv[1]), port(sys.argv[2]), int(sys.argv[3])
print("forwards", flush=True)
while True:
    for s in select.select([lan, trunk], [], [])[0]:
        frame, ancillary, _, sender = s.recvmsg(2048, 256)
        if sender[2] == socket.PACKET_OUTGOING:
            continue
        if s is lan:
            trunk.send(frame[:12] + struct.pack("!HH", 0x8100, tag) + frame[12:])
            continue
        status, _, _, _, _, tci, _ = struct.unpack("=IIIHHHH", ancillary[0][2])
        if status & VLAN_VALID and tci & 0xfff == tag:
            lan.send(frame)
        elif frame[12:14] != b"\\x86\\xdd":  # the node's kernel greets the link in IPv6
            print("without the tag:", frame.hex(), flush=True)
"""

lab.enter()
node = lab.Namespace(None, "node")
mesh = lab.Lab("node")
switch = lab.Namespace(mesh, "switch")
switch.run("ip", "link", "add", "lan", "type", "bridge")
switch.run("ip", "link", "set", "lan", "up")


def plug(machine, interface):
    lab.cable(switch, f"to-{machine.name}", machine, interface)
    switch.run("ip", "link", "set", f"to-{machine.name}", "master", "lan")


def machine(name, address):
    namespace = lab.Namespace(mesh, name)
    plug(namespace, "eth0")
    namespace.run("ip", "address", "add", address + "/24", "dev", "eth0")
    namespace.run("ip", "route", "add", "10.96.0.0/16", "via", "192.0.2.1")
    namespace.address = address
    return namespace


client, web = machine("client", "192.0.2.10"), machine("web", "192.0.2.20")
lab.cable(switch, "trunk", node, "nic0")
lab.cable(switch, "inside", switch, "outside")
switch.run("ip", "link", "set", "outside", "master", "lan")
web.serve_http()
for name, address, mode in (("web", "10.96.0.10", "fullnat"), ("relayed", "10.96.0.11", "proxy")):
    mesh.put(f"{name}.yaml", mesh.service(name, address), mesh.slice(name, [web]),
             mesh.policy(name, forwarding={"mode": mode}))
mesh.configure(pods=None, snat={"addresses": ["192.0.2.2"]},
               ports=[{"name": "uplink", "device": "net_af_xdp0,iface=nic0", "queues": 1, "vlan": TAG,
                       "twin": {"name": "up0", "addresses": ["192.0.2.1/24", "192.0.2.2/32"]}}])
mesh.start_weftd()


def trunk(tag):
    process = switch.start(sys.executable, "-c", TRUNK, "inside", "trunk", tag)
    lab.wait_until("the trunk forwards", lambda: "forwards" in process.log.read_text())
    return process


wrong = trunk(TAG + 1)
client.run("ping", "-c", "2", "-i", "0.1", "-W", "0.3", "192.0.2.1", check=False)
lab.wait_until("another's tag is dropped", lambda: mesh.verdict("wrong_vlan") > 0)
assert mesh.verdict("passed") == 0
wrong.kill()

right = trunk(TAG)
client.run("ping", "-c", "2", "-i", "0.1", "-W", "5", "192.0.2.1")  # ARP and ICMP are the twin's
body = mesh.folder / "body"
for address in "10.96.0.10", "10.96.0.11":  # rewritten; ended at weft, and sent in the buffers that it came in
    client.run("curl", "-sS", "--fail", "-m", "30", "-o", body, f"http://{address}/stream")
    assert body.stat().st_size == 64 << 20
assert "without" not in right.log.read_text(), right.log.read_text()

# A route that bears less than the port: what is relayed fits it, without a router that says so.
node.run("ip", "route", "add", "192.0.2.10/32", "dev", "up0", "mtu", "1000")
lab.wait_until("the route is known", lambda: "192.0.2.10/32" in mesh.text("show", "routes"))


def received():
    folder = "/sys/class/net/eth0/statistics"
    return [int(client.run("cat", f"{folder}/rx_{what}")) for what in ("bytes", "packets")]


before = received()
client.run("curl", "-sS", "--fail", "-m", "30", "-o", body, "http://10.96.0.11/stream")
size, packets = (after - first for after, first in zip(received(), before))
assert body.stat().st_size == 64 << 20 and size / packets < 1000 + 14, (size, packets)

# Without a tag.
before = mesh.verdict("wrong_vlan")
switch.run("ip", "link", "set", "trunk", "master", "lan")
right.kill()
client.run("ping", "-c", "2", "-i", "0.1", "-W", "0.3", "192.0.2.1", check=False)
lab.wait_until("what has no tag is dropped", lambda: mesh.verdict("wrong_vlan") > before)
mesh.check_books()
