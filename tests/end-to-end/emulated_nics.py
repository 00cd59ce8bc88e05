# SPDX-License-Identifier: Apache-2.0
"""weftd on PCI NICs, emulated by QEMU: binding and its errors, RSS to several workers with replies that come home,
checksums checked by the device, links that go down and up, jumbo frames.

What QEMU 7.2's NICs do, and so what is asserted of each:

    virtio-net-pci    RSS by the key and table that it is given. Checks no checksums
    vmxnet3           takes a key and a table, and puts every packet into its first queue. Checks no checksums
    e1000e            has one queue with DPDK's driver. Checks checksums. Cuts no segments
"""

import select
import subprocess

import lab
from guest import kernel, machine, node

CONNECTIONS = 100
WEB, DNS, ECHO = 80, 53, 7
NAT, FULLNAT, FULLNAT6 = "10.96.0.10", "10.96.0.11", "fd00:96::11"
PROXY, PROXY6 = "10.96.0.12", "fd00:96::12"
PORTS = ((WEB, 8080, "TCP"), (DNS, 5353, "UDP"), (ECHO, 7, "TCP"))
BODY = 16 << 20  # bytes that are read of /stream
# Who writes the checksums of what weft's own TCP sends, and cuts it into segments, when the device is asked to.
SEGMENTS = {"virtio-net-pci": "device", "vmxnet3": "device", "e1000e": "device: checksums"}
SLOTS = {"virtio-net-pci": 8, "vmxnet3": 10, "e1000e": 12}  # and the next one: a NIC towards clients, and one towards servers
KERNEL_DRIVERS = {"virtio-net-pci": "virtio-pci", "vmxnet3": "vmxnet3", "e1000e": "e1000e"}
JUMBO = 9000


def nic(model, slot):
    if model == "virtio-net-pci":
        return machine.Nic(model, slot, f"tap{slot}", queues=4, options=",mq=on,rss=on,vectors=10")
    return machine.Nic(model, slot, f"tap{slot}")


def documents():
    """Each service three times: by nat, and by fullnat and proxy, which IPv6 has too."""
    four, six = "10.2.0.1", "fd00:2::1"
    for mode, address, endpoint in (("nat", NAT, four), ("fullnat", FULLNAT, four), ("fullnat", FULLNAT6, six),
                                    ("proxy", PROXY, four), ("proxy", PROXY6, six)):
        name = mode + ("-6" if ":" in address else "")
        ports = [port for port in PORTS if mode != "proxy" or port[2] == "TCP"]
        yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name},
               "spec": {"clusterIP": address,
                        "ports": [{"name": f"p{port}", "port": port, "protocol": protocol} for port, _, protocol in ports]}}
        yield {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv6" if ":" in address else "IPv4",
               "metadata": {"name": name, "labels": {"kubernetes.io/service-name": name}},
               "ports": [{"name": f"p{port}", "port": target, "protocol": protocol} for port, target, protocol in ports],
               "endpoints": [{"addresses": [endpoint], "conditions": {"ready": True}}]}
        yield {"apiVersion": "weft.dev/v1", "kind": "ServicePolicy", "metadata": {"name": name},
               "spec": {"targetRef": {"kind": "Service", "name": name}, "forwarding": {"mode": mode}}}


def refusals(guest, weft):
    """What stands in the way of a device is one sentence each, that says what to do."""
    front, back = weft.front.nic, weft.back.nic
    weft.configure()
    assert "not enough huge pages: 96 of 2 MiB wanted, 0 free" in weft.refuses()
    guest.write("/proc/sys/vm/nr_hugepages", "100")  # at run time, as docs/bare-metal.md has it
    for device in (front, back):
        assert guest.driver(device) == KERNEL_DRIVERS[device.model]
    said = weft.refuses()
    assert f"{front.address}: " in said and f"the kernel's driver {KERNEL_DRIVERS[front.model]} has the device: bind it" in said, said
    guest.write(f"/sys/bus/pci/devices/{front.address}/driver/unbind", front.address)
    said = weft.refuses()
    assert "no driver has the device: bind it to vfio-pci (docs/bare-metal.md)" in said, said
    guest.bind(front, "uio_pci_generic")
    guest.bind(back, "uio_pci_generic")
    weft.configure(memory={"huge_pages": False, "megabytes": 128, "buffers": 8192})
    said = weft.refuses()
    assert said.endswith("by physical addresses, which only huge pages have: set it to true") and front.address in said, said
    weft.configure(ports=[{**weft.port("front", weft.front, node.CLIENTS), "device": "0000:00:1e.7"}])
    said = weft.refuses()
    assert "0000:00:1e.7" in said and "there is no such PCI device" in said, said


class Change:
    """What happened meanwhile."""

    def __init__(self, weft):
        self.weft, self.before, self.workers = weft, weft.verdicts(), weft.ctl("show", "workers")

    def of(self, verdict):
        return self.weft.verdicts()[verdict] - self.before[verdict]

    def by_worker(self, field):
        return [now[field] - before[field] for now, before in zip(self.weft.ctl("show", "workers"), self.workers)]


