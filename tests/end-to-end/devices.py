# SPDX-License-Identifier: Apache-2.0
"""Any DPDK device carries traffic: a capture file, a ring, a memory interface to another process, and the null device."""

import socket
import struct

import lab

MAC_WEFT, MAC_PEER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002")

def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff

def udp(source, source_port, destination, port, payload=b"payload!"):
    """A frame with right checksums."""
    addresses = socket.inet_aton(source) + socket.inet_aton(destination)
    length = 8 + len(payload)
    pseudo = addresses + struct.pack("!HH", 17, length)
    header = struct.pack("!HHHH", source_port, port, length, 0)
    header = header[:6] + struct.pack("!H", checksum(pseudo + header + payload))
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 1, 0, 64, 17, 0) + addresses
    ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    return MAC_WEFT + MAC_PEER + b"\x08\x00" + ip + header + payload

def write_pcap(path, frames):
    with open(path, "wb") as file:
        file.write(struct.pack("<IHHIIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)

def read_pcap(path):
    data, at, frames = path.read_bytes(), 24, []
    while at + 16 <= len(data):
        length = struct.unpack_from("<I", data, at + 8)[0]
        frames.append(data[at + 16:at + 16 + length])
        at += 16 + length
    return frames

def port(name, device, **more):
    return {"name": name, "device": device, "next_hop": "02:00:00:00:00:02", **more}

lab.enter()
mesh = lab.Lab()
backend = type("Endpoint", (), {"address": "10.2.0.1", "name": "backend"})
mesh.put("dns.yaml", mesh.service("dns", "10.96.0.53", 53, "UDP"), mesh.slice("dns", [backend], 5353, "UDP"))

# A capture file in, a capture file out, on two ports: the frames come out translated and otherwise untouched.
clients = [f"10.9.0.{i}" for i in range(1, 101)]
write_pcap(mesh.folder / "in.pcap", [udp(client, 4000, "10.96.0.53", 53) for client in clients])
write_pcap(mesh.folder / "none.pcap", [])
mesh.configure(pods=None, ports=[
    port("front", f"net_pcap0,rx_pcap={mesh.folder}/in.pcap,tx_pcap={mesh.folder}/front.pcap"),
    port("back", f"net_pcap1,rx_pcap={mesh.folder}/none.pcap,tx_pcap={mesh.folder}/back.pcap",
         networks=["10.2.0.0/16"])])
mesh.start_weftd()
lab.wait_until("all frames were forwarded", lambda: mesh.verdict("request") == len(clients))
mesh.check_books()
assert [row["sent"] for row in mesh.ctl("show", "ports")] == [0, len(clients)]
mesh.weftd.stop()
for frame, client in zip(read_pcap(mesh.folder / "back.pcap"), clients, strict=True):
    expected = udp(client, 4000, "10.2.0.1", 5353)
    assert frame[:6] == MAC_PEER and frame[14:22] == expected[14:22]
    assert frame[22] == 63 and checksum(frame[14:34]) == 0, "one hop less, and a right checksum"
    assert frame[26:] == expected[26:], f"{frame.hex()}\n{expected.hex()}"

# Devices that a node can have at all.
for device in ("net_null0", "net_ring0"):
    mesh.configure(pods=None, ports=[port("p", device)], workers={"cores": [0]})
    mesh.start_weftd()
    row, = mesh.ctl("show", "ports")
    assert row["device"] == device and row["link"] == "up", row
    mesh.check_books()
    mesh.weftd.stop()

# Two nodes joined by a memory interface: what the first translates, the second refuses, as it is not for any pod of its own.
second = lab.Lab()
second.put("other.yaml", second.service("other", "10.96.0.54"))
write_pcap(mesh.folder / "in.pcap", [udp(client, 4001, "10.96.0.53", 53) for client in clients])
memif = f"socket={mesh.folder}/memif.sock,socket-abstract=no,rsize=10"
second.configure(pods=None, ports=[port("wire", f"net_memif0,role=server,{memif}")])
second.start_weftd()
mesh.configure(pods=None, ports=[
    port("wire", f"net_memif0,role=client,{memif}", networks=["10.2.0.0/16"]),
    port("front", f"net_pcap0,rx_pcap={mesh.folder}/in.pcap,infinite_rx=1")])
mesh.start_weftd()
lab.wait_until("the second node receives", lambda: second.verdict("not_ours") >= 1000)
second.check_books()
mesh.check_books()
