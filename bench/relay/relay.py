#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the relay moves beside what plain L4 forwarding moves: iperf3 from one pod to another, through the same weftd with one
worker, to a service of mode nat and to one of mode proxy in turn. scripts/bench relay.

Kernels send and take the bytes, on the same cores as the worker: the ratio is the figure, not the bit rates.
"""

import argparse
import datetime
import json
import os
import platform
import statistics
import sys

import lab

ROUNDS = 5
SECONDS = 3
MODES = {"nat": "10.96.0.10", "proxy": "10.96.0.11"}
STREAMS = (1, 8)


def bits_per_second(client, vip, streams):
    report = json.loads(client.run("iperf3", "-c", vip, "-t", str(SECONDS), "-O", "0.5", "-P", str(streams), "-J"))
    if "error" in report:
        raise lab.LabError(report["error"])
    return report["end"]["sum_received"]["bits_per_second"], report["end"]["sum_sent"]["retransmits"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--json", action="store_true", help="Google Benchmark's JSON on standard output")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()

    lab.enter()
    mesh = lab.Lab()
    client, server = mesh.pod("client", "10.1.0.1"), mesh.pod("server", "10.1.0.10")
    server.start("iperf3", "-s")
    lab.wait_until("iperf3 listens", lambda: server.run("ss", "-ltnH", "sport = :5201"))
    for mode, vip in MODES.items():
        mesh.put(f"{mode}.yaml", mesh.service(mode, vip, 5201, app_protocol="tcp"), mesh.slice(mode, [server], 5201),
                 mesh.policy(mode, forwarding={"mode": mode}))
    mesh.configure(workers={"cores": [0]}, memory={"megabytes": 256}, snat={"addresses": ["10.9.0.1"]})
    mesh.start_weftd()

    moved = {(streams, mode): [] for streams in STREAMS for mode in MODES}
    retransmits = dict.fromkeys(moved, 0)
    for _ in range(options.rounds):
        for (streams, mode), rates in moved.items():
            rate, again = bits_per_second(client, MODES[mode], streams)
            rates.append(rate)
            retransmits[streams, mode] += again
            print(f"relay/{mode}/streams:{streams}: {rate / 1e9:.2f} Gbit/s, {again} retransmitted", file=sys.stderr)
    benchmarks = []
    for streams in STREAMS:
        for mode in MODES:
            median = statistics.median(moved[streams, mode])
            benchmarks.append({
                "name": f"relay/{mode}/streams:{streams}", "run_type": "iteration", "iterations": options.rounds,
                "bits_per_second": median, "retransmitted": retransmits[streams, mode],
                "of_nat": statistics.median(mine / plain for mine, plain in zip(moved[streams, mode], moved[streams, "nat"]))})
    if options.json:
        context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "host_name": platform.node(),
                   "num_cpus": os.cpu_count()}
        json.dump({"context": context, "benchmarks": benchmarks}, sys.stdout, indent=2)
        print()
    else:
        for row in benchmarks:
            print(f"{row['name']:24} {row['bits_per_second'] / 1e9:6.2f} Gbit/s  {100 * row['of_nat']:4.0f} % of nat  "
                  f"{row['retransmitted']:6} retransmitted")


if __name__ == "__main__":
    main()
