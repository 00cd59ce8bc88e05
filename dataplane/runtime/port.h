// SPDX-License-Identifier: Apache-2.0
/// @file One DPDK port, opened from a device's name (a PCI address or a virtual device), with a queue each way for
/// every worker where the device can spread packets over queues, else with one.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

struct rte_mempool;

namespace weft::runtime {

using MacAddress = std::array<uint8_t, 6>;

struct PortConfig {
  std::string name;    ///< what operators call it
  std::string device;  ///< "0000:00:04.0", "net_memif0,role=server,socket=...", "net_af_xdp0,iface=weft0x", ...
  uint16_t descriptors = 2048;  ///< a queue; a TCP window of 3 MB fits
  uint16_t queues = 0;          ///< each way, as many as there are workers, or 1; 0: as many if the device has RSS
};

/// How a device spreads what it receives over its queues.
enum class Spreading : uint8_t {
  none,     ///< there is one queue
  rss,      ///< as rss_key() and rss_table() say
  unknown,  ///< as the device, or its peer, likes
};
using RssKey = std::array<uint8_t, 40>;

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
  /// @param buffers of each worker, for the queue that is to be its; not empty, and they outlive the port
  static tl::expected<std::unique_ptr<Port>, std::string> open(const PortConfig& config,
                                                               const std::vector<const BufferPool*>& buffers);
  ~Port();
  Port(const Port&) = delete;
  Port& operator=(const Port&) = delete;

  const std::string& name() const { return config_.name; }
  const std::string& device() const { return config_.device; }
  uint16_t id() const { return id_; }
  /// Each way. Queue n is the n-th worker's, if there is more than one.
  uint16_t queues() const { return queues_; }
  Spreading spreading() const { return spreading_; }
  static const RssKey& rss_key();
  /// Which queue each row names; of a port that spreads by RSS.
  const std::vector<uint16_t>& rss_table() const { return rss_table_; }
  MacAddress mac() const;
  bool link_up() const;
  PortTotals totals() const;

 private:
  explicit Port(PortConfig config) : config_(std::move(config)) {}

  using Done = tl::expected<void, std::string>;
  Done probe();
  Done configure(size_t workers);
  Done set_up_queues(const std::vector<const BufferPool*>& buffers);
  void read_rss_table(uint16_t rows);

  PortConfig config_;
  uint16_t id_ = 0;
  bool opened_ = false;
  uint16_t queues_ = 1;
  Spreading spreading_ = Spreading::none;
  std::vector<uint16_t> rss_table_;
};

std::string to_string(const MacAddress& mac);

}  // namespace weft::runtime
