// SPDX-License-Identifier: Apache-2.0
#include "runtime/eal.h"

#include <fmt/format.h>
#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>
#include <sched.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "runtime/pci.h"

namespace weft::runtime {
namespace {

cpu_set_t allowed_cores() {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  return allowed;
}

/// The main lcore is 0 and floats over the cores that no worker has, if there are any; worker n is lcore n + 1, pinned.
std::string lcores_of(const std::vector<uint32_t>& worker_cores, const cpu_set_t& allowed) {
  cpu_set_t others = allowed;
  for (const uint32_t core : worker_cores) {
    CPU_CLR(core, &others);
  }
  if (CPU_COUNT(&others) == 0) {
    others = allowed;
  }
  std::string main;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &others)) {
      main += fmt::format("{}{}", main.empty() ? "" : ",", core);
    }
  }
  std::string lcores = fmt::format("0@({})", main);
  for (size_t i = 0; i < worker_cores.size(); ++i) {
    lcores += fmt::format(",{}@{}", i + 1, worker_cores[i]);
  }
  return lcores;
}

/// What is there of the huge pages that DPDK will ask for, in pages of 2 MiB.
uint64_t free_huge_pages() {
  uint64_t pages = 0;
  std::ifstream("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages") >> pages;
  return pages;
}

/// DPDK makes a folder to share with other processes in; weft shares nothing, so the folder is a passing one, that
/// neither stays behind nor is another process's.
class PassingFolder {
 public:
  PassingFolder() {
    if (mkdtemp(path_) != nullptr) {
      setenv("RUNTIME_DIRECTORY", path_, 1);
    }
  }
  ~PassingFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  PassingFolder(const PassingFolder&) = delete;
  PassingFolder& operator=(const PassingFolder&) = delete;

 private:
  char path_[24] = "/tmp/weft-dpdk-XXXXXX";
};

}  // namespace

tl::expected<std::unique_ptr<Eal>, std::string> Eal::start(const EalConfig& config) {
  if (const uint64_t wanted = (config.memory_mib + 1) / 2, found = free_huge_pages();
      config.huge_pages && found < wanted) {
    return tl::unexpected(
        fmt::format("not enough huge pages: {} of 2 MiB wanted, {} free; reserve them (sysctl vm.nr_hugepages={}), or "
                    "set memory.huge_pages to false",
                    wanted, found, wanted));
  }
  const cpu_set_t allowed = allowed_cores();
  for (const uint32_t core : config.worker_cores) {
    if (core >= CPU_SETSIZE || !CPU_ISSET(core, &allowed)) {
      return tl::unexpected(
          fmt::format("workers.cores: this process may not run on core {}: the machine has no such core, "
                      "or its CPU affinity leaves it out",
                      core));
    }
  }
  for (const std::string& device : config.pci) {
    if (!config.huge_pages && uses_physical_addresses(device)) {
      return tl::unexpected(
          fmt::format("memory.huge_pages: {} is used without an IOMMU, by physical addresses, which only huge pages "
                      "have: set it to true",
                      device));
    }
  }
  // DPDK's own errors are lines without a reader's context; weft's sentences stand in their place.
  std::vector<std::string> arguments = {"weftd",
                                        "--no-shconf",
                                        "--no-telemetry",
                                        "--lcores",
                                        lcores_of(config.worker_cores, allowed),
                                        "--log-level=*:critical"};
  if (config.huge_pages) {
    // One file for all pages, nameless: memif without copies hands it to its peer (zero-copy=yes).
    arguments.insert(arguments.end(),
                     {"--in-memory", "--single-file-segments", fmt::format("--socket-mem={}", config.memory_mib)});
  } else {
    arguments.insert(arguments.end(), {"--no-huge", "-m", std::to_string(config.memory_mib)});
  }
  if (config.pci.empty()) {
    arguments.push_back("--no-pci");
  }
  for (const std::string& address : config.pci) {
    arguments.insert(arguments.end(), {"-a", address});
  }
  // One XDP program an interface is enough, and libxdp complains aloud where the kernel refuses it a dispatcher for
  // more.
  setenv("LIBXDP_SKIP_DISPATCHER", "1", 0);
  std::vector<char*> argv;
  for (std::string& argument : arguments) {
    argv.push_back(argument.data());
  }
  const PassingFolder folder;
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    return tl::unexpected(fmt::format("DPDK did not start: {}; is there memory for it?", rte_strerror(rte_errno)));
  }
  return std::unique_ptr<Eal>(new Eal);
}

Eal::~Eal() {
  rte_eal_cleanup();
}

bool Eal::launch(uint32_t worker, int (*work)(void*), void* argument) {
  return rte_eal_remote_launch(work, argument, worker + 1) == 0;
}

void Eal::wait() {
  rte_eal_mp_wait_lcore();
}

uint64_t Eal::tsc_hertz() {
  return rte_get_tsc_hz();
}

}  // namespace weft::runtime
