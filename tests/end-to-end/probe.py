# SPDX-License-Identifier: Apache-2.0
"""A client that notes how long it had to wait: `probe.py KIND ADDRESS PORT REPORT`, until SIGTERM.

udp: a datagram each millisecond to an echo server; the longest time without an answer.
tcp: one connection on which a byte goes and comes back, again and again; the longest wait for it.
push: one connection on which the server alone speaks; the longest silence.
new: connections one after another, an HTTP request each; the longest, from connect() to the answer.

Writes REPORT, JSON, twice a second and at the end.
"""

import json
import os
import signal
import socket
import sys
import time

kind, address, port, report = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
done = False
longest = 0.0
answers = 0
errors = []
written = 0.0


def stop(*_):
    global done
    done = True


def answered(waited, now):
    global longest, answers, written
    longest = max(longest, waited)
    answers += 1
    if now - written > 0.5:
        write(now)


def write(now):
    global written
    written = now
    with open(report + ".new", "w") as file:
        json.dump({"longest": longest, "answers": answers, "errors": errors}, file)
    os.rename(report + ".new", report)


def udp():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as channel:
        channel.connect((address, port))
        channel.settimeout(0.001)
        last = time.monotonic()
        while not done:
            due = time.monotonic() + 0.001
            try:
                channel.send(b"?")
                while True:
                    channel.recv(64)
                    now = time.monotonic()
                    answered(now - last, now)
                    last = now
                    if now >= due:
                        break
            except (TimeoutError, ConnectionRefusedError, OSError) as error:
                if not isinstance(error, (TimeoutError, ConnectionRefusedError)):
                    errors.append(str(error)) if str(error) not in errors else None


def tcp():
    with socket.create_connection((address, port), 10) as channel:
        channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        while not done:
            start = time.monotonic()
            channel.sendall(b"?")
            if not channel.recv(1):
                raise ConnectionError("the connection was closed")
            now = time.monotonic()
            answered(now - start, now)


def push():
    with socket.create_connection((address, port), 10) as channel:
        last = time.monotonic()
        while not done:
            if not channel.recv(64):
                raise ConnectionError("the connection was closed")
            now = time.monotonic()
            answered(now - last, now)
            last = now


def new():
    while not done:
        start = time.monotonic()
        with socket.create_connection((address, port), 10) as channel:
            channel.sendall(b"GET / HTTP/1.0\r\n\r\n")
            if not channel.recv(4096).startswith(b"HTTP/1.1 200"):
                raise ConnectionError("no answer")
        now = time.monotonic()
        answered(now - start, now)
        time.sleep(0.002)  # the pace of the load


signal.signal(signal.SIGTERM, stop)
try:
    {"udp": udp, "tcp": tcp, "push": push, "new": new}[kind]()
except OSError as error:
    errors.append(f"{type(error).__name__}: {error}")
write(time.monotonic())
