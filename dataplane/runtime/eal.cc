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

namespace weft::runtime {
namespace {

/// The main lcore is 0 and floats over the process' cores; worker n is lcore n + 1, pinned.
std::string lcores_of(const std::vector<uint32_t>& worker_cores) {
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  sched_getaffinity(0, sizeof allowed, &allowed);
  std::string main;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &allowed)) {
      main += fmt::format("{}{}", main.empty() ? "" : ",", core);
    }
  }
  std::string lcores = fmt::format("0@({})", main);
  for (size_t i = 0; i < worker_cores.size(); ++i) {
    lcores += fmt::format(",{}@{}", i + 1, worker_cores[i]);
  }
  return lcores;
}

}  // namespace

tl::expected<std::unique_ptr<Eal>, std::string> Eal::start(const EalConfig& config) {
  std::vector<std::string> arguments = {"weftd",
                                        "--no-shconf",
                                        "--no-telemetry",
                                        "--lcores",
                                        lcores_of(config.worker_cores),
                                        "--log-level=lib.*:error",
                                        "--log-level=pmd.*:error",
                                        "--log-level=bus.*:error"};
  if (config.huge_pages) {
    arguments.insert(arguments.end(), {"--in-memory", fmt::format("--socket-mem={}", config.memory_mib)});
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
  if (rte_eal_init(static_cast<int>(argv.size()), argv.data()) < 0) {
    const std::string hint =
        config.huge_pages ? " Reserve huge pages (sysctl vm.nr_hugepages=512), or set memory.huge_pages to false."
                          : " Is there enough memory, and do the worker cores exist?";
    return tl::unexpected(fmt::format("DPDK did not start: {}.{}", rte_strerror(rte_errno), hint));
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
