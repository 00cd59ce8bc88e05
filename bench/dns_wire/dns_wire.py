#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""dnsperf -> name server, in network namespaces over veth: weft, unbound and dnsmasq in turn. scripts/bench dns-wire.

The server has one core to itself and one thread, dnsperf the other core. All know the same names, and are asked the same
questions. dnsperf may well be the slower one: so beside its queries a second each query's cost to the server's core is told, and what
that core could answer if it did nothing else. docs/benchmarks.md says how to read the figures.
"""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import random
import re
import statistics
import sys
import time

import lab

ROUNDS = 5
SECONDS = 3
SERVICES = 1000
QUERIES = 20000
DOMAIN = "cluster.local"
NODE, VIP = "10.2.0.1", "10.96.255.10"
FIRST = ("nice", "-n", "-20")  # all that is measured, so that what else the machine does waits


def name(number):
    return f"service-{number}.default.svc.{DOMAIN}"


def addresses(number):
    return f"10.96.{number // 250}.{number % 250 + 1}", f"fd00:96::{number + 1:x}"


@dataclasses.dataclass
class Usage:
    """Of its core by a server, since some time: that it worked, of all that there was, in one unit."""

    worked: int
    all: int

    def __sub__(self, before):
        return Usage(self.worked - before.worked, self.all - before.all)


class Peer:
    """A server of sockets, with one thread. Its usage is user and system time, with what softirq did in its context."""

    address = NODE

    def __init__(self, mesh, core):
        self.mesh, self.core = mesh, core
        self.config = mesh.folder / f"{self.name}.conf"

    def start(self):
        self.config.write_text(self.configuration())
        self.process = lab.Process(["taskset", "-c", str(self.core), *FIRST, *self.command()], self.mesh.folder / f"{self.name}.log")
        lab.wait_until(f"{self.name} listens", lambda: lab.run("ss", "-lunH", "sport = :53"), 30)

    def stop(self):
        self.process.stop()

    def usage(self):
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return Usage(sum(int((task / "schedstat").read_text().split()[0]) for task in tasks), time.monotonic_ns())


class Unbound(Peer):
    name = "unbound"

    def command(self):
        return ["unbound", "-d", "-c", self.config]

    def configuration(self):
        data = "".join(f'  local-data: "{name(i)}. 5 IN {kind} {address}"\n' for i in range(SERVICES)
                       for kind, address in zip(("A", "AAAA"), addresses(i)))
        return f"""
server:
  interface: {NODE}
  access-control: 10.0.0.0/8 allow
  num-threads: 1
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  directory: "{self.mesh.folder}"
  module-config: "iterator"
  minimal-responses: yes
  local-zone: "{DOMAIN}." static
{data}
remote-control:
  control-enable: no
