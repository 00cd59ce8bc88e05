#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""weft and testpmd in each other's place, at the end of a memif: busy cycles a packet, and throughput. scripts/bench wire.

In each round, for each case: the first packets of all flows, checked; trials at as many packets as are taken (floods), for
cycles and most packets; then bisection for the highest rate at which no more than LOSS of what was offered is missing in
one of TRIES trials, as a machine's hiccup is not the forwarder's. Figures are medians of floods, the best of the rounds for
the rate without loss. What a virtual machine adds is kept out as far as it goes: see pace.py. docs/benchmarks.md says how to
read the figures.
"""

import argparse
import datetime
import json
import os
import platform
import re
import statistics
import sys
import time

import lab
from bed import BUFFERS, MEMORY_MIB, Testpmd, Weft, cores
from huge_pages import HugePages
from pace import Pace

FLOWS = (1, 1024, 100_000, 1_000_000)
FLOW_CAPACITY = {1_000_000: 1 << 21}  # a table more than half full forgets flows whose endpoint says nothing after a second
DEFAULT_CAPACITY = 1 << 18  # weftd's own
LOSS = 1e-5
ROUNDS = 3
FLOODS, FLOOD_MS = 5, 60
STEPS, STEP_MS = 6, 100
TRIES = 3
SECONDS = 90  # after which nothing is waited for or tried again, and no round begun


class Case:
    """One forwarder and number of flows; what came of it."""

    def __init__(self, name, make, flows, pace):
        self.name, self.make, self.flows, self.pace = name, make, flows, pace
        self.floods, self.no_loss = [], []

    def run(self):
        bed = self.make()
        bed.warm(self.flows)
        floods = [self.pace.keep(lambda: bed.trial(self.flows, 0, FLOOD_MS), TRIES) for _ in range(FLOODS)]
        self.floods += floods
        most = max(flood["received"] / flood["seconds"] for flood in floods)
        self.no_loss.append(self.bisect(bed, 1.1 * most))
        bed.stop()
        cycles, apart = (statistics.median(flood[key] for flood in floods) for key in ("cycles", "apart"))
        print(f"{self.name}: {cycles:.0f} cycles a packet, {most / 1e6:.2f} Mpps, {self.no_loss[-1] / 1e6:.2f} without loss, "
              f"cores {apart} cycles apart", file=sys.stderr)

    def carried(self, bed, rate):
        """Packets a second of a trial at this rate without loss, the first of TRIES; else nothing."""
        for _ in range(TRIES):
            result = self.pace.keep(lambda: bed.trial(self.flows, rate, STEP_MS), 1)
            if result["offered"] - result["received"] <= LOSS * result["offered"]:
                return result["received"] / result["seconds"]
        return None

    def bisect(self, bed, high):
        low, best = 0, 0
        for _ in range(STEPS):
            rate = (low + high) / 2
            carried = self.carried(bed, rate)
            if carried is None:
                high = rate
            else:
                low, best = rate, carried
        return best

    def benchmark(self, index, testpmd):
        """As Google Benchmark's JSON has it. An iteration is a packet."""
        ours, theirs = self.pace.best(self.floods), self.pace.best(testpmd.floods)
        cycles = statistics.median(flood["cycles"] for flood in ours)
        most = statistics.median(flood["received"] / flood["seconds"] for flood in ours)
        return {"name": self.name, "family_index": index, "per_family_instance_index": 0, "run_name": self.name,
                "run_type": "iteration", "repetitions": 1, "repetition_index": 0, "threads": 1,
                "iterations": sum(flood["received"] for flood in ours), "real_time": 1e9 / most, "cpu_time": 1e9 / most,
                "time_unit": "ns", "cycles_per_packet": cycles, "packets_per_second": most,
                "no_loss_packets_per_second": max(self.no_loss),
                "cycles_ratio_to_testpmd": cycles / statistics.median(flood["cycles"] for flood in theirs),
                "ratio_to_testpmd": max(self.no_loss) / max(1, *testpmd.no_loss),
                "floods": len(ours), "cores_apart_cycles": statistics.median(flood["apart"] for flood in ours),
                "disturbed_percent": max(100 * flood["disturbed"] for flood in ours)}


def cases(pattern, pace):
    """testpmd's macswap, which the ratios are to, is always one."""
    all_cases = [Case(f"wire/testpmd/{mode}", lambda mode=mode: Testpmd(mode), 1, pace) for mode in ("macswap", "io")]
    all_cases += [Case(f"wire/nat4/udp/flows:{flows}",
                       lambda flows=flows: Weft(FLOW_CAPACITY.get(flows, DEFAULT_CAPACITY)), flows, pace)
                  for flows in FLOWS]
    return all_cases[:1] + [case for case in all_cases[1:] if re.search(pattern, case.name)]


def table(benchmarks):
    columns = ("cycles_per_packet", "packets_per_second", "no_loss_packets_per_second", "cycles_ratio_to_testpmd",
               "ratio_to_testpmd", "cores_apart_cycles", "disturbed_percent")
    width = max(len(benchmark["name"]) for benchmark in benchmarks)
    print(" " * width, *columns)
    for benchmark in benchmarks:
        print(benchmark["name"].ljust(width),
              *(f"{benchmark[column]:{len(column)}.{0 if benchmark[column] > 1e4 else 2}f}" for column in columns))


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench wire")
    parser.add_argument("--json", action="store_true", help="Google Benchmark's JSON on standard output")
    parser.add_argument("--benchmark_filter", default="", metavar="REGEX", help="of the cases' names")
    options = parser.parse_args()
    pages = None if os.environ.get(lab.IN_LAB) else HugePages(MEMORY_MIB // 2 + 16)
    lab.enter()
    del pages  # whoever made them holds them, outside
    deadline = time.monotonic() + SECONDS
    chosen = cases(options.benchmark_filter, Pace(cores(), deadline))
    for done in range(ROUNDS):
        if done == 0 or time.monotonic() < deadline:
            for case in chosen:
                case.run()
    benchmarks = [case.benchmark(index, chosen[0]) for index, case in enumerate(chosen)]
    if not options.json:
        table(benchmarks)
        return
    context = {"date": datetime.datetime.now().astimezone().isoformat(timespec="seconds"), "host_name": platform.node(),
               "executable": "scripts/bench wire", "num_cpus": os.cpu_count(), "load_avg": os.getloadavg(),
               "library_build_type": "release", "buffers": BUFFERS, "loss": LOSS}
    json.dump({"context": context, "benchmarks": benchmarks}, sys.stdout, indent=2)
    print()


main()
