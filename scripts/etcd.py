# SPDX-License-Identifier: Apache-2.0
"""A cluster of real etcd members on the loopback of a lab, and the registry in it."""

import json
import os
import shutil
import signal

import lab

PREFIX = "/weft/v1"


class Etcd:
    def __init__(self, mesh, members=3, arguments=()):
        self.mesh, self.arguments = mesh, arguments
        self.members = [None] * members
        for number in range(members):
            self.start(number)
        lab.wait_until("etcd serves", lambda: self.healthy(), 30)

    @staticmethod
    def url(number, offset=0):
        return f"http://127.0.0.1:{2379 + 100 * number + offset}"

    def urls(self):
        return [self.url(number) for number in range(len(self.members))]

    def start(self, number):
        cluster = ",".join(f"m{i}={self.url(i, 1)}" for i in range(len(self.members)))
        name = f"m{number}"
        self.members[number] = lab.Process(
            ["etcd", f"--name={name}", f"--data-dir={self.mesh.folder}/{name}.etcd", f"--listen-client-urls={self.url(number)}",
             f"--advertise-client-urls={self.url(number)}", f"--listen-peer-urls={self.url(number, 1)}",
             f"--initial-advertise-peer-urls={self.url(number, 1)}", f"--initial-cluster={cluster}",
             "--heartbeat-interval=100", "--election-timeout=1000", "--logger=zap", *self.arguments],
            self.mesh.folder / f"{name}.log")

    def kill(self, number):
        self.members[number].kill()

    def wipe(self, number):
        shutil.rmtree(f"{self.mesh.folder}/m{number}.etcd")

    def signal(self, number, what):
        os.kill(self.members[number].pid, what)

    def pause(self):
        for number in range(len(self.members)):
            self.signal(number, signal.SIGSTOP)

    def resume(self):
        for number in range(len(self.members)):
            self.signal(number, signal.SIGCONT)

    def ctl(self, *words, endpoints=None, timeout=10, **options):
        where = ",".join(endpoints or [self.url(number) for number in self.living()])
        return lab.run("etcdctl", f"--endpoints={where}", f"--command-timeout={timeout}s", *map(str, words),
                       env={**os.environ, "ETCDCTL_API": "3"}, **options)

    def living(self):
        return [number for number, member in enumerate(self.members) if member.running()]

    def healthy(self):
        """Does each member that runs answer what takes a leader?"""
        return all("OK" in self.ctl("put", "/lab", "", endpoints=[self.url(number)], timeout=2, check=False) for number in self.living())

    def leader(self):
        rows = json.loads(self.ctl("endpoint", "status", "-w", "json", check=False).splitlines()[-1])
        for row in rows:
            status = row["Status"]
            if status["leader"] == status["header"]["member_id"]:
                return self.urls().index(row["Endpoint"])
        raise lab.LabError(f"no leader: {rows}")

    def put(self, key, document, lease=None):
        words = [f"--lease={lease}"] if lease else []
        self.ctl("put", *words, f"{PREFIX}/{key}", "--", document if isinstance(document, str) else json.dumps(document))

    def delete(self, key, *options):
        self.ctl("del", *options, f"{PREFIX}/{key}")

    def grant(self, seconds):
        return self.ctl("lease", "grant", seconds).split()[1]

    def service(self, document):
        name = document["metadata"]["name"]
        self.put(f"resources/{document['kind']}/default/{name}", document)

    def instance(self, service, pod, lease=None, port=8080, **more):
        self.put(f"endpoints/default/{service}/{pod.name}", {"addresses": [pod.address], "port": port, **more}, lease)
