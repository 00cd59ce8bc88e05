// SPDX-License-Identifier: Apache-2.0
/// @file main() of test programs that set up interfaces and eBPF: in a mount and network namespace of their own, with a
/// BPF file system and an empty /run/netns. Whatever a test does there ends with it, however it ends, and tests never
/// meet.
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>

namespace {

constexpr int kSkipped = 77;  // what Meson takes for a test that could not run

bool enter_own_namespaces() {
  return unshare(CLONE_NEWNS | CLONE_NEWNET) == 0 && mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 &&
         mount("sysfs", "/sys", "sysfs", 0, nullptr) == 0 && mount("bpf", "/sys/fs/bpf", "bpf", 0, nullptr) == 0 &&
         (mkdir("/run/netns", 0755) == 0 || errno == EEXIST) && mount("tmpfs", "/run/netns", "tmpfs", 0, nullptr) == 0;
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (geteuid() != 0) {
    std::puts("needs root, for namespaces and eBPF: skipped");
    return kSkipped;
  }
  if (!enter_own_namespaces()) {
    std::printf("cannot enter namespaces of its own: %s\n", std::strerror(errno));
    return 1;
  }
  return RUN_ALL_TESTS();
}
