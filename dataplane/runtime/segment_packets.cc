// SPDX-License-Identifier: Apache-2.0
#include "runtime/segment_packets.h"

#include <algorithm>
#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "runtime/mbuf_buffers.h"
#include "tcp/wire.h"

namespace weft::runtime {
namespace {

using packet::kIpOffset;

constexpr size_t kTag = 4;                                  ///< of a VLAN, which the worker puts in front
constexpr size_t kLongest = UINT16_MAX - tcp::kMaxHeaders;  ///< an IP length has 16 bits

bool goes_on(const tcp::Transmission& last, const tcp::Transmission& next) {
  return next.pair == last.pair && next.payload_length > 0 && next.acknowledgment == last.acknowledgment &&
         next.window == last.window && next.sequence == last.sequence + last.payload_length &&
         last.flags == tcp::flag::ack && (next.flags | tcp::flag::psh) == (tcp::flag::ack | tcp::flag::psh) &&
         next.options_length == last.options_length &&
         std::equal(next.options.begin(), next.options.begin() + next.options_length, last.options.begin());
}

/// In front of the payload, if its buffer is the engine's and this packet's alone. Null: it is not.
rte_mbuf* in_place(std::span<buffer::Slice> payload, size_t headers) {
  constexpr uint32_t kOurs = 2;  // slices: the engine's, which waits for its acknowledgment, and this one
  if (payload.size() != 1 || payload[0].buffer()->references != kOurs || payload[0].headroom() < headers + kTag ||
      rte_mbuf_refcnt_read(mbuf_of(payload[0].buffer())) != 1) {
    return nullptr;
  }
  rte_mbuf* packet = mbuf_of(payload[0].buffer());
  rte_mbuf_refcnt_update(packet, 1);  // the device's
  packet->data_off = static_cast<uint16_t>(payload[0].headroom() - headers);
  packet->data_len = static_cast<uint16_t>(headers + payload[0].size());
  return packet;
}

rte_mbuf* copied(std::span<buffer::Slice> payload, size_t headers, rte_mempool* pool) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) {
    return nullptr;
  }
  auto* to = rte_pktmbuf_mtod_offset(packet, std::byte*, headers);
  for (const buffer::Slice& slice : payload) {
    std::memcpy(to, slice.data(), slice.size());
    to += slice.size();
  }
  packet->data_len = static_cast<uint16_t>(to - rte_pktmbuf_mtod(packet, std::byte*));
  return packet;
}

/// Headers in a buffer of their own, and a reference to each slice behind them. Null: the pool is empty.
rte_mbuf* chained(std::span<buffer::Slice> payload, size_t headers, rte_mempool* pool) {
  rte_mbuf* packet = rte_pktmbuf_alloc(pool);
  if (packet == nullptr) {
    return nullptr;
  }
  packet->data_len = static_cast<uint16_t>(headers);
  packet->pkt_len = packet->data_len;
  rte_mbuf* last = packet;
  for (buffer::Slice& slice : payload) {
    rte_mbuf* link = rte_pktmbuf_alloc(pool);
    if (link == nullptr) {
      rte_pktmbuf_free(packet);
      return nullptr;
    }
    rte_pktmbuf_attach(link, mbuf_of(slice.buffer()));
    link->data_off = static_cast<uint16_t>(slice.headroom());
    link->data_len = static_cast<uint16_t>(slice.size());
    link->pkt_len = link->data_len;
    link->nb_segs = 1;
    link->next = nullptr;
    last->next = link;
    last = link;
    packet->pkt_len += link->data_len;
    ++packet->nb_segs;
  }
  return packet;
}

}  // namespace

size_t run_of(std::span<const tcp::Transmission> segments, const TransmitOffload& offload) {
  if (!offload.segmentation || segments[0].payload_length == 0) {
    return 1;
  }
  const uint16_t full = segments[0].payload_length;
  size_t bytes = full;
  size_t buffers = 1U + segments[0].slice_count;
  size_t count = 1;
  for (; count < segments.size(); ++count) {
    const tcp::Transmission& next = segments[count];
    bytes += next.payload_length;
    buffers += next.slice_count;
    if (segments[count - 1].payload_length != full || next.payload_length > full || bytes > kLongest ||
        buffers > offload.most_buffers || !goes_on(segments[count - 1], next)) {
      break;
    }
  }
  return count;
}

rte_mbuf* packet_of(std::span<const tcp::Transmission> run, std::span<buffer::Slice> payload, const l4::NextHop& hop,
                    const TransmitOffload& offload, rte_mempool* pool) {
  tcp::Transmission whole = run[0];
  for (const tcp::Transmission& next : run.subspan(1)) {
    whole.payload_length = static_cast<uint16_t>(whole.payload_length + next.payload_length);
    whole.flags |= next.flags;
  }
  const size_t headers = kIpOffset + tcp::header_size(whole);
  rte_mbuf* packet = in_place(payload, headers);
  if (packet != nullptr) {
    packet->pkt_len = packet->data_len;
    packet->nb_segs = 1;
    packet->next = nullptr;
    packet->ol_flags = 0;
  } else {
    packet = offload.checksums && !payload.empty() && payload.size() < offload.most_buffers
                 ? chained(payload, headers, pool)
                 : copied(payload, headers, pool);
    if (packet == nullptr) {
      return nullptr;
    }
    packet->pkt_len = static_cast<uint32_t>(headers + whole.payload_length);
  }
  auto* const at = rte_pktmbuf_mtod(packet, std::byte*);
  const bool is_ipv4 = whole.pair.local.is_ipv4();
  std::memcpy(at, hop.addresses.data(), hop.addresses.size());
  packet::view<packet::EthernetHeader>(at)->type = is_ipv4 ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
  if (!offload.checksums) {
    tcp::write_headers(whole, payload, at + kIpOffset);
    return packet;
  }
  tcp::write_headers(whole, at + kIpOffset);
  packet->l2_len = kIpOffset;
  packet->l3_len = is_ipv4 ? sizeof(packet::Ipv4Header) : sizeof(packet::Ipv6Header);
  packet->l4_len = headers - packet->l2_len - packet->l3_len;
  packet->ol_flags |= RTE_MBUF_F_TX_TCP_CKSUM | (is_ipv4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6);
  if (run.size() > 1) {
    packet->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
    packet->tso_segsz = run[0].payload_length;
    // Each segment has its own length too, so the pseudo header's sum is without one.
    auto* const tcp = packet::view<packet::TcpHeader>(at + packet->l2_len + packet->l3_len);
    const auto length = static_cast<uint16_t>(packet->l4_len + whole.payload_length);
    tcp->checksum = packet::fold(uint32_t{tcp->checksum} + static_cast<uint16_t>(~packet::swap16(length)));
  }
  if (is_ipv4 && offload.ip_checksums) {  // each segment has its own length
    packet->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
    packet::view<packet::Ipv4Header>(at + kIpOffset)->checksum = {};
  }
  return packet;
}

}  // namespace weft::runtime
