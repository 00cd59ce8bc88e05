# SPDX-License-Identifier: Apache-2.0
"""A machine with PCI NICs: QEMU in software emulation. Its root file system is this machine's, so it runs the same build;
what it writes stays in its memory. Each NIC is the other end of a TAP, in whatever namespace the test puts that."""

import json
import pathlib
import socket

import lab

AGENT = pathlib.Path(__file__).with_name("agent.py")
PATIENCE = 240  # seconds for an answer; the longest wait is the boot's, 10 on a machine of its own


class Nic:
    """A NIC and its TAP. Its PCI address is 0000:00:`slot`.0."""

    def __init__(self, model, slot, tap, queues=1, options=""):
        self.model, self.slot, self.tap, self.queues, self.options = model, slot, tap, queues, options
        self.address = f"0000:00:{slot:02x}.0"
        self.mac = f"52:54:00:00:00:{slot:02x}"

    def arguments(self):
        many = f",queues={self.queues}" if self.queues > 1 else ""
        return ["-netdev", f"tap,id={self.tap},ifname={self.tap},script=no,downscript=no{many}",
                "-device", f"{self.model},id=nic-{self.tap},netdev={self.tap},mac={self.mac},addr={self.slot:#x}{self.options}"]


class Machine:
    def __init__(self, kernel, folder, nics, cores=2, mebibytes=1024, huge_pages=0):
        self.console = folder / "console.log"
        self.log = folder / "qemu.log"
        self.nics = nics
        command = [
            "qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-machine", "pc", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", cores, "-m", mebibytes,
            "-kernel", kernel / "vmlinuz", "-initrd", kernel / "initramfs.cpio",
            "-append", f"console=ttyS0 quiet panic=-1 mitigations=off hugepages={huge_pages} weft_agent={AGENT}",
            "-serial", f"file:{self.console}",
            "-virtfs", "local,path=/,mount_tag=root,security_model=none,readonly=on,multidevs=remap",
            "-device", "virtio-serial-pci,addr=0x3",
            "-chardev", f"socket,id=agent,path={folder}/agent.sock,server=on,wait=off", "-device", "virtserialport,chardev=agent",
            "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off"]
        for nic in nics:
            command += nic.arguments()
        self.process = lab.Process([str(word) for word in command], self.log)
        self.agent = self.connect(folder / "agent.sock")
        self.qmp = self.connect(folder / "qmp.sock")
        self.read(self.qmp)
        self.monitor("qmp_capabilities")

    def connect(self, path):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(PATIENCE)

        def try_once():
            self.check()
            try:
                connection.connect(str(path))
                return True
            except (FileNotFoundError, ConnectionRefusedError):
                return False
        lab.wait_until(f"QEMU listens at {path}", try_once, 60)
        return connection.makefile("rwb", buffering=0)

    def check(self):
        if not self.process.running():
            raise lab.LabError("QEMU ended:\n" + self.log.read_text() + self.said())

    def said(self):
        return self.console.read_text(errors="replace") if self.console.exists() else ""

    def read(self, stream):
        try:
            line = stream.readline()
        except TimeoutError:
            line = b""
        if not line:
            raise lab.LabError("the machine ended, or hangs:\n" + self.log.read_text() + self.said())
        return json.loads(line)

    def monitor(self, command, **arguments):
        self.qmp.write(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        while True:
            answer = self.read(self.qmp)
            if "event" not in answer:
                break
        assert "return" in answer, f"{command}: {answer}"
        return answer["return"]

    def set_link(self, nic, up):
        self.monitor("set_link", name=f"nic-{nic.tap}", up=up)

    def wait_for_boot(self):
        assert self.read(self.agent)["ready"]

    def ask(self, **request):
        self.agent.write(json.dumps(request).encode() + b"\n")
        answer = self.read(self.agent)
        if "error" in answer:
            raise lab.LabError(f"the machine on {request}: {answer['error']}")
        return answer

    def try_run(self, *command, seconds=60):
        answer = self.ask(run=[str(word) for word in command], seconds=seconds)
        return answer["code"], answer["said"]

    def run(self, *command, seconds=60):
        code, said = self.try_run(*command, seconds=seconds)
        if code != 0:
            raise lab.LabError(f"{' '.join(map(str, command))}: exit code {code}\n{said}")
        return said

    def start(self, *command, log):
        return self.ask(start=[str(word) for word in command], log=log)["pid"]

    def write(self, path, text):
        self.ask(write=str(path), text=text)

    def text(self, path):
        return self.ask(read=str(path))["text"]

    def driver(self, nic):
        """The name of the driver that has the NIC, or None."""
        code, said = self.try_run("readlink", f"/sys/bus/pci/devices/{nic.address}/driver")
        return said.strip().rsplit("/", 1)[-1] if code == 0 else None

    def bind(self, nic, driver):
        """As docs/bare-metal.md has it: through sysfs alone."""
        device = f"/sys/bus/pci/devices/{nic.address}"
        if self.driver(nic):
            self.write(f"{device}/driver/unbind", nic.address)
        self.write(f"{device}/driver_override", driver)
        self.write("/sys/bus/pci/drivers_probe", nic.address)
        assert self.driver(nic) == driver, f"{nic.address} has driver {self.driver(nic)}\n{self.said()}"
