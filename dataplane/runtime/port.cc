// SPDX-License-Identifier: Apache-2.0
#include "runtime/port.h"

#include <fmt/format.h>
#include <rte_dev.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mbuf_pool_ops.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "buffer/slice.h"
#include "runtime/pci.h"

namespace weft::runtime {
namespace {

constexpr uint32_t kPoolCache = 256;
constexpr uint64_t kPortsOfIpv4 = RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_NONFRAG_IPV4_UDP;
constexpr uint64_t kPortsOfIpv6 = RTE_ETH_RSS_NONFRAG_IPV6_TCP | RTE_ETH_RSS_NONFRAG_IPV6_UDP;
constexpr uint64_t kTcpAndUdpChecksums = RTE_ETH_RX_OFFLOAD_TCP_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM;
/// Any will do, as long as its hash looks random; this is the one that Microsoft's specification verifies with.
constexpr RssKey kOurKey = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3,
                            0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3,
                            0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};
static_assert(kBufferBytes == RTE_MBUF_DEFAULT_DATAROOM);

std::string failure(const PortConfig& config, std::string_view what, int error) {
  return fmt::format("port {}: {} {}: {}", config.name, what, config.device, rte_strerror(-error));
}

/// As long as the device wants it: some take 52 bytes and no other number. What lies behind the tuple does not count.
std::vector<uint8_t> our_key(size_t bytes) {
  std::vector<uint8_t> key(bytes == 0 ? kOurKey.size() : bytes);
  for (size_t i = 0; i < key.size(); ++i) {
    key[i] = kOurKey[i % kOurKey.size()];
  }
  return key;
}

/// "net_memif0,role=server" names its device "net_memif0"; a PCI address is its own name.
std::string device_name(const std::string& device) {
  return device.substr(0, device.find(','));
}

/// As rte_pktmbuf_pool_create() makes one; but where there are no huge pages there is no DMA either, and buffers may
/// lie across pages: a page for each would take twice the memory.
rte_mempool* make_pool(const std::string& name, uint32_t buffers, uint32_t bytes) {
  constexpr uint16_t kPrivate = RTE_ALIGN(sizeof(buffer::Buffer), RTE_MBUF_PRIV_ALIGN);
  const auto room = static_cast<uint16_t>(bytes + RTE_PKTMBUF_HEADROOM);
  const uint32_t flags = rte_eal_has_hugepages() != 0 ? 0 : RTE_MEMPOOL_F_NO_IOVA_CONTIG;
  rte_mempool* pool =
      rte_mempool_create_empty(name.c_str(), buffers, sizeof(rte_mbuf) + kPrivate + room, kPoolCache,
                               sizeof(rte_pktmbuf_pool_private), static_cast<int>(rte_socket_id()), flags);
  if (pool == nullptr) {
    return nullptr;
  }
  rte_pktmbuf_pool_private sizes{.mbuf_data_room_size = room, .mbuf_priv_size = kPrivate, .flags = 0};
  if (rte_mempool_set_ops_byname(pool, rte_mbuf_best_mempool_ops(), nullptr) != 0) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_pktmbuf_pool_init(pool, &sizes);
  if (rte_mempool_populate_default(pool) < 0) {
    rte_mempool_free(pool);
    return nullptr;
  }
  rte_mempool_obj_iter(pool, rte_pktmbuf_init, nullptr);
  return pool;
}

/// DPDK 22.11's AF_XDP driver takes a pool for as long as all of its buffers, and does not count the gaps that are left
/// where huge pages end: what lies behind that length the kernel refuses to send, without a word. Those few buffers are
/// taken out for good. @returns how many
uint32_t take_out_unreachable(rte_mempool* pool) {
  if (pool->nb_mem_chunks != 1) {  // such a pool the driver does not take at all: it is for devices with DMA
    return 0;
  }
  const rte_mempool_memhdr* chunk = STAILQ_FIRST(&pool->mem_list);
  const auto begin = reinterpret_cast<uintptr_t>(chunk->addr);
  const uintptr_t end =
      begin + uintptr_t{pool->populated_size} * (pool->header_size + pool->elt_size + pool->trailer_size);
  std::vector<void*> all(pool->populated_size);
  uint32_t taken = 0;
  uint32_t kept = 0;
  for (void* buffer = nullptr; rte_mempool_get(pool, &buffer) == 0;) {
    const bool reachable = reinterpret_cast<uintptr_t>(buffer) + pool->elt_size + pool->trailer_size <= end;
    kept += reachable ? 1 : 0;
    taken += reachable ? 0 : 1;
    if (reachable) {
      all[kept - 1] = buffer;
    }
  }
  rte_mempool_put_bulk(pool, all.data(), kept);
  return taken;
}

}  // namespace

