// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as one frame through parse, and whatever may then be done to it, without a pipeline's state: so that
/// the fuzzer reaches deep into extension headers, ICMP quotes and TCP options of both families.
///
/// Beyond crashes and accesses past the frame (it ends where its heap block does) it looks for broken promises: what is
/// translated parses to the tuple that it was given, and ICMP messages keep checksums as right or wrong as they were.
///
/// Input: a control byte, then the frame.
#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "packet/answer.h"
#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "packet/quote.h"
#include "packet/segment_size.h"
#include "packet/translate.h"

namespace {

using namespace weft;
using namespace weft::packet;

namespace control {
constexpr uint8_t ipv4 = 0x80;       // make it IPv4 with a right header checksum: a fuzzer cannot guess it
constexpr uint8_t ipv6 = 0x40;       // or IPv6
constexpr uint8_t length = 0x20;     // whose payload ends with the frame
constexpr uint8_t icmp = 0x10;       // give ICMP a right checksum
constexpr uint8_t too_big = 0x02;    // rather than refused
constexpr uint8_t translate = 0x01;  // rather than answered
}  // namespace control

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

void help_headers(std::span<std::byte> frame, uint8_t how) {
  if ((how & control::ipv4) != 0 && frame.size() >= kIpOffset + sizeof(Ipv4Header)) {
    view<EthernetHeader>(frame.data())->type = kEtherTypeIpv4;
    auto* ip = view<Ipv4Header>(frame.data() + kIpOffset);
    const size_t length = size_t{ip->version_and_length} % 16 * 4;
    ip->checksum = 0;
    ip->checksum = checksum_of(frame.subspan(kIpOffset, std::min(length, frame.size() - kIpOffset)));
  } else if ((how & control::ipv6) != 0 && frame.size() >= kIpOffset + sizeof(Ipv6Header)) {
    view<EthernetHeader>(frame.data())->type = kEtherTypeIpv6;
    auto* ip = view<Ipv6Header>(frame.data() + kIpOffset);
    ip->version_class_label = kIpv6Version;
    if ((how & control::length) != 0) {
      ip->payload_length = swap16(static_cast<uint16_t>(frame.size() - kIpOffset - sizeof(Ipv6Header)));
    }
  }
}

void help_icmp(std::span<std::byte> frame, const Parsed& parsed) {
  const auto message = frame.subspan(parsed.l4_offset, kIpOffset + size_t{parsed.ip_length} - parsed.l4_offset);
  auto* icmp = view<IcmpHeader>(message.data());
  const uint64_t pseudo = parsed.family == lb::Family::ipv4
                              ? 0
                              : pseudo_header_sum(parsed.key6.source, parsed.key6.destination, lb::Protocol::icmpv6,
                                                  static_cast<uint16_t>(message.size()));
  icmp->checksum = 0;
  icmp->checksum = static_cast<uint16_t>(~fold(sum_of(message, pseudo)));
}

bool has_hops(std::span<const std::byte> frame, const Parsed& parsed) {
  return parsed.family == lb::Family::ipv4 ? view<Ipv4Header>(frame.data() + kIpOffset)->time_to_live > 0
                                           : view<Ipv6Header>(frame.data() + kIpOffset)->hop_limit > 0;
}

template <typename Key>
Key moved(Key key) {
  std::array<uint8_t, sizeof key.source> bytes;
  bytes.fill(0xa5);
  key.source = std::bit_cast<typename Key::Address>(bytes);
  key.destination_port = lb::port_from_host(0x1234);
  return key;
}

template <typename Key>
void use_transport(std::span<std::byte> frame, const Parsed& parsed, uint8_t how) {
  const Key key = key_of<Key>(parsed);
  std::byte* transport = frame.data() + parsed.l4_offset;
  const bool tcp = key.protocol == lb::Protocol::tcp;
  if (tcp) {
    clamp_segment_size(transport, size_t{view<TcpHeader>(transport)->data_offset} >> 4 << 2, 1000);
  }
  if ((how & control::translate) != 0) {
    const Key to = moved(key);
    translate(frame.data() + kIpOffset, transport, to, deltas_of(key, to));
    Parsed again;
    parse(frame, again);
    require(again.kind == parsed.kind && key_of<Key>(again) == to, "a translated packet has its tuple");
  } else if ((how & control::too_big) != 0) {
    answer_too_big(frame, parsed, 1280);
  } else if (parsed.kind == Kind::transport) {
    tcp ? answer_reset(frame, parsed) : answer_port_unreachable(frame, parsed);
  }
}

template <typename Key>
void use_icmp(std::span<std::byte> frame, const Parsed& parsed) {
  const bool right = verify_icmp(frame, parsed);
  size_t length = frame.size();
  if (is_echo_request(frame, parsed)) {
    length = answer_echo(frame, parsed);
  } else if (Quote quote; is_icmp_error(frame, parsed) && parse_quote(frame, parsed, quote)) {
    if (quote.kind != Kind::transport) {
      return;
    }
    const Key to = moved(key_of<Key>(quote));
    translate_quote(frame, quote, parsed, to, to.destination, to.source);
    require(parse_quote(frame, parsed, quote) && key_of<Key>(quote) == to, "a translated quote has its tuple");
  } else {
    return;
  }
  Parsed again;
  parse(frame.first(length), again);
  require(again.kind == Kind::icmp, "an ICMP message stays one");
  require(verify_icmp(frame.first(length), again) == right, "its checksum is as right as it was");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) {
    return 0;
  }
  const uint8_t how = data[0];
  const size_t length = size - 1;
  const auto block = std::make_unique<std::byte[]>(length);
  std::copy_n(reinterpret_cast<const std::byte*>(data + 1), length, block.get());
  const std::span<std::byte> frame(block.get(), length);
  help_headers(frame, how);
  Parsed parsed;
  parse(frame, parsed);
  if (parsed.kind > Kind::other_protocol || !has_hops(frame, parsed)) {
    return 0;
  }
  const bool ipv4 = parsed.family == lb::Family::ipv4;
  if (parsed.kind == Kind::transport || (parsed.kind == Kind::fragment && parsed.has_ports)) {
    ipv4 ? use_transport<lb::FlowKey4>(frame, parsed, how) : use_transport<lb::FlowKey6>(frame, parsed, how);
  } else if (parsed.kind == Kind::icmp) {
    if ((how & control::icmp) != 0) {
      help_icmp(frame, parsed);
    }
    ipv4 ? use_icmp<lb::FlowKey4>(frame, parsed) : use_icmp<lb::FlowKey6>(frame, parsed);
  }
  return 0;
}
