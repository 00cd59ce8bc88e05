# SPDX-License-Identifier: Apache-2.0
"""A cluster of real etcd members on loopback, each a process that can be killed, paused and started again."""

import json
import os
import signal

import lab

CLIENT_PORT, PEER_PORT = 23790, 23890  # of the first member
RESOURCES, ENDPOINTS = "/weft/v1/resources", "/weft/v1/endpoints"


class Member:
    def __init__(self, cluster, number):
        self.cluster, self.name = cluster, f"etcd-{number}"
        self.url, self.peer_url = f"http://127.0.0.1:{CLIENT_PORT + number}", f"http://127.0.0.1:{PEER_PORT + number}"
        self.process = None

    def start(self):
        cluster = ",".join(f"{each.name}={each.peer_url}" for each in self.cluster.members)
        self.process = lab.Process(
            ["etcd", "--name", self.name, "--data-dir", self.cluster.folder / self.name, "--listen-client-urls", self.url,
             "--advertise-client-urls", self.url, "--listen-peer-urls", self.peer_url, "--initial-advertise-peer-urls", self.peer_url,
             "--initial-cluster", cluster, "--heartbeat-interval", "50", "--election-timeout", "500", "--logger", "zap",
             "--log-level", "error"],
            self.cluster.folder / f"{self.name}.log")

    def kill(self):
        self.process.kill()

    def pause(self):
        os.kill(self.process.pid, signal.SIGSTOP)

    def resume(self):
        os.kill(self.process.pid, signal.SIGCONT)


class Cluster:
    """Started, and with a leader. Its data lies in the lab's folder, and goes with it."""

    def __init__(self, folder, members=3):
        self.folder = folder / "etcd"
        self.folder.mkdir()
        self.members = []
        self.members += [Member(self, number) for number in range(members)]
        for member in self.members:
            member.start()
        self.wait()

    @property
    def urls(self):
        return [member.url for member in self.members]

    def ctl(self, *words, at=None, **options):
        """etcdctl's answer, of one member alone if it is named."""
        return lab.run("etcdctl", "--endpoints", at.url if at else ",".join(self.urls), *words,
                       env={**os.environ, "ETCDCTL_API": "3"}, **options)

    def wait(self):
        """Until it takes writes."""
        lab.wait_until("etcd has a leader", lambda: "OK" in self.ctl("put", "/probe", "1", check=False), 60)

    def leader(self):
        def says_so_itself(member):
            status, = json.loads(self.ctl("endpoint", "status", "-w", "json", at=member))
            return status["Status"]["header"]["member_id"] == status["Status"]["leader"]
        return next(member for member in self.members if member.process.running() and says_so_itself(member))

    def put(self, key, document, *words):
        return self.ctl("put", key, json.dumps(document), *words)

    def put_resource(self, document):
        name, namespace = document["metadata"]["name"], document["metadata"].get("namespace", "default")
        return self.put(f"{RESOURCES}/{document['kind']}/{namespace}/{name}", document)

    def grant(self, seconds):
        """@returns the lease's number, in hexadecimal as etcdctl takes it"""
        return self.ctl("lease", "grant", str(seconds)).split()[1]

    def register(self, service, name, address, port=8080, lease=None, namespace="default"):
        """An instance, as one that registers itself does."""
        return self.put(f"{ENDPOINTS}/{namespace}/{service}/{name}", {"addresses": [address], "port": port},
                        *(["--lease", lease] if lease else []))
