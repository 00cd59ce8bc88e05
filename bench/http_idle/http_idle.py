#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Clients that keep their connections and say nothing: what they take of weft's memory and time, and whether they are served after.
scripts/bench http-idle.

Real kernels' connections, from one pod to four addresses of weft's, in front of one nginx.
"""

import argparse
import datetime
import json
import math
import os
import platform
import re
import resource
import select
import subprocess
import sys
import time

import lab

CLIENTS = 100_000
ADDRESSES = [f"10.96.0.{number}" for number in (10, 11, 12, 13)]
LIMIT = 120  # seconds for each phase
QUIET = 2  # seconds in which nothing is said
MOST_BYTES = 1024  # of weftd's memory for each


class Weft:
    def __init__(self, mesh, connections):
        self.mesh = mesh
        mesh.configure(workers={"cores": [max(os.sched_getaffinity(0))]}, snat={"addresses": ["10.9.0.1"]},
                       tcp={"connections": connections})
        mesh.start_weftd()

    def resident(self):
        status = lab.pathlib.Path(f"/proc/{self.mesh.weftd.pid}/status").read_text()
        return 1024 * int(re.search(r"VmRSS:\s+(\d+)", status)[1])

    def busy(self):
        """Share of the worker's time, while nothing is said."""
        def cycles():
            worker, = self.mesh.ctl("show", "workers")
            return worker["busy_cycles"], worker["busy_cycles"] + worker["idle_cycles"]
        before = cycles()
        time.sleep(QUIET)
        after = cycles()
        return (after[0] - before[0]) / (after[1] - before[1])

    def stop(self):
        self.mesh.check_books()
        self.mesh.weftd.stop(30)


class Clients:
    """As many processes of them as the limit of open files asks for."""

    def __init__(self, pod, count):
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1] - 100
        self.count, shares = count, math.ceil(count / most)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most + 100, most + 100))
        self.processes = [subprocess.Popen(pod.inside("python3", lab.ROOT / "bench/http_idle/clients.py",
                                                      count * (share + 1) // shares - count * share // shares, *ADDRESSES),
                                           stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for share in range(shares)]

    def answered(self):
        """Requests a second, once all have been answered."""
        good, longest, end = 0, 0, time.monotonic() + LIMIT
        for process in self.processes:
            if not select.select([process.stdout], [], [], max(0, end - time.monotonic()))[0]:
                raise lab.LabError(f"the clients were not answered in {LIMIT} s")
            answered, seconds = process.stdout.readline().split()
            good, longest = good + int(answered), max(longest, float(seconds))
        if good != self.count:
            raise lab.LabError(f"{good} of {self.count} clients were answered")
        return good / longest

    def ask(self):
        for process in self.processes:
            process.stdin.write("again\n")
            process.stdin.flush()
        return self.answered()

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench http-idle")
    parser.add_argument("--json", action="store_true", help="Google Benchmark's JSON on standard output")
    parser.add_argument("--clients", type=int, default=CLIENTS)
    options = parser.parse_args()
    lab.enter()
    mesh = lab.Lab()
    pod, origin = mesh.pod("clients", "10.1.0.1"), mesh.pod("origin", "10.1.0.10")
    pod.run("sysctl", "-q", "-w", "net.ipv4.ip_local_port_range=1024 65535")
    origin.serve_http()
    for number, address in enumerate(ADDRESSES):
        mesh.put(f"web-{number}.yaml", mesh.service(f"web-{number}", address, app_protocol="http"), mesh.slice(f"web-{number}", [origin]))

    without = Weft(mesh, 64)
    resident_without = without.resident()
    without.stop()
    weft = Weft(mesh, options.clients + options.clients // 8)
    at_start = weft.resident()
    clients = Clients(pod, options.clients)
    connecting = clients.answered()
    connected = weft.resident()
    busy = weft.busy()
    again = clients.ask()
    if mesh.tcp("connections") < options.clients:
        raise lab.LabError(mesh.text("show", "tcp"))
    clients.kill()
    lab.wait_until("their connections are gone", lambda: mesh.tcp("connections") < 1000, 60)
    weft.stop()

    each = (connected - resident_without) / options.clients
    if each > MOST_BYTES:
        raise lab.LabError(f"a client takes {each:.0f} bytes")
    name = f"http-idle/clients:{options.clients}"
    row = {"name": name, "run_name": name, "run_type": "iteration", "repetitions": 1, "repetition_index": 0, "threads": 1,
           "iterations": options.clients, "real_time": 1e6 / again, "cpu_time": 1e6 / again, "time_unit": "us",
           "bytes_per_client": each,
           "of_these_at_start": (at_start - resident_without) / options.clients, "busy_percent_idle": 100 * busy,
           "connected_per_second": connecting, "requests_per_second": again}
    if options.json:
        context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "host_name": platform.node(),
                   "executable": "scripts/bench http-idle", "num_cpus": os.cpu_count(), "load_avg": os.getloadavg(),
                   "library_build_type": "release"}
        json.dump({"context": context, "benchmarks": [row]}, sys.stdout, indent=2)
        print()
    else:
        print(f"{name}: all served, and again when idle; {row['bytes_per_client']:.0f} bytes of weftd's memory each, "
              f"{row['of_these_at_start']:.0f} of them from the start; worker {row['busy_percent_idle']:.2f} % busy while they are silent; "
              f"{connecting:.0f} connected and {again:.0f} answered again a second")


main()
