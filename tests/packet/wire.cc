// SPDX-License-Identifier: Apache-2.0
#include "wire.h"

#include <gtest/gtest.h>
#include <rte_eth_ring.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include <algorithm>
#include <cstring>

namespace weft::test {
namespace {

constexpr int kPoison = 0xa5;

/// A fresh mbuf with these bytes, and nothing else that could be taken for meaningful.
rte_mbuf* fresh(rte_mempool* pool, std::span<const std::byte> bytes) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr || rte_pktmbuf_tailroom(packet) < bytes.size()) {
    ADD_FAILURE() << "no buffer for " << bytes.size() << " bytes";
    std::abort();
  }
  std::memset(packet->buf_addr, kPoison, packet->buf_len);
  std::memcpy(rte_pktmbuf_append(packet, static_cast<uint16_t>(bytes.size())), bytes.data(), bytes.size());
  packet->ol_flags = RTE_MBUF_F_RX_IP_CKSUM_BAD | RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_TX_IP_CKSUM;
  packet->hash.rss = 0xdeadbeef;
  packet->packet_type = 0xdeadbeef;
  packet->tx_offload = ~uint64_t{0};
  return packet;
}

}  // namespace

void Wire::Free::operator()(rte_ring* ring) const {
  void* packet = nullptr;
  while (rte_ring_dequeue(ring, &packet) == 0) {
    rte_pktmbuf_free(static_cast<rte_mbuf*>(packet));
  }
  rte_ring_free(ring);
}

std::unique_ptr<rte_ring, Wire::Free> Wire::make_ring(const std::string& name, uint32_t depth) {
  return std::unique_ptr<rte_ring, Free>(
      rte_ring_create(name.c_str(), depth, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ));
}

Wire::Wire(const std::string& name, const runtime::BufferPool& buffers, uint32_t depth)
    : buffers_(buffers), to_worker_(make_ring(name + "-in", 512)), from_worker_(make_ring(name + "-out", depth)) {
  rte_ring* in = to_worker_.get();
  rte_ring* out = from_worker_.get();
  rte_eth_from_rings(name.c_str(), &in, 1, &out, 1, SOCKET_ID_ANY);
  auto opened = runtime::Port::open({.name = name, .device = "net_ring_" + name}, {&buffers});
  if (!opened) {
    ADD_FAILURE() << opened.error();
    std::abort();
  }
  port_ = std::move(*opened);
}

Wire::~Wire() = default;

void Wire::put(const Bytes& frame, std::optional<size_t> first_segment) {
  const size_t first = std::min(frame.size(), first_segment.value_or(frame.size()));
  rte_mbuf* packet = fresh(buffers_.get(), std::span(frame).first(first));
  if (first < frame.size()) {
    rte_pktmbuf_chain(packet, fresh(buffers_.get(), std::span(frame).subspan(first)));
  }
  ASSERT_EQ(rte_ring_enqueue(to_worker_.get(), packet), 0);
}

std::vector<Bytes> Wire::take() {
  std::vector<Bytes> frames;
  void* dequeued = nullptr;
  while (rte_ring_dequeue(from_worker_.get(), &dequeued) == 0) {
    auto* packet = static_cast<rte_mbuf*>(dequeued);
    const char* reason = nullptr;
    EXPECT_EQ(rte_mbuf_check(packet, 1, &reason), 0) << reason;
    EXPECT_EQ(packet->ol_flags, 0U) << "no offload is asked for";
    Bytes bytes(packet->pkt_len);
    const void* data = rte_pktmbuf_read(packet, 0, packet->pkt_len, bytes.data());
    if (data != nullptr && data != bytes.data()) {
      std::memcpy(bytes.data(), data, bytes.size());
    }
    frames.push_back(std::move(bytes));
    rte_pktmbuf_free(packet);
  }
  return frames;
}

}  // namespace weft::test
