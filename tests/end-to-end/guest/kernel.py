# SPDX-License-Identifier: Apache-2.0
"""Debian's own kernel and an initramfs with the modules that a guest needs, kept under the build folder. Nothing is installed."""

import fcntl
import pathlib
import shutil
import subprocess

import lab

MODULES = ("virtio_pci", "virtio_console", "9p", "9pnet_virtio", "overlay",  # what the guest is made of
           "vmxnet3", "e1000e", "uio_pci_generic")                           # the NICs' own drivers, and the one for DPDK
INIT = pathlib.Path(__file__).with_name("init")


def package():
    """The kernel that Debian's linux-image-amd64 stands for."""
    for line in lab.run("apt-cache", "depends", "linux-image-amd64").splitlines():
        if line.strip().startswith("Depends: linux-image-"):
            return line.split()[-1]
    raise lab.LabError("apt knows no linux-image-amd64: apt-get update")


def unpack(folder):
    name = package()
    # As root, apt warns of folders that its own user may not write to, and downloads all the same.
    options = ("-o", "APT::Sandbox::User=root")
    if subprocess.run(["apt-get", "download", *options, name], cwd=folder, capture_output=True).returncode != 0:
        lab.run("apt-get", "update")  # a list so old that the mirror has the package no more
        name = package()
        lab.run("apt-get", "download", *options, name, cwd=folder)
    archive, = folder.glob("*.deb")
    lab.run("dpkg-deb", "--extract", archive, folder / "package")
    release = name.removeprefix("linux-image-")
    shutil.copy(folder / "package/boot" / f"vmlinuz-{release}", folder / "vmlinuz")
    pack_initramfs(folder, release)
    shutil.rmtree(folder / "package")
    archive.unlink()


def pack_initramfs(folder, release):
    package_root = folder / "package"
    lab.run("depmod", "--basedir", package_root, release)
    tree = folder / "initramfs"
    (tree / "bin").mkdir(parents=True)
    (tree / "modules").mkdir()
    shutil.copy("/bin/busybox", tree / "bin")
    order = []
    for module in MODULES:
        said = lab.run("modprobe", "--dirname", package_root, "--set-version", release, "--show-depends", module)
        for path in (pathlib.Path(line.split()[1]) for line in said.splitlines() if line.startswith("insmod ")):
            if path.name not in order:
                order.append(path.name)
                shutil.copy(path, tree / "modules")
    lab.write(tree / "modules" / "order", "".join(name + "\n" for name in order))
    shutil.copy(INIT, tree / "init")
    names = "".join(f"{path.relative_to(tree)}\0" for path in sorted(tree.rglob("*")))
    with open(folder / "initramfs.cpio", "wb") as image:
        subprocess.run(["cpio", "--null", "--create", "--format=newc", "--quiet"], cwd=tree, input=names.encode(),
                       stdout=image, check=True)
    shutil.rmtree(tree)


def fetch():
    """Call it before lab.enter(), behind which there is no network. @returns the folder of vmlinuz and initramfs.cpio"""
    folder = lab.BUILD / "guest"
    folder.mkdir(exist_ok=True)
    with open(folder / "lock", "w", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = folder / "initramfs.cpio"
        newest = max(INIT.stat().st_mtime, pathlib.Path(__file__).stat().st_mtime)
        if not made.exists() or made.stat().st_mtime < newest:
            whole = folder / "new"
            shutil.rmtree(whole, ignore_errors=True)
            whole.mkdir()
            unpack(whole)
            for name in ("vmlinuz", "initramfs.cpio"):  # the latter says that all is there
                (whole / name).rename(folder / name)
            shutil.rmtree(whole)
    return folder
