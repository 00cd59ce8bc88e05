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

#include "runtime/transmit_offload.h"

struct rte_eth_dev_info;
struct rte_mempool;

namespace weft::runtime {

using MacAddress = std::array<uint8_t, 6>;

constexpr uint16_t kPlainMtu = 1500;

struct PortConfig {
  std::string name;    ///< what operators call it
  std::string device;  ///< "0000:00:04.0", "net_memif0,role=server,socket=...", "net_af_xdp0,iface=weft0x", ...
  uint16_t descriptors = 2048;    ///< a queue; a TCP window of 3 MB fits
  uint16_t queues = 0;            ///< each way, as many as there are workers, or 1; 0: as many if the device has RSS
  uint16_t mtu = kPlainMtu;       ///< the device receives and sends IP packets up to it, and the plain one at least
  bool checksum_offload = false;  ///< the device checks what it receives
  bool transmit_offload = false;  ///< and does what it can for segments of weft's own TCP
  uint32_t poller = 0;            ///< the worker whose buffers the queue takes, if there is only one
};

/// How a device spreads what it receives over its queues.
enum class Spreading : uint8_t {
  none,     ///< there is one queue
  rss,      ///< by ports too, as rss_key() and rss_table() say
  unknown,  ///< as the device, or its peer, likes
};
using RssKey = std::array<uint8_t, 40>;  ///< of a longer one, what counts

struct PortTotals {  ///< as the device counts them
  uint64_t received = 0;
  uint64_t sent = 0;
  uint64_t missed = 0;  ///< lost before weft saw them: the queue was full
  uint64_t errors = 0;
  uint64_t no_buffer = 0;
};

constexpr uint32_t kBufferBytes = 2048;  ///< of data a buffer, but for those of jumbo frames

/// Packet buffers that a worker's ports receive into; freed with the object, after the ports.
class BufferPool {
 public:
  /// @param bytes of data a buffer
  static tl::expected<BufferPool, std::string> make(const std::string& name, uint32_t buffers,
                                                    uint32_t bytes = kBufferBytes);

  rte_mempool* get() const { return pool_.get(); }
  uint32_t available() const;
  uint32_t size() const;

 private:
  struct Free {
    void operator()(rte_mempool* pool) const;
  };
  std::unique_ptr<rte_mempool, Free> pool_;
  uint32_t unreachable_ = 0;  ///< buffers that no driver of ours may have
};

class Port {
 public:
  /// @param buffers of each worker, for the queue that is to be its; not empty, and they outlive the port. A packet of
  /// the port's MTU lies in one
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
  /// The device's, of a port that spreads by RSS.
  const RssKey& rss_key() const { return rss_key_; }
  /// Which queue each row names; of a port that spreads by RSS.
  const std::vector<uint16_t>& rss_table() const { return rss_table_; }
  /// May a packet come in several buffers? The first then has room for all of it.
  bool scatters() const { return scatters_; }
  /// Does the device say of a packet that its checksums are wrong?
  bool checks_checksums() const { return config_.checksum_offload; }
  /// Nothing, unless it was asked for.
  const TransmitOffload& transmit_offload() const { return transmit_offload_; }
  uint16_t mtu() const { return config_.mtu; }
  MacAddress mac() const;
  bool link_up() const;
  PortTotals totals() const;

 private:
  explicit Port(PortConfig config) : config_(std::move(config)) {}

  using Done = tl::expected<void, std::string>;
  Done probe();
  Done configure(size_t workers);
  Done configure_transmit(const rte_eth_dev_info& device, uint64_t& offloads);
  Done set_up_queues(const std::vector<const BufferPool*>& buffers);
  void read_rss();

  PortConfig config_;
  uint16_t id_ = 0;
  bool opened_ = false;
  uint16_t queues_ = 1;
  bool scatters_ = false;
  TransmitOffload transmit_offload_;
  Spreading spreading_ = Spreading::none;
  RssKey rss_key_ = {};
  std::vector<uint16_t> rss_table_;
};

std::string to_string(const MacAddress& mac);

}  // namespace weft::runtime
