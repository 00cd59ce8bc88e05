// SPDX-License-Identifier: Apache-2.0
#include "runtime/intake.h"

#include <rte_mbuf.h>

#include "packet/transport_checksum.h"

namespace weft::runtime {
namespace {

uint64_t said_of_checksum(const rte_mbuf* packet) {
  return packet->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
}

}  // namespace

std::optional<l4::Verdict> take_in(rte_mbuf* packet, Intake intake) {
  if (intake.join && packet->nb_segs > 1 && rte_pktmbuf_linearize(packet) != 0) {
    return l4::Verdict::too_many_buffers;
  }
  if (!intake.checksums) {
    return std::nullopt;
  }
  const std::span<std::byte> frame(rte_pktmbuf_mtod(packet, std::byte*), packet->data_len);
  switch (said_of_checksum(packet)) {
    // The device is asked, and not believed: some take a UDP checksum of zero, which is none, for a wrong one (82599's
    // errata), or a fragment's for its datagram's. Of the IPv4 header, the parser sees for itself.
    case RTE_MBUF_F_RX_L4_CKSUM_BAD:
      return packet::transport_checksum_wrong(frame) ? std::optional(l4::Verdict::bad_transport_checksum)
                                                     : std::nullopt;
    // Of a virtual network: the packet has not been on any wire, and its checksum is still to be written. What weft
    // does next is to update it.
    case RTE_MBUF_F_RX_L4_CKSUM_NONE:
      packet::write_transport_checksum(frame);
      break;
    default:
      break;
  }
  return std::nullopt;
}

}  // namespace weft::runtime