tl::expected<BufferPool, std::string> BufferPool::make(const std::string& name, uint32_t buffers, uint32_t bytes) {
  BufferPool pool;
  pool.pool_.reset(make_pool(name, buffers, bytes));
  if (pool.pool_ == nullptr) {
    return tl::unexpected(fmt::format("no memory for {} packet buffers of {} bytes ({}): raise memory.megabytes",
                                      buffers, bytes, rte_strerror(rte_errno)));
  }
  pool.unreachable_ = take_out_unreachable(pool.get());
  return pool;
}

uint32_t BufferPool::available() const {
  return rte_mempool_avail_count(pool_.get());
}
uint32_t BufferPool::size() const {
  return pool_->size - unreachable_;
}
void BufferPool::Free::operator()(rte_mempool* pool) const {
  rte_mempool_free(pool);
}

tl::expected<std::unique_ptr<Port>, std::string> Port::open(const PortConfig& config,
                                                            const std::vector<const BufferPool*>& buffers) {
  std::unique_ptr<Port> port(new Port(config));
  if (Done done = port->probe(); !done) {
    return tl::unexpected(done.error());
  }
  if (Done done = port->configure(buffers.size()); !done) {
    return tl::unexpected(done.error());
  }
  if (Done done = port->set_up_queues(buffers); !done) {
    return tl::unexpected(done.error());
  }
  return port;
}

Port::Done Port::probe() {
  const std::string name = device_name(config_.device);
  if (rte_eth_dev_get_port_by_name(name.c_str(), &id_) != 0) {  // not there yet: a device that EAL did not probe
    if (const int error = rte_dev_probe(config_.device.c_str()); error != 0) {
      return tl::unexpected(failure(config_, "cannot open device", error) + "; " +
                            (is_pci_address(config_.device)
                                 ? explain_pci(config_.device)
                                 : "is there such a device or interface, and may this process use it?"));
    }
    if (const int error = rte_eth_dev_get_port_by_name(name.c_str(), &id_); error != 0) {
      return tl::unexpected(failure(config_, "no Ethernet port in device", error));
    }
  }
  opened_ = true;
  return {};
}

Port::Done Port::configure(size_t workers) {
  rte_eth_dev_info device{};
  if (const int error = rte_eth_dev_info_get(id_, &device); error != 0) {
    return tl::unexpected(failure(config_, "cannot ask device", error));
  }
  const uint64_t hashed = (kPortsOfIpv4 | kPortsOfIpv6 | RTE_ETH_RSS_IP) & device.flow_type_rss_offloads;
  const bool has_rss = (hashed & kPortsOfIpv4) == kPortsOfIpv4 && std::has_single_bit(device.reta_size);
  const bool has_queues = std::min(device.max_rx_queues, device.max_tx_queues) >= workers;
  if (config_.queues > 1 && !has_queues) {
    return tl::unexpected(
        fmt::format("port {}: {} has {} receive and {} transmit queues, and a queue for each of {} "
                    "workers was asked for",
                    config_.name, config_.device, device.max_rx_queues, device.max_tx_queues, workers));
  }
  const bool many = workers > 1 && has_queues && (config_.queues == 0 ? has_rss : config_.queues > 1);
  queues_ = many ? static_cast<uint16_t>(workers) : 1;
  spreading_ = !many ? Spreading::none : has_rss ? Spreading::rss : Spreading::unknown;

  rte_eth_conf plain{};  // of what is forwarded, checksums are updated in software, on every device
  if (Done done = configure_transmit(device, plain.txmode.offloads); !done) {
    return done;
  }
  if (config_.checksum_offload) {
    plain.rxmode.offloads = (kTcpAndUdpChecksums | RTE_ETH_RX_OFFLOAD_IPV4_CKSUM) & device.rx_offload_capa;
    if ((plain.rxmode.offloads & kTcpAndUdpChecksums) != kTcpAndUdpChecksums) {
      return tl::unexpected(
          fmt::format("port {}: checksum_offload: {} does not check the checksums of TCP and UDP; leave it off",
                      config_.name, config_.device));
    }
  }
  if (config_.mtu > kPlainMtu) {
    if (config_.mtu > device.max_mtu) {
      return tl::unexpected(fmt::format("port {}: mtu: {} takes at most {}, and {} was asked for", config_.name,
                                        config_.device, device.max_mtu, config_.mtu));
    }
    plain.rxmode.mtu = config_.mtu;
  }
  std::vector<uint8_t> key = our_key(device.hash_key_size);
  if (spreading_ == Spreading::rss) {
    plain.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    plain.rx_adv_conf.rss_conf = {
        .rss_key = key.data(), .rss_key_len = static_cast<uint8_t>(key.size()), .rss_hf = hashed};
  }
  if (const int error = rte_eth_dev_configure(id_, queues_, queues_, &plain); error != 0) {
    return tl::unexpected(failure(config_, "cannot configure device", error));
  }
  return {};
}