def use(weft, address):
    """Many flows through one virtual address. @returns what they changed"""
    change = Change(weft)
    if "." in address:
        assert weft.front.fetch(f"{address}:{WEB}", CONNECTIONS) == CONNECTIONS
    answered = weft.front.peer("ask", address, DNS, CONNECTIONS, 64)
    assert answered == str(CONNECTIONS), f"{answered} of {CONNECTIONS} datagrams were answered by {address}"
    weft.check_books()
    return change


def spreads(weft, workers):
    """Where packets of many flows come in, and whether replies come home."""
    model = weft.front.nic.model
    for address in (NAT, FULLNAT, FULLNAT6):
        change = use(weft, address)
        received = change.by_worker("received")
        print(f"{model}, {workers} workers, {address}: received {received}, handed over {change.by_worker('handed_over')}")
        spreading = {port["spreading"] for port in weft.ports().values()}
        if model == "virtio-net-pci":
            assert spreading == {"rss"}, spreading
            assert min(received) > sum(received) / workers / 3, f"{received}: some workers received little"
            # With a source port of its own, weft picks one by whose hash the reply comes home. With the client's kept, a
            # reply lands anywhere: at home one time in `workers`.
            assert (change.of("handed_over") == 0) == (address != NAT), change.of("handed_over")
        elif model == "vmxnet3":
            # This device of version 1 would hash TCP alone by ports, so weft takes nothing for granted; nor could it.
            assert spreading == {"unknown"}, spreading
            assert received[0] > 0 and sum(received[1:]) == 0, received
        else:
            assert spreading == {"one queue"}, spreading
            # The one polls the first NIC and the other the second, and either sends where it polls.
            assert min(received) >= CONNECTIONS, received
    dropped = {name: count for name, count in weft.verdicts().items() if count and name.endswith("_full")}
    assert not dropped, dropped


def damage(weft, offload):
    """A wrong checksum is the device's business if it is told so and can; else weft's update keeps it wrong."""
    count = 20
    checks = offload and weft.front.nic.model == "e1000e"
    change, errors = Change(weft), weft.back.checksum_errors()
    weft.front.damaged(NAT, DNS, count)
    lab.wait_until("the damaged have ended",
                   lambda: change.of("bad_transport_checksum") + change.of("request") >= count, 60)
    assert change.of("bad_transport_checksum") == (count if checks else 0), change.of("bad_transport_checksum")
    if not checks:
        lab.wait_until("the server's kernel sees them", lambda: weft.back.checksum_errors() == errors + count, 60)
    assert weft.back.checksum_errors() == errors + (0 if checks else count)
    weft.check_books()


class Talk:
    """One connection, over which lines come back."""

    def __init__(self, host, address):
        self.popen = subprocess.Popen(host.inside("socat", "-", f"TCP:{address}:{ECHO}"), stdin=subprocess.PIPE,
                                      stdout=subprocess.PIPE)

    def say(self, line):
        self.popen.stdin.write(line + b"\n")
        self.popen.stdin.flush()

    def hears(self, line, seconds=60):
        heard, _, _ = select.select([self.popen.stdout], [], [], seconds)
        return bool(heard) and self.popen.stdout.readline() == line + b"\n"

    def end(self):
        self.popen.stdin.close()
        assert self.popen.wait(60) == 0


def link(guest, weft):
    """A link that goes down stops traffic and nothing else."""
    talk = Talk(weft.front, NAT)
    talk.say(b"before")
    assert talk.hears(b"before")
    guest.set_link(weft.front.nic, up=False)
    lab.wait_until("the link is seen to be down", lambda: weft.links() == ["down", "up"], 60)
    received = weft.ports()["front"]["received"]
    talk.say(b"meanwhile")
    assert weft.front.peer("ask", NAT, DNS, 1, 64, 0.5) == "0", "traffic over a link that is down"
    assert weft.ports()["front"]["received"] == received
    guest.set_link(weft.front.nic, up=True)
    lab.wait_until("the link is seen to be up", lambda: weft.links() == ["up", "up"], 60)
    assert talk.hears(b"meanwhile"), "the connection outlives the link"
    talk.say(b"after")
    assert talk.hears(b"after")
    talk.end()
    use(weft, NAT)


def large(weft):
    """Packets of the full MTU, in one piece and unharmed; and more of them, at speed."""
    for host in (weft.front, weft.back):
        host.set_mtu(JUMBO)
    for address in (NAT, FULLNAT):
        change = Change(weft)
        size = JUMBO - 28
        assert weft.front.peer("ask", address, DNS, 20, size) == "20", f"datagrams of {size} bytes to {address}"
        assert change.of("request") == 20 and change.of("reply") == 20, "in one piece each"
    before = sent(weft)
    speed = stream(weft, NAT)
    packets, size = (now - first for now, first in zip(sent(weft), before))
    assert size / packets > JUMBO / 2, (size, packets)
    print(f"{weft.front.nic.model}: {speed * 8 / 1e6:.0f} Mbit/s in packets of {size / packets:.0f} bytes with an MTU of {JUMBO}")
    weft.check_books()


