// SPDX-License-Identifier: Apache-2.0
#include "packet/answer.h"

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/sum.h"

namespace weft::packet {
namespace {

using lb::Family;
using lb::FlowKey4;
using lb::FlowKey6;

template <typename Key>
constexpr bool kIsIpv4 = std::is_same_v<Key, FlowKey4>;
template <typename Key>
constexpr size_t kIpHeader = kIsIpv4<Key> ? sizeof(Ipv4Header) : sizeof(Ipv6Header);
template <typename Key>
constexpr lb::Protocol kIcmp = kIsIpv4<Key> ? lb::Protocol::icmp : lb::Protocol::icmpv6;
template <typename Key>
constexpr size_t kMaxIcmpError = kIsIpv4<Key> ? 576 : 1280;  // with the IP header
template <typename Key>
constexpr size_t kQuoteOffset = kIpHeader<Key> + sizeof(IcmpHeader);
static_assert(kUnreachableRoom == kQuoteOffset<FlowKey4> && kUnreachableRoom6 == kQuoteOffset<FlowKey6>);

/// A header without options, from the answered packet's destination to its source.
template <typename Key>
void write_ip(std::byte* at, const Key& answered, lb::Protocol protocol, size_t payload_length) {
  if constexpr (kIsIpv4<Key>) {
    const Ipv4Header header = {.version_and_length = kPlainIpv4,
                               .total_length = swap16(static_cast<uint16_t>(sizeof header + payload_length)),
                               .time_to_live = kTimeToLive,
                               .protocol = protocol,
                               .source = answered.destination,
                               .destination = answered.source};
    std::memcpy(at, &header, sizeof header);
    view<Ipv4Header>(at)->checksum = checksum_of({at, sizeof header});
  } else {
    const Ipv6Header header = {.version_class_label = kIpv6Version,
                               .payload_length = swap16(static_cast<uint16_t>(payload_length)),
                               .next_header = protocol,
                               .hop_limit = kTimeToLive,
                               .source = answered.destination.bytes,
                               .destination = answered.source.bytes};
    std::memcpy(at, &header, sizeof header);
  }
}

/// The checksum of a message to or from the addresses of `key`: their order makes no difference. ICMP has no pseudo
/// header, ICMPv6 has (RFC 4443, section 2.3).
template <typename Key>
uint16_t checksum_with(const Key& key, lb::Protocol protocol, std::span<const std::byte> message) {
  const bool plain = protocol == lb::Protocol::icmp;
  const uint64_t pseudo =
      plain ? 0 : pseudo_header_sum(key.source, key.destination, protocol, static_cast<uint16_t>(message.size()));
  return static_cast<uint16_t>(~fold(sum_of_payload(message, pseudo)));
}

std::span<const std::byte> message_of(std::span<const std::byte> frame, const Parsed& parsed) {
  return frame.subspan(parsed.l4_offset, kIpOffset + size_t{parsed.ip_length} - parsed.l4_offset);
}

size_t answer_echo4(std::span<std::byte> frame, const Parsed& parsed) {
  auto* ip = view<Ipv4Header>(frame.data() + kIpOffset);
  ip->source = parsed.key4.destination;  // a swap leaves the header's sum as it is
  ip->destination = parsed.key4.source;
  ip->checksum = update(ip->checksum, delta(ip->time_to_live, kTimeToLive));  // the first byte of its word
  ip->time_to_live = kTimeToLive;
  auto* icmp = view<IcmpHeader>(frame.data() + parsed.l4_offset);
  icmp->type = icmp_type::echo_reply;
  const uint16_t updated = update(icmp->checksum, delta(icmp_type::echo_request, icmp_type::echo_reply));
  icmp->checksum = updated == 0 ? 0xffff : updated;  // a reply may be all zeros, and they sum to 0; else both are right
  return frame.size();
}

size_t answer_echo6(std::span<std::byte> frame, const Parsed& parsed) {
  constexpr size_t kMessage = kIpOffset + sizeof(Ipv6Header);
  const size_t length = message_of(frame, parsed).size();
  std::memmove(frame.data() + kMessage, frame.data() + parsed.l4_offset, length);
  write_ip(frame.data() + kIpOffset, parsed.key6, lb::Protocol::icmpv6, length);
  auto* icmp = view<IcmpHeader>(frame.data() + kMessage);
  icmp->type = icmpv6_type::echo_reply;
  icmp->checksum = update(icmp->checksum, delta(icmpv6_type::echo_request, icmpv6_type::echo_reply));
  return kMessage + length;
}

/// @param answered as write_ip()'s
template <typename Key>
size_t write_tcp(std::span<std::byte> frame, const Key& answered, const TcpHeader& header) {
  write_ip(frame.data() + kIpOffset, answered, lb::Protocol::tcp, sizeof header);
  std::byte* tcp = frame.data() + kIpOffset + kIpHeader<Key>;
  std::memcpy(tcp, &header, sizeof header);
  view<TcpHeader>(tcp)->checksum = checksum_with(answered, lb::Protocol::tcp, {tcp, sizeof header});
  return kIpOffset + kIpHeader<Key> + sizeof header;
}

template <typename Key>
size_t write_reset_onwards(std::span<std::byte> frame, const Parsed& parsed, const Key& as) {
  const TcpHeader segment = *view<TcpHeader>(frame.data() + parsed.l4_offset);
  const auto ack = static_cast<uint8_t>(segment.flags & tcp_flag::ack);
  return write_tcp(frame, reversed(as),
                   {.source_port = as.source_port,
                    .destination_port = as.destination_port,
                    .sequence = segment.sequence,
                    .acknowledgment = ack != 0 ? segment.acknowledgment : 0,
                    .data_offset = sizeof(TcpHeader) / 4 << 4,
                    .flags = static_cast<uint8_t>(tcp_flag::rst | ack)});
}

template <typename Key>
size_t write_reset(std::span<std::byte> frame, const Parsed& parsed) {
  const TcpHeader request = *view<TcpHeader>(frame.data() + parsed.l4_offset);
  const size_t header_length = size_t{request.data_offset} >> 4 << 2;
  const size_t payload = message_of(frame, parsed).size() - header_length;
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
  return write_tcp(frame, key_of<Key>(parsed), reset);
}

template <typename Key>
size_t write_error(std::span<std::byte> buffer, const Parsed& parsed, const IcmpHeader& header) {
  const size_t quoted = std::min<size_t>(parsed.ip_length, kMaxIcmpError<Key> - kQuoteOffset<Key>);
  if (buffer.size() < kIpOffset + kQuoteOffset<Key> + quoted) {
    return 0;
  }
  const Key& key = key_of<Key>(parsed);
  std::byte* ip = buffer.data() + kIpOffset;
  std::memmove(ip + kQuoteOffset<Key>, ip, quoted);
  write_ip(ip, key, kIcmp<Key>, sizeof header + quoted);
  std::byte* icmp = ip + kIpHeader<Key>;
  std::memcpy(icmp, &header, sizeof header);
  view<IcmpHeader>(icmp)->checksum = checksum_with(key, kIcmp<Key>, {icmp, sizeof header + quoted});
  return kIpOffset + kQuoteOffset<Key> + quoted;
}

/// Around what lies behind them.
template <typename Key>
size_t write_datagram_headers(std::span<std::byte> frame, const Key& answered, size_t payload) {
  const size_t length = sizeof(UdpHeader) + payload;
  write_ip(frame.data() + kIpOffset, answered, lb::Protocol::udp, length);
  std::byte* const datagram = frame.data() + kIpOffset + kIpHeader<Key>;
  const UdpHeader header = {.source_port = answered.destination_port,
                            .destination_port = answered.source_port,
                            .length = swap16(static_cast<uint16_t>(length))};
  std::memcpy(datagram, &header, sizeof header);
  const uint16_t checksum = checksum_with(answered, lb::Protocol::udp, {datagram, length});
  view<UdpHeader>(datagram)->checksum = checksum == 0 ? 0xffff : checksum;  // 0 would say that there is none
  return kIpOffset + kIpHeader<Key> + length;
}

template <typename Key>
size_t turn_datagram(std::span<std::byte> buffer, const Parsed& parsed, std::span<const std::byte> payload) {
  std::byte* const to = buffer.data() + kIpOffset + kIpHeader<Key> + sizeof(UdpHeader);
  if (payload.data() != to) {
    std::memmove(to, payload.data(), payload.size());
  }
  const Key answered = key_of<Key>(parsed);
  return write_datagram_headers(buffer, answered, payload.size());
}

}  // namespace

bool is_echo_request(std::span<const std::byte> frame, const Parsed& parsed) {
  const auto* icmp = view<IcmpHeader>(frame.data() + parsed.l4_offset);
  const uint8_t request = parsed.family == Family::ipv4 ? icmp_type::echo_request : icmpv6_type::echo_request;
  return icmp->type == request && icmp->code == 0;
}

bool verify_icmp(std::span<const std::byte> frame, const Parsed& parsed) {
  const std::span<const std::byte> message = message_of(frame, parsed);
  return parsed.family == Family::ipv4 ? fold(sum_of_payload(message)) == 0xffff
                                       : checksum_with(parsed.key6, lb::Protocol::icmpv6, message) == 0;
}

size_t answer_echo(std::span<std::byte> frame, const Parsed& parsed) {
  return parsed.family == Family::ipv4 ? answer_echo4(frame, parsed) : answer_echo6(frame, parsed);
}

std::span<const std::byte> payload_of(std::span<const std::byte> frame, const Parsed& parsed) {
  const auto* const header = view<UdpHeader>(frame.data() + parsed.l4_offset);
  return frame.subspan(parsed.l4_offset + sizeof *header, swap16(header->length) - sizeof *header);
}

bool verify_datagram(std::span<const std::byte> frame, const Parsed& parsed) {
  const auto* const header = view<UdpHeader>(frame.data() + parsed.l4_offset);
  const std::span<const std::byte> datagram = frame.subspan(parsed.l4_offset, swap16(header->length));
  if (parsed.family == Family::ipv4) {
    return header->checksum == 0 || checksum_with(parsed.key4, lb::Protocol::udp, datagram) == 0;
  }
  return header->checksum != 0 && checksum_with(parsed.key6, lb::Protocol::udp, datagram) == 0;
}

size_t answer_datagram(std::span<std::byte> buffer, const Parsed& parsed, std::span<const std::byte> payload) {
  return parsed.family == Family::ipv4 ? turn_datagram<FlowKey4>(buffer, parsed, payload)
                                       : turn_datagram<FlowKey6>(buffer, parsed, payload);
}

size_t write_datagram(std::span<std::byte> frame, const lb::Tuple& answered, size_t payload) {
  const auto with = [&](auto key) {
    using Key = decltype(key);
    using A = typename Key::Address;
    return write_datagram_headers(frame,
                                  Key::make(answered.source.as<A>(), answered.source_port, answered.destination.as<A>(),
                                            answered.destination_port, lb::Protocol::udp),
                                  payload);
  };
  return answered.source.is_ipv4() ? with(FlowKey4{}) : with(FlowKey6{});
}

size_t answer_reset(std::span<std::byte> frame, const Parsed& parsed) {
  return parsed.family == Family::ipv4 ? write_reset<FlowKey4>(frame, parsed) : write_reset<FlowKey6>(frame, parsed);
}

size_t turn_into_reset(std::span<std::byte> frame, const Parsed& parsed, const lb::FlowKey4& as) {
  return write_reset_onwards(frame, parsed, as);
}

size_t turn_into_reset(std::span<std::byte> frame, const Parsed& parsed, const lb::FlowKey6& as) {
  return write_reset_onwards(frame, parsed, as);
}

size_t answer_port_unreachable(std::span<std::byte> buffer, const Parsed& parsed) {
  return parsed.family == Family::ipv4
             ? write_error<FlowKey4>(buffer, parsed, {.type = icmp_type::unreachable, .code = kIcmpPortUnreachable})
             : write_error<FlowKey6>(buffer, parsed,
                                     {.type = icmpv6_type::unreachable, .code = kIcmpv6PortUnreachable});
}

size_t answer_too_big(std::span<std::byte> buffer, const Parsed& parsed, uint16_t mtu) {
  // ICMPv6 has 32 bits for it; ICMP 16, which are the lower half of the same word.
  const uint32_t rest = swap32(mtu);
  return parsed.family == Family::ipv4
             ? write_error<FlowKey4>(buffer, parsed,
                                     {.type = icmp_type::unreachable, .code = kIcmpFragmentationNeeded, .rest = rest})
             : write_error<FlowKey6>(buffer, parsed, {.type = icmpv6_type::packet_too_big, .rest = rest});
}

}  // namespace weft::packet
