// SPDX-License-Identifier: Apache-2.0
/// @file DPDK's environment: started once a process, stopped with the object.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

namespace weft::runtime {

struct EalConfig {
  bool huge_pages = false;             ///< else ordinary memory, which needs neither root nor a reservation
  uint32_t memory_mib = 256;           ///< for packet buffers and queues
  std::vector<std::string> pci;        ///< addresses that may be probed; none: the PCI bus is left alone
  std::vector<uint32_t> worker_cores;  ///< one worker each; a core may stand twice
};

class Eal {
 public:
  static tl::expected<std::unique_ptr<Eal>, std::string> start(const EalConfig& config);
  ~Eal();
  Eal(const Eal&) = delete;
  Eal& operator=(const Eal&) = delete;

  /// Runs `work(argument)` on the worker's pinned thread; wait() returns when all have returned.
  bool launch(uint32_t worker, int (*work)(void*), void* argument);
  void wait();

  static uint64_t tsc_hertz();

 private:
  Eal() = default;
};

}  // namespace weft::runtime
