// SPDX-License-Identifier: Apache-2.0
#include "runtime/port.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#include <algorithm>
#include <cstring>

namespace weft::runtime {
namespace {

constexpr uint32_t kPoolCache = 256;
static_assert(kBufferBytes == RTE_MBUF_DEFAULT_DATAROOM);

std::string failure(const PortConfig& config, std::string_view what, int error) {
  return fmt::format("port {}: {} {}: {}", config.name, what, config.device, rte_strerror(-error));
}

/// "net_memif0,role=server" names its device "net_memif0"; a PCI address is its own name.
std::string device_name(const std::string& device) {
  return device.substr(0, device.find(','));
}

}  // namespace

tl::expected<BufferPool, std::string> BufferPool::make(const std::string& name, uint32_t buffers) {
  BufferPool pool;
  pool.pool_.reset(rte_pktmbuf_pool_create(name.c_str(), buffers, kPoolCache, 0, RTE_MBUF_DEFAULT_BUF_SIZE,
                                           static_cast<int>(rte_socket_id())));
  if (pool.pool_ == nullptr) {
    return tl::unexpected(
        fmt::format("no memory for {} packet buffers ({}): raise memory.megabytes", buffers, rte_strerror(rte_errno)));
  }
  return pool;
}

uint32_t BufferPool::available() const {
  return rte_mempool_avail_count(pool_.get());
}
uint32_t BufferPool::size() const {
  return pool_->size;
}
void BufferPool::Free::operator()(rte_mempool* pool) const {
  rte_mempool_free(pool);
}

tl::expected<std::unique_ptr<Port>, std::string> Port::open(const PortConfig& config, const BufferPool& buffers) {
  uint16_t id = 0;
  const std::string name = device_name(config.device);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id) != 0) {  // not there yet: a device that EAL did not probe
    if (const int error = rte_dev_probe(config.device.c_str()); error != 0) {
      return tl::unexpected(failure(config, "cannot open device", error) +
                            "; is there such a device or interface, and may this process use it?");
    }
    if (const int error = rte_eth_dev_get_port_by_name(name.c_str(), &id); error != 0) {
      return tl::unexpected(failure(config, "no Ethernet port in device", error));
    }
  }
  std::unique_ptr<Port> port(new Port(config, id));
  rte_eth_dev_info device{};
  if (const int error = rte_eth_dev_info_get(id, &device); error != 0) {
    return tl::unexpected(failure(config, "cannot ask device", error));
  }
  const rte_eth_conf plain{};  // no offloads: checksums are updated in software, which works on every device
  if (const int error = rte_eth_dev_configure(id, 1, 1, &plain); error != 0) {
    return tl::unexpected(failure(config, "cannot configure device", error));
  }
  uint16_t receive = config.descriptors;
  uint16_t transmit = config.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id, &receive, &transmit);
  const auto socket = static_cast<uint32_t>(std::max(0, rte_eth_dev_socket_id(id)));
  if (const int error = rte_eth_rx_queue_setup(id, 0, receive, socket, nullptr, buffers.get()); error != 0) {
    return tl::unexpected(failure(config, "cannot set up the receive queue of", error));
  }
  if (const int error = rte_eth_tx_queue_setup(id, 0, transmit, socket, nullptr); error != 0) {
    return tl::unexpected(failure(config, "cannot set up the transmit queue of", error));
  }
  if (const int error = rte_eth_dev_start(id); error != 0) {
    return tl::unexpected(failure(config, "cannot start device", error));
  }
  return port;
}

Port::~Port() {
  rte_eth_dev_stop(id_);
  rte_eth_dev_close(id_);
}

MacAddress Port::mac() const {
  rte_ether_addr address{};
  rte_eth_macaddr_get(id_, &address);
  MacAddress mac;
  std::memcpy(mac.data(), address.addr_bytes, mac.size());
  return mac;
}

bool Port::link_up() const {
  rte_eth_link link{};
  return rte_eth_link_get_nowait(id_, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
}

PortTotals Port::totals() const {
  rte_eth_stats stats{};
  rte_eth_stats_get(id_, &stats);
  return {.received = stats.ipackets,
          .sent = stats.opackets,
          .missed = stats.imissed,
          .errors = stats.ierrors + stats.oerrors,
          .no_buffer = stats.rx_nombuf};
}

std::string to_string(const MacAddress& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}

}  // namespace weft::runtime
