# SPDX-License-Identifier: Apache-2.0
"""The guest's process 1: does what the test asks for, one JSON document a line over a virtio serial port.

    {"run": [command, ...], "seconds": n}    to its end: {"code": ..., "said": ...}
    {"start": [command, ...], "log": path}   in the background: {"pid": ...}
    {"write": path, "text": ...}             {}; how drivers are bound, too
    {"read": path}                           {"text": ...}

What fails is {"error": ...}. Ends the guest when the test closes the port.
"""

import glob
import json
import os
import subprocess


def start(command, log):
    with open(log, "wb") as output:
        return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True)


def answer(request):
    if "run" in request:
        done = subprocess.run(request["run"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=request["seconds"])
        return {"code": done.returncode, "said": done.stdout}
    if "start" in request:
        return {"pid": start(request["start"], request["log"]).pid}
    if "write" in request:
        # Unbuffered, and at once: sysfs takes a value by one write, and says no there.
        file = os.open(request["write"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(file, request["text"].encode())
        finally:
            os.close(file)
        return {}
    with open(request["read"], encoding="utf-8") as file:
        return {"text": file.read()}


os.environ["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
with open(glob.glob("/dev/vport*")[0], "r+b", buffering=0) as port:
    requests = open(port.fileno(), "rb", closefd=False)
    port.write(b'{"ready": true}\n')
    for line in requests:
        try:
            reply = answer(json.loads(line))
        except (OSError, ValueError, KeyError, subprocess.TimeoutExpired) as error:
            reply = {"error": str(error)}
        data = json.dumps(reply).encode() + b"\n"
        while data:
            data = data[port.write(data):]
with open("/proc/sysrq-trigger", "w", encoding="ascii") as trigger:
    trigger.write("o")
