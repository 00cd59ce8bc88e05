# SPDX-License-Identifier: Apache-2.0
"""What a virtual machine does to a measurement, told apart from what is measured.

Its two cores may or may not share a cache, and that changes under way: where a line takes 300 cycles there and back, testpmd
spends 75 a packet, and where it takes 1,400, 190. So the distance is asked before and after each trial, and a trial counts
if it was NEAR at both times. Others on the machine take time too: bed.undisturbed() keeps them out, and how well is in a
trial's `disturbed`.
"""

import subprocess
import time

import lab

NEAR = 700  # cycles: cores that share a level of cache
DISTURBED = 0.002  # of a trial's time
PATIENCE = 2.0  # seconds to wait for the cores to come near


class Pace:
    def __init__(self, cores, deadline):
        self.command = list(map(str, [lab.BUILD / "bench/bench-round-trip", *cores]))
        self.deadline = deadline

    def apart(self):
        return int(subprocess.run(self.command, stdout=subprocess.PIPE, text=True, check=True).stdout)

    def wait(self):
        end = min(self.deadline, time.monotonic() + PATIENCE)
        while (apart := self.apart()) > NEAR and time.monotonic() < end:
            time.sleep(0.02)  # the machine's, to move cores in
        return apart

    def keep(self, trial, tries):
        """A trial's result, made again up to so many times while it is not a good one."""
        for _ in range(tries):
            before = self.wait()
            result = trial()
            result["apart"] = max(before, self.apart())
            if self.good(result) or time.monotonic() > self.deadline:
                break
        return result

    @staticmethod
    def good(trial):
        return trial["apart"] <= NEAR and trial["disturbed"] <= DISTURBED

    def best(self, trials):
        """Those that count: the good ones if there are any."""
        return list(filter(self.good, trials)) or trials
