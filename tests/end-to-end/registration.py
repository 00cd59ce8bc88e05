# SPDX-License-Identifier: Apache-2.0
"""weftctl register with a real etcd and a real program: in when its check passes, not ready while that fails, terminating before
the program hears of it, out when it ends, and back when etcd forgot it. And whoever registers itself, as the documentation says."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys

import lab

URL = "http://127.0.0.1:2379"
KEY = "/weft/v1/endpoints/shop/web/one"
# A web server whose health a file decides. Told to end, it first notes what the registry says of it then, and ends with 7.
PROGRAM = """
import http.server, os, signal, subprocess, sys
folder = sys.argv[1]
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if os.path.exists(folder + "/healthy") else 500)
        self.end_headers()
    def log_message(self, *_):
        pass
def end(*_):
    said = subprocess.run(["etcdctl", "get", "--print-value-only", sys.argv[2]], capture_output=True, text=True).stdout
    with open(folder + "/said", "w") as file:
        file.write(said)
    os._exit(7)
signal.signal(signal.SIGTERM, end)
http.server.ThreadingHTTPServer(("127.0.0.1", 8080), Handler).serve_forever()
"""

lab.enter()
mesh = lab.Lab()
os.environ.update(ETCDCTL_API="3", ETCDCTL_ENDPOINTS=URL, WEFT_ETCD=URL)
WEFTCTL = lab.BUILD / "weftctl"
healthy = mesh.folder / "healthy"


def start_etcd(data):
    # In memory: what is waited for here is not the disk.
    (mesh.folder / data).mkdir()
    lab.run("mount", "-t", "tmpfs", "-o", "mode=0700", "weft-etcd", mesh.folder / data)
    etcd = lab.Process(["etcd", "--name", "one", "--data-dir", mesh.folder / data / "etcd", "--listen-client-urls", URL,
                        "--advertise-client-urls", URL, "--listen-peer-urls", "http://127.0.0.1:2380",
                        "--initial-advertise-peer-urls", "http://127.0.0.1:2380",
                        "--initial-cluster", "one=http://127.0.0.1:2380"], mesh.folder / f"{data}.log")
    lab.wait_until("etcd answers", lambda: subprocess.run(["etcdctl", "endpoint", "health"], capture_output=True).returncode == 0, 30)
    return etcd


def value(key=KEY):
    text = lab.run("etcdctl", "get", "--print-value-only", key)
    return json.loads(text) if text.strip() else None


def conditions(key=KEY):
    found = value(key)
    return found and found["conditions"]


started = 0
def register(*command, flags=("--check", "http://localhost:8080/health", "--check-interval", "500ms", "--check-timeout", "500ms"), ttl=10):
    global started
    started += 1
    return lab.Process([WEFTCTL, "register", "--service", "shop/web", "--id", "one", "--address", "10.1.0.7", "--port", "8080",
                        "--zone", "a", "--ttl", str(ttl), *flags, "--", *map(str, command)], mesh.folder / f"register{started}.log")


READY = {"ready": True, "serving": True, "terminating": False}
etcd = start_etcd("data")
registrar = register(sys.executable, "-c", PROGRAM, mesh.folder, KEY)
lab.wait_until("it serves", lambda: lab.run("ss", "-ltnH", "sport = :8080"), 30)
lab.wait_until("a check failed", lambda: "the check fails" in registrar.log.read_text(), 30)
assert value() is None, "registered though its check never passed"
healthy.touch()
lab.wait_until("it is registered", lambda: conditions() == READY, 30)
assert value() == {"addresses": ["10.1.0.7"], "port": 8080, "weight": 1, "zone": "a", "conditions": READY}, value()
healthy.unlink()
lab.wait_until("it is not ready", lambda: conditions() == {"ready": False, "serving": False, "terminating": False}, 30)
healthy.touch()
lab.wait_until("it is ready again", lambda: conditions() == READY, 30)

# Its lease is taken away; then all that etcd knows; and the program runs on.
lease = json.loads(lab.run("etcdctl", "get", "-w", "json", KEY))["kvs"][0]["lease"]
lab.run("etcdctl", "lease", "revoke", f"{lease:x}")
lab.wait_until("it registers again", lambda: conditions() == READY, 30)
etcd.kill()
lab.wait_until("that is said", lambda: "trying again" in registrar.log.read_text(), 30)
etcd = start_etcd("other-data")
lab.wait_until("it registers at an etcd that knows nothing", lambda: conditions() == READY, 30)
assert registrar.running()

# Etcd stops just when there is something to write. What was asked of it may be done or not: what counts is the last word, though that
# is the one before the unheard one.
def lines(text):
    return registrar.log.read_text().count(text)

failed, tried, well = lines("the check fails"), lines("trying again"), lines("well again")
os.kill(etcd.pid, signal.SIGSTOP)
healthy.unlink()
lab.wait_until("the check fails, and weftctl gets no answer", lambda: lines("the check fails") > failed and lines("trying again") > tried, 30)
passed = lines("the check passes")
healthy.touch()
lab.wait_until("the check passes", lambda: lines("the check passes") > passed, 30)
os.kill(etcd.pid, signal.SIGCONT)
lab.wait_until("weftctl gets answers", lambda: lines("well again") > well, 30)
assert conditions() == READY, value()

# The mesh knows first, then the program. Its exit code is weftctl's.
assert registrar.stop(30) == 7, registrar.log.read_text()
said = json.loads((mesh.folder / "said").read_text())["conditions"]
assert said == {"ready": False, "serving": True, "terminating": True}, said
assert value() is None

# A registrar that dies takes its instance along, when its lease ends.
registrar = register("sleep", "1000", flags=(), ttl=2)
lab.wait_until("it is registered", lambda: conditions() == READY, 30)
orphan = int(lab.run("pgrep", "-P", str(registrar.pid)))
registrar.kill()
lab.wait_until("its lease ended", lambda: value() is None, 30)
os.kill(orphan, signal.SIGKILL)

# A terminal is the program's while it runs, from its first instruction on, and the shell's again behind it.
SCRIPT = f"""{WEFTCTL} register --service shop/web --id one --address 10.1.0.7 --port 8080 -- sh -c 'read a; echo program $a'
read b; echo script $b"""
shell, terminal = pty.fork()
if shell == 0:
    os.execvp("sh", ["sh", "-c", SCRIPT])
os.write(terminal, b"one\ntwo\n")
seen = b""
def see(text):
    global seen
    try:
        while select.select([terminal], [], [], 0)[0]:
            seen += os.read(terminal, 4096)
    except OSError:  # nobody is behind it any more
        assert text in seen, seen
    return text in seen
lab.wait_until("the program reads from the terminal", lambda: see(b"program one"), 30)
lab.wait_until("so does the script behind it", lambda: see(b"script two"), 30)
assert os.waitstatus_to_exitcode(os.waitpid(shell, 0)[1]) == 0
os.close(terminal)

# What the program ends with, and whether it can be run at all.
for code, command in ((42, ["sh", "-c", "exit 42"]), (128 + 15, ["sh", "-c", "kill -TERM $$"]), (127, ["no-such-program"]),
                      (126, [mesh.folder])):
    ended = register(*command, flags=())
    assert ended.popen.wait(30) == code, (code, ended.log.read_text())
wrong = register("true", flags=("--check", "gopher://x"))
assert wrong.popen.wait(30) == 64 and "--check: expected http://" in wrong.log.read_text(), wrong.log.read_text()

# A check by a program: one that never ends fails, and is gone with the registrar.
registrar = register("sleep", "1000", flags=("--check", f"exec:test -e {healthy} || sleep 999", "--check-interval", "500ms",
                                              "--check-timeout", "500ms", "--fall", "2"))
lab.wait_until("it is registered", lambda: conditions() == READY, 30)
healthy.unlink()
lab.wait_until("it is not ready", lambda: (now := conditions()) and not now["ready"], 30)
assert "no end within its time" in registrar.log.read_text()
assert registrar.stop(30) == 128 + 15 and value() is None
lab.wait_until("no check runs on", lambda: not lab.run("pgrep", "-f", "sleep 999", check=False).strip(), 30)

# As process 1 it reaps what others leave.
init = lab.Process(["unshare", "--pid", "--fork", "--kill-child", WEFTCTL, "register", "--service", "shop/web", "--id", "one",
                    "--address", "10.1.0.7", "--port", "8080", "--", "sh", "-c", "(sh -c 'sleep 0.1' & ) ; exec sleep 1000"],
                   mesh.folder / "init.log")
lab.wait_until("it is registered", lambda: conditions() == READY, 30)
first = lab.run("pgrep", "-P", str(init.pid)).strip()
lab.wait_until("the orphan ended, and is no zombie",
               lambda: lab.run("ps", "-o", "args=,stat=", "--ppid", first, check=False).split("\n")[0].startswith("sleep 1000")
               and "Z" not in lab.run("ps", "-o", "stat=", "--ppid", first, check=False), 30)
init.kill()
lab.run(WEFTCTL, "deregister", "shop/web", "one")
assert value() is None
missing = subprocess.run([WEFTCTL, "deregister", "shop/web", "one"], capture_output=True, text=True)
assert missing.returncode == 1 and missing.stderr == 'error: service shop/web has no registration "one"\n', missing

# Self-registration, word for word as docs/registry.md has it.
blocks = re.findall(r"```sh\n(.*?)```", (lab.ROOT / "docs" / "registry.md").read_text(), re.S)
mine = "/weft/v1/endpoints/shop/web/web-1"
for tool in ("etcdctl", "curl"):
    block, = (block for block in blocks if f"# by {tool}" in block)
    process = lab.Process(["bash", "-euc", block.replace("http://10.0.0.1:2379", URL)], mesh.folder / f"{tool}.log", start_new_session=True)
    lab.wait_until(f"{tool} registered it", lambda: value(mine) is not None, 30)
    assert value(mine)["addresses"] == ["10.1.0.7"] and value(mine)["port"] == 8080, value(mine)
    lab.wait_until("the lease is renewed", lambda: "renewed" in process.log.read_text() or "keepalived" in process.log.read_text(), 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.popen.wait()
    lab.run("etcdctl", "del", mine)

# Etcd is away: that is how it is said, by an exit code too.
etcd.kill()
away = subprocess.run([WEFTCTL, "deregister", "shop/web", "one"], capture_output=True, text=True)
assert away.returncode == 69 and away.stderr.startswith("error: etcd: "), away

# Nor is it said to be reached when it never was, and the program has ended.
never = subprocess.run([WEFTCTL, "register", "--etcd", "http://127.0.0.1:1", "--service", "shop/web", "--address", "10.1.0.7", "--port", "80", "--",
                        "sleep", "1"], capture_output=True, text=True)
assert never.returncode == 0 and "trying again" in never.stderr and "reached" not in never.stderr, never

# An etcd that never was reached can't be well "again".
etcd.kill()
registrar = register("sleep", "1000", flags=())
lab.wait_until("that is said", lambda: "trying again" in registrar.log.read_text(), 30)
etcd = start_etcd("late-data")
lab.wait_until("it is registered", lambda: conditions() == READY, 30)
lab.wait_until("that is said, too", lambda: "etcd is reached" in registrar.log.read_text(), 30)
assert "well again" not in registrar.log.read_text(), registrar.log.read_text()
assert registrar.stop(30) == 128 + 15 and value() is None
