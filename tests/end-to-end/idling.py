# SPDX-License-Identifier: Apache-2.0
"""An idle worker gives its core away, unless it is told not to."""

import os
import pathlib
import time

import lab

lab.enter()
mesh = lab.Lab()

def cpu_share(seconds=1.0):
    """Of one core, by the process's own account."""
    def ticks():
        fields = pathlib.Path(f"/proc/{mesh.weftd.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])
    begin, start = ticks(), time.monotonic()
    lab.wait_until("the time to measure is over", lambda: time.monotonic() - start >= seconds)
    return (ticks() - begin) / os.sysconf("SC_CLK_TCK") / (time.monotonic() - start)

mesh.start_weftd()
adaptive = cpu_share()
worker, = mesh.ctl("show", "workers")
assert worker["sleeps"] > 100 and worker["busy_percent"] < 5, worker
mesh.weftd.stop()

mesh.configure(workers={"cores": [0], "idle": {"mode": "busy"}})
mesh.start_weftd()
busy = cpu_share()
assert mesh.ctl("show", "workers")[0]["sleeps"] == 0
print(f"of a core: {adaptive:.0%} adaptive, {busy:.0%} busy")
# Other tests share the machine: what counts is the ratio.
assert adaptive < 0.3 and adaptive < busy / 2, (adaptive, busy)
