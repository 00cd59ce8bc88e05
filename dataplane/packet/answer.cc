// SPDX-License-Identifier: Apache-2.0
#include "packet/answer.h"

#include <algorithm>
#include <cstring>

#include "packet/checksum.h"
#include "packet/headers.h"

namespace weft::packet {
namespace {

constexpr uint8_t kTimeToLive = 64;    // RFC 1700's default, as hosts use
constexpr size_t kMaxIcmpError = 576;  // IPv4 length
constexpr uint8_t kPlainIpv4 = 0x45;
constexpr size_t kQuoteOffset = sizeof(Ipv4Header) + sizeof(IcmpHeader);
static_assert(kUnreachableRoom == kQuoteOffset);

/// A header without options, from the answered packet's destination to its source.
void write_ipv4(std::byte* at, const Parsed& answered, lb::Protocol protocol, size_t total_length) {
  const Ipv4Header header = {.version_and_length = kPlainIpv4,
                             .total_length = swap16(static_cast<uint16_t>(total_length)),
                             .time_to_live = kTimeToLive,
                             .protocol = protocol,
                             .source = answered.key.destination,
                             .destination = answered.key.source};
  std::memcpy(at, &header, sizeof header);
  view<Ipv4Header>(at)->checksum = checksum_of({at, sizeof header});
}

}  // namespace

bool is_echo_request(std::span<const std::byte> frame, const Parsed& parsed) {
  const auto* icmp = view<IcmpHeader>(frame.data() + parsed.l4_offset);
  return icmp->type == icmp_type::echo_request && icmp->code == 0;
}

bool verify_icmp(std::span<const std::byte> frame, const Parsed& parsed) {
  const size_t ip_header = parsed.l4_offset - kIpOffset;
  return checksum_of(frame.subspan(parsed.l4_offset, parsed.ip_length - ip_header)) == 0;
}

size_t answer_echo(std::span<std::byte> frame, const Parsed& parsed) {
  auto* ip = view<Ipv4Header>(frame.data() + kIpOffset);
  ip->source = parsed.key.destination;  // a swap leaves the header's sum as it is
  ip->destination = parsed.key.source;
  ip->checksum = update(ip->checksum, delta(ip->time_to_live, kTimeToLive));  // the first byte of its word
  ip->time_to_live = kTimeToLive;
  auto* icmp = view<IcmpHeader>(frame.data() + parsed.l4_offset);
  icmp->type = icmp_type::echo_reply;
  const uint16_t updated = update(icmp->checksum, delta(icmp_type::echo_request, icmp_type::echo_reply));
  icmp->checksum = updated == 0 ? 0xffff : updated;  // a reply may be all zeros, and they sum to 0; else both are right
  return frame.size();
}

size_t answer_reset(std::span<std::byte> frame, const Parsed& parsed) {
  const TcpHeader request = *view<TcpHeader>(frame.data() + parsed.l4_offset);
  const size_t header_length = size_t{request.data_offset} >> 4 << 2;
  const size_t payload = parsed.ip_length - (parsed.l4_offset - kIpOffset) - header_length;
  TcpHeader reset = {.source_port = request.destination_port,
                     .destination_port = request.source_port,
                     .data_offset = sizeof(TcpHeader) / 4 << 4,
                     .flags = tcp_flag::rst};
  if ((request.flags & tcp_flag::ack) != 0) {
    reset.sequence = request.acknowledgment;
  } else {
    const uint32_t syn = (request.flags & tcp_flag::syn) != 0 ? 1 : 0;
    const uint32_t fin = (request.flags & tcp_flag::fin) != 0 ? 1 : 0;
    reset.flags |= tcp_flag::ack;
    reset.acknowledgment = swap32(swap32(request.sequence) + static_cast<uint32_t>(payload) + syn + fin);
  }
  write_ipv4(frame.data() + kIpOffset, parsed, lb::Protocol::tcp, sizeof(Ipv4Header) + sizeof reset);
  std::byte* tcp = frame.data() + kIpOffset + sizeof(Ipv4Header);
  std::memcpy(tcp, &reset, sizeof reset);
  const uint64_t pseudo = pseudo_header_sum(parsed.key.destination, parsed.key.source, lb::Protocol::tcp, sizeof reset);
  view<TcpHeader>(tcp)->checksum = static_cast<uint16_t>(~fold(sum_of({tcp, sizeof reset}, pseudo)));
  return kIpOffset + sizeof(Ipv4Header) + sizeof reset;
}

size_t answer_port_unreachable(std::span<std::byte> buffer, const Parsed& parsed) {
  const size_t quoted = std::min<size_t>(parsed.ip_length, kMaxIcmpError - kQuoteOffset);
  if (buffer.size() < kIpOffset + kQuoteOffset + quoted) {
    return 0;
  }
  std::byte* ip = buffer.data() + kIpOffset;
  std::memmove(ip + kQuoteOffset, ip, quoted);
  write_ipv4(ip, parsed, lb::Protocol::icmp, kQuoteOffset + quoted);
  std::byte* icmp = ip + sizeof(Ipv4Header);
  const IcmpHeader header = {.type = icmp_type::unreachable, .code = kIcmpPortUnreachable};
  std::memcpy(icmp, &header, sizeof header);
  view<IcmpHeader>(icmp)->checksum = checksum_of({icmp, sizeof header + quoted});
  return kIpOffset + kQuoteOffset + quoted;
}

}  // namespace weft::packet
