# SPDX-License-Identifier: Apache-2.0
"""So many clients of HTTP/1.1 that keep their connections: `clients.py COUNT ADDRESS...`, evenly to these addresses' port 80.

Each connects, has a request answered and stays. Then a line is written, and for each line that is read each of them has another
request answered. A line written: how many were answered, and the seconds that all took together.
"""

import os
import select
import socket
import sys
import time

AT_ONCE = 64
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"


class Clients:
    def __init__(self, count, addresses):
        self.epoll = select.epoll()
        self.sockets = {}
        self.count, self.addresses = count, addresses

    def connect(self, number):
        client = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        self.sockets[client.fileno()] = client
        client.connect_ex((self.addresses[number % len(self.addresses)], 80))
        self.epoll.register(client, select.EPOLLOUT | select.EPOLLONESHOT)

    def ask(self, client):
        client.send(REQUEST)
        self.epoll.modify(client, select.EPOLLIN | select.EPOLLONESHOT)

    def answered(self, client):
        """The response is small: it comes in one segment. @returns whether it is the one that is wanted"""
        try:
            return client.recv(4096).startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False

    def all(self, begin, whom):
        """Begins with each, AT_ONCE of them at a time. @returns how many were answered"""
        good = under_way = 0
        whom = iter(whom)
        more = True
        while more or under_way:
            while more and under_way < AT_ONCE:
                try:
                    begin(next(whom))
                    under_way += 1
                except StopIteration:
                    more = False
                except OSError:
                    pass  # it is closed: not answered
            for number, what in self.epoll.poll(10 if under_way else 0):
                client = self.sockets[number]
                if what & select.EPOLLOUT and not what & (select.EPOLLERR | select.EPOLLHUP):
                    self.ask(client)
                else:
                    good += self.answered(client)
                    under_way -= 1
        return good

    def run(self):
        start = time.monotonic()
        good = self.all(self.connect, range(self.count))
        print(good, time.monotonic() - start, flush=True)
        for _ in sys.stdin:
            start = time.monotonic()
            good = self.all(self.ask, list(self.sockets.values()))
            print(good, time.monotonic() - start, flush=True)


Clients(int(sys.argv[1]), sys.argv[2:]).run()
os._exit(0)  # to close them one by one takes as long as the rest
