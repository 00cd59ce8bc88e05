# SPDX-License-Identifier: Apache-2.0
"""The arrows of ARCHITECTURE.md hold by construction: for every pair of rooms, an include compiles only if it may."""

import json
import pathlib
import shlex
import subprocess
import sys

MAY_INCLUDE = {
    "lb": set(),
    "etcd": set(),
    "registry-sync": {"lb", "etcd"},
    "registrar": {"lb", "etcd", "registry-sync"},
    "rehearsal": {"lb", "etcd", "registry-sync", "registrar"},
    "bpf": set(),
    "time": set(),
    "packet": {"lb"},
    "flow": {"lb", "packet", "time"},
    "dns": {"lb"},
    "resolver": {"lb", "dns"},
    "l4": {"lb", "packet", "time", "flow", "dns"},
    "buffer": set(),
    "tcp": {"lb", "packet", "time", "buffer"},
    "http": {"lb", "buffer"},
    "proxy": {"lb", "packet", "time", "buffer", "tcp", "http", "dns"},
    "runtime": {"lb", "packet", "time", "flow", "l4", "buffer", "tcp", "http", "proxy", "dns"},
    "pods": {"lb", "bpf"},
    "kernel": {"lb", "bpf", "packet", "time", "flow", "l4", "pods", "dns"},
    "node": {"lb", "etcd", "registry-sync", "bpf", "packet", "time", "flow", "l4", "runtime", "pods", "kernel", "buffer", "tcp",
             "http", "proxy", "dns", "resolver"},
    "ops": {"lb", "etcd", "registry-sync", "bpf", "packet", "time", "flow", "l4", "runtime", "pods", "kernel", "node", "buffer",
            "tcp", "http", "proxy", "dns", "resolver"},
}
KNOWS_DPDK = {"runtime"}

source, build = (pathlib.Path(path).resolve() for path in sys.argv[1:3])
commands = json.loads((build / "compile_commands.json").read_text())


def folder(room):
    places = (source / room, source / "registry-sync" / room, source / "dataplane" / room)
    return next(place for place in places if place.is_dir())


def compiler(room):
    """How the room is compiled, in one unit or file by file, up to a file's name. A room of headers alone sees no more than its
    roots."""
    for command in commands:
        place = (build / command["file"]).resolve().parent
        if place == folder(room).resolve() or place.name == f"lib{room}.a.p":
            words = shlex.split(command["command"])
            return [word for word in words if not word.startswith(("-M", "-o", "-c"))
                    and not word.endswith((".o", ".d", ".cc", ".cpp"))]
    return ["c++", "-std=c++20", f"-I{build}/rooms/{room}"]


def compiles(room, include):
    done = subprocess.run([*compiler(room), "-E", "-x", "c++", "-o", "/dev/null", "-"], cwd=build, text=True,
                          input=f"#include {include}\n", capture_output=True)
    return done.returncode == 0


wrong = []
for room, allowed in MAY_INCLUDE.items():
    for other in MAY_INCLUDE:
        header = f'"{other}/{min(folder(other).glob("*.h")).name}"'
        # Another room's header may itself include what this room may not see: only a room's own are sure to compile.
        if other == room and not compiles(room, header):
            wrong.append(f"{room} can't include its own {header}")
        if other != room and other not in allowed and compiles(room, header):
            wrong.append(f"{room} can include {header}")
    if compiles(room, "<rte_mbuf.h>") != (room in KNOWS_DPDK):
        wrong.append(f"{room} and DPDK")
print("\n".join(wrong) or f"{len(MAY_INCLUDE)} rooms, no include against the arrows")
sys.exit(bool(wrong))
