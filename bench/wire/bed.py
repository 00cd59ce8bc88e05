# SPDX-License-Identifier: Apache-2.0
"""What scripts/bench wire puts on the two cores: the generator on one, and on the other weftd or testpmd, joined by a
memif whose client, the forwarder, lends its memory (no copy). Everything ends with the process that made it."""

import contextlib
import json
import os
import pathlib
import re
import select
import subprocess
import time

import lab

MEMORY_MIB = 128
WARM_UPS = 8
BUFFERS = 16384
RING_LOG2 = 10  # 1,024 descriptors, as memif has if nothing is said
NAME = "net_memif0,role=client,zero-copy=yes,socket-abstract=no,rsize={},socket={}"


def cores():
    """The generator's and the forwarder's."""
    allowed = sorted(os.sched_getaffinity(0))
    if len(allowed) < 2:
        raise SystemExit("this needs two cores: one generates, one forwards")
    return allowed[0], allowed[-1]


def polling_threads(pids):
    """Their folders in /proc."""
    for pid in pids:
        for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if re.match("bench-generator|rte-worker", (thread / "comm").read_text()):
                    yield thread


def waited(pids):
    """Nanoseconds that the polling threads stood in line for their cores: what others took of them."""
    return sum(int((thread / "schedstat").read_text().split()[1]) for thread in polling_threads(pids))


@contextlib.contextmanager
def undisturbed(pids):
    """Nobody else gets these threads' cores; and then, for as long, everybody else does. Without the right to say so, the
    threads take their chance."""
    def schedule(policy, priority):
        with contextlib.suppress(PermissionError):
            for thread in polling_threads(pids):
                os.sched_setscheduler(int(thread.name), policy, os.sched_param(priority))
    start = time.monotonic()
    schedule(os.SCHED_FIFO, 1)
    try:
        yield
    finally:
        schedule(os.SCHED_OTHER, 0)
    time.sleep(time.monotonic() - start)


class Talk:
    """A process that answers lines with lines."""

    def __init__(self, command, log, core=None):
        prepare = None if core is None else lambda: os.sched_setaffinity(0, {core})
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=open(log, "wb"), preexec_fn=prepare)
        self.log, self.rest = log, ""

    @property
    def pid(self):
        return self.process.pid

    def say(self, line):
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def hear(self, pattern, seconds=10):
        """The match of the first line that fits."""
        deadline = time.monotonic() + seconds
        while True:
            *lines, self.rest = self.rest.split("\n")
            for i, line in enumerate(lines):
                if found := re.search(pattern, line):
                    self.rest = "\n".join([*lines[i + 1:], self.rest])
                    return found
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                raise lab.LabError(f"{self.process.args[0]} said no '{pattern}'\n{open(self.log).read()}")
            data = os.read(self.process.stdout.fileno(), 65536).decode()
            if not data:
                raise lab.LabError(f"{self.process.args[0]} ended:\n{open(self.log).read()}")
            self.rest += data

    def stop(self):
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Bed:
    """A generator and a forwarder. Call only in namespaces of one's own (lab.enter())."""

    untouched = False  # do packets come back with the address that they went to?

    def __init__(self):
        self.mesh = lab.Lab()
        self.core_generator, self.core = cores()
        socket = self.mesh.folder / "memif.sock"
        self.device = NAME.format(RING_LOG2, socket)
        self.generator = Talk([lab.BUILD / "bench/bench-generator", "--socket", socket], self.mesh.folder / "generator",
                              self.core_generator)
        lab.wait_until("the generator listens", socket.exists)

    def order(self, flows, rate, milliseconds, check=""):
        self.generator.say(f"{flows} {rate:.0f} {milliseconds} {check}")
        return json.loads(self.generator.hear(r"^\{.*\}$", 10 + milliseconds / 1000)[0])

    def warm(self, flows):
        """The first packets of all flows, and whether what comes back is what was meant to."""
        lab.wait_until("a packet comes back", lambda: self.order(1, 1000, 10)["received"] > 0, 20)
        for _ in range(WARM_UPS):
            with undisturbed(self.pids):
                result = self.order(flows, 2e6, 100 + flows // 1800, "check")
            expected = result["received"] if self.untouched else 0
            if result["received"] == 0 or result["wrong"] != 0 or result["untouched"] != expected:
                raise lab.LabError(f"not what was to come back: {result}")
            if self.knows(flows):
                return
        raise lab.LabError(f"the forwarder does not know {flows} flows after {WARM_UPS} rounds of them")

    def trial(self, flows, rate, milliseconds):
        """What the generator says of it, busy cycles a packet, and which share of the time others had the cores."""
        books = self.books()
        with undisturbed(self.pids):
            before = waited(self.pids)
            result = self.order(flows, rate, milliseconds)
            result["disturbed"] = (waited(self.pids) - before) / 1e9 / result["seconds"]
        cycles, packets = (after - earlier for after, earlier in zip(self.books(), books))
        result["cycles"] = cycles / max(packets, 1)
        return result

    def knows(self, flows):
        """Has it met all flows?"""
        return True

    @property
    def pids(self):
        return self.generator.pid, self.forwarder_pid


class Weft(Bed):
    def __init__(self, flow_capacity):
        super().__init__()
        endpoints = [type("Endpoint", (), {"address": f"10.2.0.{i}", "name": f"endpoint-{i}"}) for i in range(1, 101)]
        self.mesh.put("wire.yaml", self.mesh.service("wire", "10.96.0.1", 80, "UDP"),
                      self.mesh.slice("wire", endpoints, 8080, "UDP"))
        self.mesh.configure(
            pods=None, workers={"cores": [self.core], "idle": {"mode": "busy"}},
            memory={"huge_pages": True, "megabytes": MEMORY_MIB, "buffers": BUFFERS}, flows={"capacity": flow_capacity},
            ports=[{"name": "wire", "device": self.device, "next_hop": "02:00:00:00:00:02"}])
        self.mesh.start_weftd(attach=False)
        self.forwarder_pid = self.mesh.weftd.pid

    def knows(self, flows):
        worker, = self.mesh.ctl("show", "workers")
        return worker["flows"] >= flows

    def books(self):
        worker, = self.mesh.ctl("show", "workers")
        return worker["busy_cycles"], worker["received"]

    def stop(self):
        self.mesh.check_books()
        self.generator.stop()
        self.mesh.weftd.stop()


class Testpmd(Bed):
    untouched = True

    def __init__(self, mode):
        super().__init__()
        self.testpmd = Talk(
            ["stdbuf", "-oL", "dpdk-testpmd", "--in-memory", "--single-file-segments", "--no-pci", "--no-telemetry",
             "--lcores", f"0@{self.core_generator},1@{self.core}", "--socket-mem", MEMORY_MIB, "--vdev", self.device,
             "--", "--interactive", f"--forward-mode={mode}", "--port-topology=loop", "--record-core-cycles",
             f"--total-num-mbufs={BUFFERS}"], self.mesh.folder / "testpmd")
        self.forwarder_pid = self.testpmd.pid
        self.testpmd.say("start")
        self.testpmd.hear("packet forwarding - ports")

    def books(self):
        """Busy cycles and packets since its start, of which there must be some."""
        self.testpmd.say("show fwd stats all")
        seen = self.testpmd.hear(r"total cycles=(\d+) / total \w+ packets=(\d+)")
        return int(seen[1]), int(seen[2])

    def stop(self):
        self.generator.stop()
        self.testpmd.say("quit")
        self.testpmd.stop()
