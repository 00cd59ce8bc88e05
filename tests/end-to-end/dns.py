# SPDX-License-Identifier: Apache-2.0
"""Names: pods find services by them, over UDP and TCP and both families, from real resolvers; what weft does not know is asked of
unbound, whose death is survived; and what is no query does no harm."""

import random
import socket
import struct

import lab

SERVER, SERVER6 = "10.96.0.10", "fd00:96::10"

lab.enter()
mesh = lab.Lab()
client = mesh.pod("client", "10.1.0.1", "fd00:1::1")
web = mesh.pod("web", "10.1.0.10", "fd00:1::10")
db0, db1 = mesh.pod("db-0", "10.1.0.20", "fd00:1::20"), mesh.pod("db-1", "10.1.0.21", "fd00:1::21")
web.serve_http()


def headless(name, port):
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
            "spec": {"clusterIP": "None", "ports": [{"name": "peer", "port": port}]}}


def slice_of(name, addresses, port, ready=True, family=4):
    return {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": f"IPv{family}",
            "metadata": {"name": f"{name}-{family}", "labels": {"kubernetes.io/service-name": name}},
            "ports": [{"name": "peer", "port": port}],
            "endpoints": [{"addresses": [address], "hostname": host, "conditions": {"ready": ready}} for host, address in addresses]}


service, slice = mesh.service("web", "10.96.0.1", clusterIPs=["10.96.0.1", "fd00:96::1"]), mesh.slice("web", [web])
service["spec"]["ports"][0]["name"] = slice["ports"][0]["name"] = "http"
mesh.put("web.yaml", service, slice)
mesh.put("db.yaml", headless("db", 5432), slice_of("db", [("db-0", db0.address), ("db-1", db1.address)], 5433),
         slice_of("db", [("db-0", db0.address6)], 5433, family=6))
mesh.put("big.yaml", headless("big", 1), slice_of("big", [(f"n{i}", f"10.3.0.{i}") for i in range(1, 201)], 1))


def upstream(port):
    """unbound, which knows one zone by itself and asks nobody."""
    config = mesh.folder / f"unbound-{port}.conf"
    text = " ".join(f'\\"{"x" * 200}\\"' for _ in range(10)).replace("\\", "")
    config.write_text(f"""
server:
  interface: 127.0.0.1@{port}
  do-daemonize: no
  use-syslog: no
  chroot: ""
  username: ""
  pidfile: ""
  directory: "{mesh.folder}"
  module-config: "iterator"
  local-zone: "test." static
  local-data: "www.example.test. 60 IN A 203.0.113.5"
  local-data: 'long.example.test. 60 IN TXT {text}'
  local-data: "from.example.test. 60 IN A 192.0.2.{port % 100}"
remote-control:
  control-enable: no
""")
    process = lab.Process(["unbound", "-d", "-c", config], mesh.folder / f"unbound-{port}.log")
    lab.wait_until("unbound listens", lambda: lab.run("ss", "-lunH", f"sport = :{port}"), 20)
    return process


first, second = upstream(5301), upstream(5302)
mesh.configure(dns={"addresses": [SERVER, SERVER6], "upstreams": ["127.0.0.1:5301", "127.0.0.1:5302"], "timeout_ms": 3000})
mesh.use_names(SERVER)
mesh.start_weftd()


def dig(name, kind="A", server=SERVER, *options):
    """@returns its code, its flags, and the answers' data, sorted"""
    text = client.run("dig", f"@{server}", name, kind, "+time=5", "+tries=3", "+noall", "+comments", "+answer", *options)
    header = next(line for line in text.splitlines() if "status:" in line)
    flags = next(line for line in text.splitlines() if line.startswith(";; flags:")).split(":")[1].split(";")[0].split()
    answers = [line.split(None, 4)[4] for line in text.splitlines() if line and not line.startswith(";")]
    return header.split("status: ")[1].split(",")[0], flags, sorted(answers)


def dns(name):
    shown = mesh.ctl("show", "dns")
    return next(row["count"] for row in shown["counters"] + shown["upstream_counters"] if row["name"] == name)


# Services, headless ones and their endpoints, ports.
NAME = "web.default.svc.cluster.local"
for server in (SERVER, SERVER6):
    for options in ((), ("+tcp",), ("+noedns",)):
        assert dig(NAME, "A", server, *options)[::2] == ("NOERROR", ["10.96.0.1"]), (server, options)
        assert dig(NAME, "AAAA", server, *options)[::2] == ("NOERROR", ["fd00:96::1"])
assert "aa" in dig(NAME)[1]
assert dig("db.default.svc.cluster.local")[2] == [db0.address, db1.address]
assert dig("db-0.db.default.svc.cluster.local", "AAAA")[2] == [db0.address6]
assert dig("_http._tcp." + NAME, "SRV")[2] == [f"0 100 80 {NAME}."]
assert dig("_peer._tcp.db.default.svc.cluster.local", "SRV")[2] == [f"0 100 5433 db-{i}.db.default.svc.cluster.local." for i in (0, 1)]
assert dig("1.0.96.10.in-addr.arpa", "PTR")[2] == [NAME + "."]
assert dig("default.svc.cluster.local")[::2] == ("NOERROR", [])
assert dig("nobody.default.svc.cluster.local")[::2] == ("NXDOMAIN", [])