Port::Done Port::configure_transmit(const rte_eth_dev_info& device, uint64_t& offloads) {
  if (!config_.transmit_offload) {
    return {};
  }
  constexpr uint64_t kNeeded = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
  offloads = (kNeeded | RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) & device.tx_offload_capa;
  if ((offloads & kNeeded) != kNeeded) {
    return tl::unexpected(fmt::format(
        "port {}: transmit_offload: {} does not write the checksums of TCP in packets of several buffers; leave it off",
        config_.name, config_.device));
  }
  constexpr uint16_t kMostBuffers = 32;
  const bool cuts = (offloads & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0;
  const uint16_t most = cuts ? device.tx_desc_lim.nb_seg_max : device.tx_desc_lim.nb_mtu_seg_max;
  transmit_offload_ = {.checksums = true,
                       .segmentation = cuts,
                       .ip_checksums = (offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0,
                       .most_buffers = most == 0 ? kMostBuffers : std::min(most, kMostBuffers)};
  return {};
}

Port::Done Port::set_up_queues(const std::vector<const BufferPool*>& buffers) {
  uint16_t receive = config_.descriptors;
  uint16_t transmit = config_.descriptors;
  rte_eth_dev_adjust_nb_rx_tx_desc(id_, &receive, &transmit);
  const auto socket = static_cast<uint32_t>(std::max(0, rte_eth_dev_socket_id(id_)));
  for (uint16_t queue = 0; queue < queues_; ++queue) {
    if (const int error = rte_eth_rx_queue_setup(id_, queue, receive, socket, nullptr,
                                                 buffers[queues_ == 1 ? config_.poller : queue]->get());
        error != 0) {
      return tl::unexpected(failure(config_, "cannot set up the receive queue of", error));
    }
    if (const int error = rte_eth_tx_queue_setup(id_, queue, transmit, socket, nullptr); error != 0) {
      return tl::unexpected(failure(config_, "cannot set up the transmit queue of", error));
    }
  }
  if (const int error = rte_eth_dev_start(id_); error != 0) {
    return tl::unexpected(failure(config_, "cannot start device", error));
  }
  rte_eth_rxq_info queue{};
  scatters_ = rte_eth_rx_queue_info_get(id_, 0, &queue) == 0 ? queue.scattered_rx != 0 : config_.mtu > kPlainMtu;
  if (spreading_ == Spreading::rss) {
    read_rss();
  }
  return {};
}

/// What the device says it does, whatever it was told: a virtual function may have its physical one's key and table. If
/// it doesn't say, nobody can tell where a packet lands.
void Port::read_rss() {
  rte_eth_dev_info device{};
  rte_eth_dev_info_get(id_, &device);
  const uint16_t rows = device.reta_size;
  std::vector<rte_eth_rss_reta_entry64> groups((rows + RTE_ETH_RETA_GROUP_SIZE - 1) / RTE_ETH_RETA_GROUP_SIZE);
  for (rte_eth_rss_reta_entry64& group : groups) {
    group.mask = UINT64_MAX;
  }
  std::vector<uint8_t> key(std::max<size_t>(device.hash_key_size, rss_key_.size()));
  rte_eth_rss_conf in_use{.rss_key = key.data(), .rss_key_len = static_cast<uint8_t>(key.size()), .rss_hf = 0};
  constexpr uint64_t kAllPorts = kPortsOfIpv4 | kPortsOfIpv6;
  if (rte_eth_dev_rss_reta_query(id_, groups.data(), rows) != 0 || rte_eth_dev_rss_hash_conf_get(id_, &in_use) != 0 ||
      in_use.rss_key_len < rss_key_.size() || (in_use.rss_hf & kAllPorts) != kAllPorts) {
    spreading_ = Spreading::unknown;
    return;
  }
  std::copy_n(key.begin(), rss_key_.size(), rss_key_.begin());
  for (uint16_t row = 0; row < rows; ++row) {
    const uint16_t queue = groups[row / RTE_ETH_RETA_GROUP_SIZE].reta[row % RTE_ETH_RETA_GROUP_SIZE];
    if (queue >= queues_) {
      spreading_ = Spreading::unknown;
      return;
    }
    rss_table_.push_back(queue);
  }
}

Port::~Port() {
  if (opened_) {
    rte_eth_dev_stop(id_);
    rte_eth_dev_close(id_);
  }
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