def stream(weft, address):
    """The beginning of a large body. @returns bytes a second"""
    change = Change(weft)
    try:
        said = weft.front.run("curl", "-sS", "--fail", "-m", "300", "-r", f"0-{BODY - 1}", "-o", "/dev/null",
                              "-w", "%{size_download} %{speed_download}", f"http://{address}:{WEB}/stream")
    except lab.LabError:
        explain(weft, change)
        raise
    size, speed = map(int, said.split())
    assert size == BODY, size
    return speed


def explain(weft, change):
    """Prints where a stream's packets were lost, if they were."""
    print("verdicts:", {name: change.of(name) for name in change.before if change.of(name)})
    for what in ("ports", "workers"):
        for row in weft.ctl("show", what):
            print(f"{what}:", {name: value for name, value in row.items() if value})
    for host in (weft.front, weft.back):
        print(host.name, host.run("nstat", "-az", "TcpRetransSegs", "TcpOutRsts", "TcpInErrs", "TcpInCsumErrors", "TcpExtTCPTimeouts",
                                  "TcpExtTCPAbort*", check=False))
        print(host.run("ip", "-s", "link", "show", host.nic.tap))


def sent(weft):
    """@returns packets and bytes to the clients"""
    rows = [row for row in weft.ctl("show", "ports") if row["port"] == "front"]
    return [sum(row[what] for row in rows) for what in ("sent", "sent_bytes")]


def relayed(weft):
    """Connections that end at weft. The devices write checksums, and the clients' kernel checks them."""
    model = weft.front.nic.model
    for address in (PROXY, f"[{PROXY6}]"):
        change, before = Change(weft), sent(weft)
        assert weft.front.fetch(f"{address}:{WEB}", 10) == 10
        stream(weft, address)
        assert change.of("delivered") > 500, change.of("delivered")
        packets, size = (now - first for now, first in zip(sent(weft), before))
        print(f"{model}: relayed to {address} in packets of {size / packets:.0f} bytes")
        # The engine's segments fit every port and a plain buffer: longer ones are the device's to cut.
        assert (size / packets > 2048) == (SEGMENTS[model] == "device"), (size, packets)
        weft.check_books()


def serve(server):
    server.serve_http()
    server.start("python3", "-B", node.PEER, "echo", 5353)
    server.start("socat", "TCP-LISTEN:7,fork,reuseaddr", "EXEC:cat")
    lab.wait_until("echo is served", lambda: server.run("ss", "-ltnH", "sport = :7"))


# Before the namespaces, which have no network to fetch the kernel by.
fetched = kernel.fetch()
lab.enter()
mesh = lab.Lab()
pairs = {model: (nic(model, slot), nic(model, slot + 1)) for model, slot in SLOTS.items()}
emulated = machine.Machine(fetched, mesh.folder, [each for pair in pairs.values() for each in pair])
emulated.wait_for_boot()
for model, (front, back) in pairs.items():
    client = node.Host(mesh, f"client-{model}", front, "10.9.0.1", "fd00:9::1")
    server = node.Host(mesh, f"server-{model}", back, "10.2.0.1", "fd00:2::1")
    serve(server)
    weft = node.Node(emulated, client, server)
    weft.put("services.yaml", *documents())
    if model == "virtio-net-pci":
        refusals(emulated, weft)
    else:
        for each in (front, back):
            emulated.bind(each, "uio_pci_generic")
    queues = {"queues": 2} if model == "vmxnet3" else {}
    weft.configure(queues)
    weft.start()
    spreads(weft, 2)
    damage(weft, offload=False)
    link(emulated, weft)
    weft.stop()

    # All that is not the default, at once.
    cores = [0, 1, 0, 1] if model == "virtio-net-pci" else [0, 1]
    # From addresses of its own that the first weftd did not use: to the servers, that one's connections are not over yet, and
    # the same tuples would wait for their clients' second SYN.
    if model == "vmxnet3":  # two rings a queue
        weft.configure({**queues, "mtu": JUMBO, "descriptors": 512})
        assert "none are left for connections that end here (mode proxy, and dns): raise memory.jumbo_buffers" in weft.refuses()
    weft.configure({**queues, "checksum_offload": True, "transmit_offload": True, "mtu": JUMBO}, workers={"cores": cores},
                   snat={"addresses": ["10.3.0.2", "fd00:3::2"]})
    weft.start()
    assert {port["checksums"] for port in weft.ports().values()} == {"device"}
    assert {port["segments"] for port in weft.ports().values()} == {SEGMENTS[model]}
    spreads(weft, len(cores))
    damage(weft, offload=True)
    large(weft)
    relayed(weft)
    weft.stop()