"""


class Dnsmasq(Peer):
    name = "dnsmasq"

    def command(self):
        return ["dnsmasq", "--keep-in-foreground", f"--conf-file={self.config}"]

    def configuration(self):
        records = "".join(f"host-record={name(i)},{','.join(addresses(i))}\n" for i in range(SERVICES))
        return f"no-resolv\nno-hosts\nno-daemon\nuser=root\nlisten-address={NODE}\nbind-interfaces\nlocal=/{DOMAIN}/\nlocal-ttl=5\n{records}"


class Weft:
    """One worker. Its usage is the time of polls that did work, and of what the kernel did for them. It rests for 100 us where
    there was nothing to do: one that polls all the time finds one query a poll, as dnsperf sends them no faster, and has a system
    call for each answer; a worker that is busy finds as many as have come meanwhile."""

    name, address = "weft", VIP

    def __init__(self, mesh, core):
        self.mesh, self.core = mesh, core

    def start(self):
        mesh = self.mesh
        services = []
        for number in range(SERVICES):
            service = mesh.service(f"service-{number}", addresses(number)[0])
            service["spec"]["clusterIPs"] = list(addresses(number))
            service["metadata"]["annotations"] = {"weft.dev/maglev-table-size": "251"}
            services.append(service)
        mesh.put("services.yaml", *services)
        mesh.configure(workers={"cores": [self.core], "idle": {"spin_us": 0, "pause_us": 0, "sleep_us": 100}}, dns={"addresses": [VIP], "domain": DOMAIN})
        mesh.start_weftd()
        for task in pathlib.Path(f"/proc/{mesh.weftd.pid}/task").iterdir():
            if (task / "comm").read_text().startswith("rte-worker"):
                os.setpriority(os.PRIO_PROCESS, int(task.name), int(FIRST[-1]))

    def stop(self):
        self.mesh.check_books()
        self.mesh.weftd.stop()

    def usage(self):
        worker, = self.mesh.ctl("show", "workers")
        return Usage(worker["busy_cycles"], worker["busy_cycles"] + worker["idle_cycles"])


class Bed:
    def __init__(self, core, client_core):
        self.beside = ("taskset", "-c", client_core, *FIRST)
        self.mesh = lab.Lab()
        self.client = self.mesh.pod("client", "10.1.0.1")
        self.mesh.ip("address", "add", NODE + "/32", "dev", "lo")
        self.questions = self.mesh.folder / "questions"
        picked = random.Random(1)
        lines = [f"{name(picked.randrange(SERVICES))} {picked.choice(('A', 'AAAA'))}" for _ in range(QUERIES)]
        self.questions.write_text("\n".join(lines) + "\n")
        self.servers = [Weft(self.mesh, core), Unbound(self.mesh, core), Dnsmasq(self.mesh, core)]

    def answers(self, server):
        """Do both families of a name come, as they should?"""
        for kind, address in zip(("A", "AAAA"), addresses(SERVICES - 1)):
            if self.client.run("dig", "+short", "+time=1", "+tries=1", f"@{server.address}", name(SERVICES - 1), kind, check=False).split() != [address]:
                return False
        return True

    def measure(self, server):
        before, start = server.usage(), time.monotonic()
        said = self.client.run(*self.beside, "dnsperf", "-s", server.address, "-d", self.questions, "-l", SECONDS, "-c", 8, "-T", 1, "-q", 500)
        after, elapsed = server.usage(), time.monotonic() - start

        def said_of(what):
            return float(re.search(rf"{what}:\s+([\d.]+)", said)[1])

        completed, lost = said_of("Queries completed"), said_of("Queries lost")
        if f"NOERROR {completed:.0f} (100.00%)" not in said:
            raise lab.LabError(f"{server.name} answered with errors:\n{said}")
        used = after - before
        cost = 1e6 * elapsed * used.worked / used.all / completed
        return {"queries": completed, "queries_per_second": said_of("Queries per second"), "cpu_us_per_query": cost,
                "capacity_per_core": 1e6 / cost, "latency_us": 1e6 * said_of(r"Average Latency \(s\)"), "lost_percent": 100 * lost / (completed + lost)}


def benchmark(index, label, rounds):
    """As Google Benchmark's JSON has it. An iteration is a query."""
    figures = {key: statistics.median(result[key] for result in rounds) for key in rounds[0] if key != "queries"}
    return {"name": label, "family_index": index, "per_family_instance_index": 0, "run_name": label, "run_type": "iteration",
            "repetitions": 1, "repetition_index": 0, "threads": 1, "iterations": int(sum(result["queries"] for result in rounds)),
            "real_time": 1e6 / figures["queries_per_second"], "cpu_time": figures["cpu_us_per_query"], "time_unit": "us", **figures}


def table(benchmarks):
    columns = ("queries_per_second", "cpu_us_per_query", "capacity_per_core", "latency_us", "lost_percent")
    width = max(len(each["name"]) for each in benchmarks)
    print(" " * width, *columns)
    for each in benchmarks:
        print(each["name"].ljust(width), *(f"{each[column]:{len(column)}.{0 if each[column] > 1e4 else 2}f}" for column in columns))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench dns-wire")
    parser.add_argument("--json", action="store_true", help="Google Benchmark's JSON on standard output")
    parser.add_argument("--benchmark_filter", default="", metavar="REGEX", help="of the cases' names")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    lab.enter()
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        raise SystemExit("this needs two cores: one for the server, one for dnsperf")
    bed = Bed(core=cores[-1], client_core=cores[0])
    results = {}
    for _ in range(options.rounds):
        for server in bed.servers:
            label = f"dns-wire/{server.name}"
            if not re.search(options.benchmark_filter, label):
                continue
            server.start()
            lab.wait_until(f"{server.name} knows the names", lambda: bed.answers(server), 30)
            result = bed.measure(server)
            results.setdefault(label, []).append(result)
            print(f"{label}: {result['queries_per_second']:.0f} queries a second, {result['cpu_us_per_query']:.2f} us each", file=sys.stderr)
            server.stop()
    benchmarks = [benchmark(index, label, rounds) for index, (label, rounds) in enumerate(results.items())]
    if not options.json:
        table(benchmarks)
        return
    context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "host_name": platform.node(),
               "executable": "scripts/bench dns-wire", "num_cpus": os.cpu_count(), "load_avg": os.getloadavg(),
               "library_build_type": "release", "rounds": options.rounds, "seconds": SECONDS, "services": SERVICES,
               "unbound": lab.run("unbound", "-V").split()[1], "dnsmasq": lab.run("dnsmasq", "--version").split()[2]}
    json.dump({"context": context, "benchmarks": benchmarks}, sys.stdout, indent=2)
    print()


main()