# As programs do it: resolv.conf, its search list, getaddrinfo.
assert client.run("curl", "-sS", "--max-time", "10", "http://web/") == "web\n"
assert client.run("curl", "-sS", "--max-time", "10", "http://web.default/") == "web\n"
assert "10.96.0.1" in client.run("getent", "ahostsv4", "web")

# What does not fit, over TCP: dig asks again by itself.
code, flags, answers = dig("big.default.svc.cluster.local", "A", SERVER, "+ignore", "+noedns")
assert code == "NOERROR" and "tc" in flags and 20 < len(answers) < 40, (code, flags, len(answers))
code, flags, answers = dig("big.default.svc.cluster.local")
assert "tc" not in flags and len(answers) == 200, len(answers)
assert dns("truncated") >= 2

# The registry's edits are there at once.
mesh.update("new.yaml", mesh.service("new", "10.96.0.7"))
assert dig("new.default.svc.cluster.local")[2] == ["10.96.0.7"]
mesh.update("db.yaml", headless("db", 5432), slice_of("db", [("db-1", db1.address)], 5433))
assert dig("db.default.svc.cluster.local")[2] == [db1.address]

# What weft does not know itself.
for options in ((), ("+tcp",)):
    assert dig("wWw.example.TEST", "A", SERVER, *options)[::2] == ("NOERROR", ["203.0.113.5"])
assert dig("www.example.test", "A", SERVER6)[2] == ["203.0.113.5"]
assert "tc" in dig("long.example.test", "TXT", SERVER, "+ignore")[1]
assert len(dig("long.example.test", "TXT")[2][0]) > 2000, "dig asks again over TCP"
assert dig("nothing.example.test")[0] == "NXDOMAIN"
assert dig("from.example.test")[2] == ["192.0.2.1"]
first.stop()
assert dig("from.example.test")[2] == ["192.0.2.2"], "the next server is asked"
assert dig("from.example.test", "A", SERVER, "+tcp")[2] == ["192.0.2.2"]
second.stop()
for options in ((), ("+tcp",)):
    assert dig("www.example.test", "A", SERVER, *options)[0] == "SERVFAIL"
assert dig(NAME)[2] == ["10.96.0.1"], "what weft knows itself goes on"
assert dns("gave_up") >= 2 and dns("failed") >= 1
first = upstream(5301)
lab.wait_until("the first server is asked again", lambda: dig("from.example.test")[2] == ["192.0.2.1"])


def query(name, identity, kind=1):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", identity, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", kind, 1)


# Many queries of one connection at once, some of which wait for others.
with client.entered():
    stream = socket.create_connection((SERVER, 53), 10)
names = [NAME if i % 2 else "www.example.test" for i in range(60)]
stream.sendall(b"".join(struct.pack(">H", len(q)) + q for q in (query(name, i) for i, name in enumerate(names))))
received = stream.makefile("rb")
seen = {}
for _ in names:
    length, = struct.unpack(">H", received.read(2))
    answer = received.read(length)
    seen[struct.unpack(">H", answer[:2])[0]] = answer
assert sorted(seen) == list(range(60))
assert all(struct.unpack(">H", seen[i][6:8])[0] == 1 for i in seen), "one record each"
stream.shutdown(socket.SHUT_WR)
assert received.read(1) == b"", "weft closes too"

# Whatever is no query: no answer, or an error; and the next query is answered.
random.seed(7)
with client.entered():
    wild = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
wild.connect((SERVER, 53))
whole = query(NAME, 1)
for _ in range(300):
    bad = bytearray(whole[:random.randrange(len(whole) + 1)]) if random.random() < 0.5 else bytearray(whole)
    for _ in range(random.randrange(1, 4)):
        if bad:
            bad[random.randrange(len(bad))] = random.randrange(256)
    wild.send(bytes(bad))
wild.send(whole + bytes(3000))  # in fragments
lab.wait_until("the fragments are dropped", lambda: mesh.verdict("fragment") >= 1)
with client.entered():
    garbage = socket.create_connection((SERVER, 53), 10)
garbage.sendall(b"GET / HTTP/1.1\r\n\r\n")
try:
    assert garbage.recv(1) == b"", "a length beyond any query"
except ConnectionResetError:
    pass
assert dig(NAME)[2] == ["10.96.0.1"]
assert dns("formerr") > 0 and dns("ignored") > 0
assert mesh.ctl("where", "udp", "10.1.0.1:1000", f"{SERVER}:53")["rule"] == "weft answers itself"
assert {row["service"] for row in mesh.ctl("show", "services")} >= {"dns", "default/web"}
assert "queries_udp" in mesh.text("show", "dns")
assert mesh.verdict("name_answered") > 0 and mesh.verdict("name_forwarded") > 0 and mesh.verdict("name_relayed") > 0
mesh.check_books()
