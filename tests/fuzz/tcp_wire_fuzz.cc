// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a TCP header and its options, read as segments are and written as transmissions are.
///
/// Beyond crashes and accesses past the bytes (they end where their heap block does): what is decoded is within bounds,
/// what of it is encoded decodes to the same, and a segment that is written again is read as it was, its checksum
/// right.
///
/// Input: a control byte, then what follows the Ethernet header's type, or options alone.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>

#include "packet/checksum.h"
#include "packet/headers.h"
#include "packet/parse.h"
#include "tcp/wire.h"

namespace {

using namespace weft;
using namespace weft::tcp;

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

bool same(const Options& a, const Options& b) {
  return a.timestamps == b.timestamps && a.mss == b.mss && a.window_shift == b.window_shift &&
         a.sack_permitted == b.sack_permitted && a.block_count == b.block_count &&
         std::equal(a.blocks.begin(), a.blocks.begin() + a.block_count, b.blocks.begin());
}

void use_options(std::span<const std::byte> bytes) {
  const Options options = decode_options(bytes);
  require(!options.mss || *options.mss >= kMinMss, "a maximum segment size is not too small");
  require(!options.window_shift || *options.window_shift <= kMaxWindowShift, "a window's scale is not too large");
  require(options.block_count <= options.blocks.size(), "there are four blocks at most");
  Timestamps alone;
  if (decode_timestamps_alone(bytes, alone)) {
    require(options.timestamps == alone, "both ways to read timestamps agree");
  }
  std::array<std::byte, kMaxOptions> encoded;
  const uint8_t length = encode_options(options, encoded);
  require(length <= kMaxOptions && length % 4 == 0, "encoded options are whole words");
  Options again = decode_options({encoded.data(), length});
  Options fitting = options;
  fitting.block_count = again.block_count;  // the last of the blocks may not fit beside all others
  require(again.block_count <= options.block_count && same(again, fitting), "what is encoded decodes to the same");
}

void use_segment(std::span<std::byte> frame, bool help) {
  packet::Parsed parsed;
  packet::parse(frame, parsed);
  const bool is_ipv4 = parsed.family == lb::Family::ipv4;
  if (parsed.kind != packet::Kind::transport ||
      (is_ipv4 ? parsed.key4.protocol : parsed.key6.protocol) != lb::Protocol::tcp) {
    return;
  }
  buffer::Pool pool;
  buffer::Buffer buffer{.bytes = frame.data(), .pool = &pool, .capacity = static_cast<uint32_t>(frame.size())};
  {
    const buffer::Slice whole(&buffer, 0, static_cast<uint16_t>(frame.size()));
    Segment segment;
    const bool right = read_segment(whole, parsed, Checksum::unknown, segment);
    if (!right && !help) {
      return;
    }
    use_options({segment.options, segment.options_length});
    const bool is_mapped = segment.pair.local.is_ipv4() != is_ipv4 || segment.pair.remote.is_ipv4() != is_ipv4;
    if (segment.payload.size() > 1460 || is_mapped) {  // an IPv4 address in an IPv6 header: the engine answers nothing
      return;
    }
    // Sent on as a relay would: the other way round, with the payload's sum as it came.
    Transmission out;
    out.pair = {segment.pair.remote, segment.pair.local, segment.pair.remote_port, segment.pair.local_port};
    out.sequence = segment.sequence;
    out.acknowledgment = segment.acknowledgment;
    out.flags = segment.flags;
    out.options_length = segment.options_length;
    std::copy_n(segment.options, segment.options_length, out.options.begin());
    out.payload_length = static_cast<uint16_t>(segment.payload.size());
    const size_t headers = packet::kIpOffset + header_size(out);
    const size_t length = headers + segment.payload.size();
    const auto bytes = std::make_unique<std::byte[]>(length);
    std::copy_n(segment.payload.bytes().data(), segment.payload.size(), bytes.get() + headers);
    packet::view<packet::EthernetHeader>(bytes.get())->type = is_ipv4 ? packet::kEtherTypeIpv4 : packet::kEtherTypeIpv6;
    write_headers(out, {&segment.payload, 1}, bytes.get() + packet::kIpOffset);
    packet::Parsed written;
    packet::parse({bytes.get(), length}, written);
    require(written.kind == packet::Kind::transport, "what is written is a segment");
    buffer::Buffer other{.bytes = bytes.get(), .pool = &pool, .capacity = static_cast<uint32_t>(length)};
    Segment again;
    require(read_segment(buffer::Slice(&other, 0, static_cast<uint16_t>(length)), written, Checksum::unknown, again),
            "its checksum is right");
    require(again.pair == segment.pair && again.sequence == segment.sequence && again.flags == segment.flags &&
                std::equal(again.payload.bytes().begin(), again.payload.bytes().end(), segment.payload.bytes().begin(),
                           segment.payload.bytes().end()),
            "it is what it was");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0 || size > 9000) {
    return 0;
  }
  const uint8_t how = data[0];
  if ((how & 1) != 0) {
    const size_t length = std::min<size_t>(size - 1, kMaxOptions);
    const auto block = std::make_unique<std::byte[]>(length);
    std::copy_n(reinterpret_cast<const std::byte*>(data + 1), length, block.get());
    use_options({block.get(), length});
    return 0;
  }
  const size_t length = packet::kIpOffset + size - 1;
  const auto block = std::make_unique<std::byte[]>(length);
  std::copy_n(reinterpret_cast<const std::byte*>(data + 1), size - 1, block.get() + packet::kIpOffset);
  const std::span<std::byte> frame(block.get(), length);
  const bool ipv6 = (how & 2) != 0;
  packet::view<packet::EthernetHeader>(frame.data())->type = ipv6 ? packet::kEtherTypeIpv6 : packet::kEtherTypeIpv4;
  if (ipv6 && length >= packet::kIpOffset + sizeof(packet::Ipv6Header)) {  // a fuzzer can't guess these
    auto* ip = packet::view<packet::Ipv6Header>(frame.data() + packet::kIpOffset);
    ip->version_class_label = packet::kIpv6Version;
    ip->payload_length = packet::swap16(static_cast<uint16_t>(length - packet::kIpOffset - sizeof(packet::Ipv6Header)));
    ip->next_header = lb::Protocol::tcp;
  } else if (!ipv6 && length >= packet::kIpOffset + sizeof(packet::Ipv4Header)) {
    auto* ip = packet::view<packet::Ipv4Header>(frame.data() + packet::kIpOffset);
    ip->total_length = packet::swap16(static_cast<uint16_t>(length - packet::kIpOffset));
    ip->protocol = lb::Protocol::tcp;
    ip->fragment = packet::kDontFragment;
    const size_t header = size_t{ip->version_and_length} % 16 * 4;
    ip->checksum = 0;
    ip->checksum = packet::checksum_of(frame.subspan(packet::kIpOffset, std::min(header, length - packet::kIpOffset)));
  }
  use_segment(frame, (how & 4) != 0);
  return 0;
}
