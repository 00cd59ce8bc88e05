// SPDX-License-Identifier: Apache-2.0
/// @file One DPDK port with one queue each way, opened from a device's name: a PCI address or a virtual device.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>

struct rte_mempool;

namespace weft::runtime {

using MacAddress = std::array<uint8_t, 6>;

struct PortConfig {
  std::string name;    ///< what operators call it
  std::string device;  ///< "0000:00:04.0", "net_memif0,role=server,socket=...", "net_af_xdp0,iface=weft0x", ...
  uint16_t descriptors = 2048;  ///< a queue; a TCP window of 3 MB fits
};

struct PortTotals {  ///< as the device counts them
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t missed = 0;  ///< lost before weft saw them: the queue was full
  uint64_t errors = 0;
  uint64_t no_buffer = 0;
};

constexpr uint32_t kBufferBytes = 2048;  ///< of data a buffer

/// Packet buffers that a worker's ports receive into; freed with the object, after the ports.
class BufferPool {
 public:
  static tl::expected<BufferPool, std::string> make(const std::string& name, uint32_t buffers);

  rte_mempool* get() const { return pool_.get(); }
  uint32_t available() const;
  uint32_t size() const;

 private:
  struct Free {
    void operator()(rte_mempool* pool) const;
  };
  std::unique_ptr<rte_mempool, Free> pool_;
};

class Port {
 public:
  static tl::expected<std::unique_ptr<Port>, std::string> open(const PortConfig& config, const BufferPool& buffers);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  const std::string& name() const { return config_.name; }
  const std::string& device() const { return config_.device; }
  uint16_t id() const { return id_; }
  MacAddress mac() const;
  bool link_up() const;
  PortTotals totals() const;

 private:
  Port(PortConfig config, uint16_t id) : config_(std::move(config)), id_(id) {}

  PortConfig config_;
  uint16_t id_;
};

std::string to_string(const MacAddress& mac);

}  // namespace weft::runtime
