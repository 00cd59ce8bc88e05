// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a sequence of frames through parse, flow table and translation, with endpoints that change
/// between them.
///
/// Beyond crashes and reads past a frame (PipelineBed puts each at the end of its heap block) it looks for broken
/// promises: every packet ends once and is counted, drops leave their frame alone, nothing is written behind a frame,
/// what is sent parses again under a right header checksum, and the flow table stays within its capacity and empties.
///
/// Input: per frame a control byte, a length in two bytes (big-endian), and as many bytes of frame as there are.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "pipeline_bed.h"

namespace {

using namespace weft;
using l4::Verdict;

constexpr size_t kMaxFrame = 2048;
constexpr size_t kMaxFrames = 64;
constexpr uint32_t kFlows = 8;  // so that a short input fills the table

namespace control {
constexpr uint8_t from_uplink = 0x01;
constexpr uint8_t no_room = 0x02;
constexpr uint8_t other_snapshot = 0x04;
constexpr uint8_t fix_checksum = 0x08;  // of the IPv4 header: a fuzzer cannot guess it
constexpr uint8_t wait = 0x30;          // how long: nothing, seconds, minutes, hours
}  // namespace control

void require(bool promise, const char* what) {
  if (!promise) {
    std::fprintf(stderr, "broken promise: %s\n", what);
    std::abort();
  }
}

/// What outlives an input. Its time goes on, and each input finds the table empty: so inputs do not depend on each
/// other.
struct World {
  using Protocol = lb::Protocol;

  test::PipelineBed bed{
      {.flows = kFlows,
       .worker = 0,
       .workers = 2,
       .own_addresses = {lb::parse_address("10.9.0.1").value(), lb::parse_address("fd00:9::1").value()},
       .tunnel_sources = {lb::parse_prefix("10.8.0.0/24").value(), lb::parse_prefix("fd00:8::/112").value()}},
      // One port whose replies come in elsewhere, and one that deals out what it receives.
      test::two_ports({l4::Landing::at(0, 2, hash), l4::Landing::by_client(2, hash)})};
  time::Time now = std::chrono::hours(1);
  std::array<std::shared_ptr<const lb::Snapshot>, 2> snapshots = {
      test::make_snapshot(with_policies(
          {test::make_service("10.96.0.1:80", Protocol::tcp, 0, {{"10.2.0.1:8080", 0}, {"10.2.0.2:8080", 1}}),
           test::make_service("10.96.0.2:80", Protocol::tcp, 1, {{"10.2.0.1:8080", 2}}),
           test::make_service("10.96.0.1:53", Protocol::udp, 2, {{"10.2.0.1:53", 3}}),
           test::make_service("10.96.0.3:80", Protocol::tcp, 3, {}),
           test::make_service("10.96.0.3:53", Protocol::udp, 4, {}),
           test::make_service("10.96.0.4:53", Protocol::udp, 5, {{"10.2.0.1:53", 6}, {"[fd00:2::1]:53", 7}}),
           test::make_service("[fd00:96::1]:53", Protocol::udp, 6, {{"[fd00:2::1]:53", 8}}),
           test::make_service("[fd00:96::1]:80", Protocol::tcp, 7, {{"[fd00:2::1]:80", 9}, {"10.2.0.1:80", 10}})})),
      std::make_shared<lb::Snapshot>(
          2, test::kSeed,
          std::vector{test::make_service("10.96.0.1:80", Protocol::tcp, 0, {{"10.1.0.1:8080", 4}}),
                      test::make_service("10.96.0.1:53", Protocol::udp, 2, {{"10.2.0.3:53", 5}})},
          std::vector<uint32_t>{0, 1, 2})};

