# SPDX-License-Identifier: Apache-2.0
"""Ends of UDP traffic, to be run in a host's namespace.

    echo PORT                      sends back what it gets
    ask ADDRESS PORT COUNT SIZE [SECONDS]    asks once from each of COUNT sockets, up to the first that does not
                                   get its own question back in time; prints how many did
    damaged INTERFACE MAC SOURCE ADDRESS PORT COUNT    sends datagrams whose UDP checksum is wrong
"""

import socket
import struct
import sys

SECONDS = 20  # until an answer counts as lost


def echo(port):
    server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)  # and IPv4
    server.bind(("::", int(port)))
    while True:
        server.sendto(*server.recvfrom(65536))


def ask(address, port, count, size, seconds=SECONDS):
    answered = 0
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for number in range(int(count)):
        with socket.socket(family, socket.SOCK_DGRAM) as client:
            client.settimeout(float(seconds))
            question = struct.pack("!I", number).ljust(int(size), b"?")
            client.connect((address, int(port)))
            try:
                client.send(question)
                answered += client.recv(65536) == question
            except OSError:  # nothing in time, or an error for an answer: what follows would take as long
                break
    print(answered)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total & 0xffff) + (total >> 16)
    return ~(total + (total >> 16)) & 0xffff


def damaged(interface, mac, source, address, port, count):
    wire = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    wire.bind((interface, 0))
    for number in range(int(count)):
        ends = socket.inet_aton(source) + socket.inet_aton(address)
        udp = struct.pack("!HHHH", 20000 + number, int(port), 16, 0) + b"damaged!"
        right = checksum(ends + struct.pack("!HH", 17, 16) + udp)
        udp = udp[:6] + struct.pack("!H", right ^ 0x0101) + udp[8:]
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 36, 1, 0, 64, 17, 0) + ends
        ip = ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
        wire.send(bytes.fromhex(mac.replace(":", "")) + wire.getsockname()[4] + b"\x08\x00" + ip + udp)


{"echo": echo, "ask": ask, "damaged": damaged}[sys.argv[1]](*sys.argv[2:])
