# SPDX-License-Identifier: Apache-2.0
"""Huge pages for as long as somebody holds them.

    huge_pages.py PAGES     reserves what is missing of so many free pages of 2 MiB, says "ready" or why not, waits for the
                            end of its standard input, gives back what it reserved

A process of its own, so that the pages are given back however its holder ends. The kernel's own file is the lock: one
holder at a time.
"""

import fcntl
import pathlib
import signal
import subprocess
import sys

FOLDER = pathlib.Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


class HugePages:
    """Holds the pages until the process ends or release() is called. In the namespaces where the process runs that is to
    outlive all others."""

    def __init__(self, pages):
        self.process = subprocess.Popen([sys.executable, __file__, str(pages)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, text=True, start_new_session=True)
        said = self.process.stdout.readline().strip()
        if said != "ready":
            raise SystemExit(said or "no huge pages")

    def release(self):
        self.process.stdin.close()
        self.process.wait()


def read(name):
    return int((FOLDER / name).read_text())


def add(pages):
    (FOLDER / "nr_hugepages").write_text(str(read("nr_hugepages") + pages))


def hold(wanted):
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    with open(FOLDER / "nr_hugepages") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        before = read("nr_hugepages")
        add(max(0, wanted - read("free_hugepages")))
        added = read("nr_hugepages") - before
        try:
            enough = read("free_hugepages") >= wanted
            print("ready" if enough else f"no memory for {wanted} huge pages of 2 MiB", flush=True)
            sys.stdin.read()
        finally:
            add(-added)


if __name__ == "__main__":
    hold(int(sys.argv[1]))
