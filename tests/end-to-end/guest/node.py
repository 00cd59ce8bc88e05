# SPDX-License-Identifier: Apache-2.0
"""A weft node inside a machine, and the hosts at the other ends of its NICs."""

import json
import pathlib

import lab

PEER = pathlib.Path(__file__).with_name("peer.py")
FOLDER = "/tmp/node"  # in the machine
CLIENTS, SERVERS, OWN = ("10.9.0.0/16", "fd00:9::/64"), ("10.2.0.0/16", "fd00:2::/64"), ("10.3.0.1", "fd00:3::1")


class Host(lab.Pod):
    """A namespace whose interface is a NIC's TAP: what this host sends comes in at the NIC, its gateway."""

    def __init__(self, mesh, name, nic, address, address6):  # pylint: disable=super-init-not-called
        self.lab, self.name, self.nic = mesh, name, nic
        self.address, self.address6 = address, address6
        self.started = 0
        lab.run("ip", "netns", "add", name)
        lab.run("ip", "link", "set", nic.tap, "netns", name)
        self.run("ip", "link", "set", "lo", "up")
        self.run("ip", "link", "set", nic.tap, "up")
        for own, length, gateway in ((address, 32, "169.254.1.1"), (address6, 128, "fe80::1")):
            self.run("ip", "address", "add", f"{own}/{length}", "dev", nic.tap, "nodad")
            self.run("ip", "neighbour", "add", gateway, "lladdr", nic.mac, "dev", nic.tap, "nud", "permanent")
            self.run("ip", "route", "add", "default", "via", gateway, "dev", nic.tap, "onlink")
        # Of one connection, less than a NIC's ring holds. Where QEMU spreads packets over queues, and finds the ring of the
        # one it picked full, it stops reading the TAP queue that the packet came by, until the guest refills that queue's
        # own ring: which it may never have to.
        self.run("sysctl", "-q", "-w", "net.ipv4.tcp_wmem=4096 65536 262144")
        self.mac = json.loads(self.run("ip", "-json", "link", "show", nic.tap))[0]["address"]

    def set_mtu(self, mtu):
        self.run("ip", "link", "set", self.nic.tap, "mtu", mtu)

    def peer(self, *words, check=True):
        """Runs peer.py to its end. @returns what it printed"""
        return self.run("python3", "-B", PEER, *words, check=check).strip()

    def fetch(self, address, requests):
        """@returns how many of as many connections were answered"""
        said = self.run("curl", "-sS", "-m", "60", "--fail", "--fail-early", "-H", "Connection: close",
                        f"http://{address}/?[1-{requests}]")
        return len(said.split())

    def damaged(self, address, port, count):
        """Sends datagrams with wrong checksums."""
        self.peer("damaged", self.nic.tap, self.nic.mac, self.address, address, port, count)

    def checksum_errors(self):
        """Datagrams that the host's kernel found to be damaged."""
        names, values = (line.split() for line in self.run("cat", "/proc/net/snmp").splitlines() if line.startswith("Udp:"))
        return int(dict(zip(names, values))["InCsumErrors"])


class Node:
    """weftd in the machine, between two of its NICs: clients at the first, servers at the second."""

    def __init__(self, machine, front, back):
        self.machine, self.front, self.back = machine, front, back
        self.pid = None
        machine.run("mkdir", "-p", f"{FOLDER}/registry")

    def put(self, name, *documents):
        self.machine.write(f"{FOLDER}/registry/{name}", "---\n".join(json.dumps(document) + "\n" for document in documents))

    def port(self, name, host, networks, **more):
        return {"name": name, "device": host.nic.address, "next_hop": host.mac, "networks": list(networks),
                "descriptors": 256, **more}

    def configure(self, port=None, **changes):
        """@param port what both ports have beside the usual"""
        config = {"node": "guest", "seed": 42, "socket": f"{FOLDER}/weft.sock", "registry": {"folder": f"{FOLDER}/registry"},
                  "workers": {"cores": [0, 1]}, "flows": {"capacity": 4096, "capacity_ipv6": 1024},
                  "memory": {"huge_pages": True, "megabytes": 192, "buffers": 4096, "jumbo_buffers": 2048},
                  "snat": {"addresses": list(OWN)},
                  "ports": [self.port("front", self.front, CLIENTS, **(port or {})),
                            self.port("back", self.back, SERVERS, **(port or {}))], **changes}
        self.machine.write(f"{FOLDER}/node.yaml", json.dumps(config))

    def refuses(self):
        """@returns the one line with which weftd does not start"""
        code, said = self.machine.try_run(lab.BUILD / "weftd", "--config", f"{FOLDER}/node.yaml")
        assert code == 69, f"exit code {code}: {said}"
        line, = said.splitlines()
        return line

    def start(self):
        self.pid = self.machine.start(lab.BUILD / "weftd", "--config", f"{FOLDER}/node.yaml", log=f"{FOLDER}/log")
        lab.wait_until("weftd answers", self.answers, 120)
        lab.wait_until("the links are up", lambda: self.links() == ["up", "up"], 60)

    def answers(self):
        code, _ = self.machine.try_run(*self.weftctl("show", "version"))
        if code != 0 and self.machine.try_run("kill", "-0", self.pid)[0] != 0:
            raise lab.LabError("weftd ended:\n" + self.machine.text(f"{FOLDER}/log"))
        return code == 0

    def stop(self):
        self.machine.run("kill", self.pid)
        lab.wait_until("weftd ended", lambda: self.machine.try_run("kill", "-0", self.pid)[0] != 0, 60)

    @staticmethod
    def weftctl(*words):
        return [lab.BUILD / "weftctl", "--socket", f"{FOLDER}/weft.sock", "--json", *words]

    def ctl(self, *words):
        return json.loads(self.machine.run(*self.weftctl(*words)))

    def verdicts(self):
        return {row["name"]: row["packets"] for row in self.ctl("show", "drops")["workers"]}

    def ports(self):
        """What each port says, once, and what its queues received, by worker."""
        rows = self.ctl("show", "ports")
        return {name: {**next(row for row in rows if row["port"] == name),
                       "received": [row["received"] for row in rows if row["port"] == name]}
                for name in ("front", "back")}

    def links(self):
        return [port["link"] for port in self.ports().values()]

    def check_books(self):
        for worker in self.ctl("show", "workers"):
            ended = sum(worker[outcome] for outcome in ("transmitted", "delivered", "passed", "handed_over", "dropped"))
            assert worker["received"] + worker["taken_over"] + worker["originated"] == ended, worker