  static uint32_t hash(const lb::Address& address, lb::Port port, Protocol) {
    return address.ipv6().bytes[15] + static_cast<uint32_t>(port);
  }
  /// The last but one is fullnat, the last and the one at 10.96.0.4 are tunnels.
  static std::vector<lb::Service> with_policies(std::vector<lb::Service> services) {
    services[1].policy.max_segment = 1200;
    services[2].policy.affinity_s = 60;
    services[5].policy = {.mode = lb::Mode::dsr, .encapsulation = lb::Encapsulation::gue};
    services[6].policy.mode = lb::Mode::fullnat;
    services[7].policy.mode = lb::Mode::dsr;
    return services;
  }
};

void fix_checksum(test::Bytes& frame) {
  if (frame.size() < 34) {
    return;
  }
  const size_t length =
      std::clamp<size_t>(std::to_integer<size_t>(frame[14] & std::byte{0xf}) * 4, 20, frame.size() - 14);
  frame[24] = frame[25] = std::byte{0};
  const uint16_t checksum = test::reference_checksum(std::span(frame).subspan(14, length));
  frame[24] = static_cast<std::byte>(checksum >> 8);
  frame[25] = static_cast<std::byte>(checksum);
}

void check_sent(const test::PipelineBed::Sent& sent) {
  packet::Parsed parsed;
  packet::parse(sent.bytes, parsed);
  using packet::Kind;
  switch (sent.verdict) {
    case Verdict::request:
    case Verdict::reply:
      require(parsed.kind == Kind::transport || parsed.kind == Kind::fragment, "a translated packet parses again");
      break;
    case Verdict::tunneled:
    case Verdict::tunneled_by_hash:
      require(parsed.kind == Kind::transport || parsed.kind == Kind::other_protocol, "a tunnel's packet parses again");
      break;
    case Verdict::icmp_error:  // in a tunnel, or translated
      require(parsed.kind == Kind::icmp || parsed.kind == Kind::transport || parsed.kind == Kind::other_protocol,
              "an ICMP error parses again");
      break;
    default:
      require(parsed.kind == Kind::transport || parsed.kind == Kind::icmp, "an answer is one of TCP or ICMP");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  for (size_t at = 0, frames = 0; at + 3 <= size && frames < kMaxFrames; ++frames) {
    const uint8_t how = data[at];
    const size_t length = std::min({size_t{data[at + 1]} << 8 | data[at + 2], kMaxFrame, size - at - 3});
    const auto* bytes = reinterpret_cast<const std::byte*>(data + at + 3);
    test::Bytes frame(bytes, bytes + length);
    at += 3 + length;
    if ((how & control::fix_checksum) != 0) {
      fix_checksum(frame);
    }
    constexpr std::array<time::Time, 4> kWaits = {std::chrono::seconds(0), std::chrono::seconds(29),
                                                  std::chrono::minutes(4), std::chrono::hours(2)};
    world.now += kWaits[(how & control::wait) >> 4];
    const test::PipelineBed::Sent sent =
        world.bed
            .process({&frame, 1}, (how & control::from_uplink) != 0 ? test::kUplink : test::kPods,
                     *world.snapshots[(how & control::other_snapshot) != 0 ? 1 : 0], world.now,
                     (how & control::no_room) != 0 ? 0 : 64)
            .front();
    require(static_cast<size_t>(sent.verdict) < l4::kVerdicts, "the verdict is one of the list");
    if (outcome_of(sent.verdict) == l4::Outcome::transmitted) {
      check_sent(sent);
    }
    for (uint32_t receiver = 0; receiver < 2; ++receiver) {
      world.bed.pipeline().outbox().clear(receiver);
    }
    require(world.bed.flows().size() <= kFlows && world.bed.flows6().size() <= kFlows, "the flow tables' capacity");
    const std::string imbalance = world.bed.imbalance();
    require(imbalance.empty(), imbalance.c_str());
  }
  world.now += std::chrono::hours(3);
  world.bed.sweep(kFlows, world.now);
  require(world.bed.pipeline().active_flows() == 0, "all flows time out");
  return 0;
}
