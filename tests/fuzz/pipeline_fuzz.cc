// SPDX-License-Identifier: Apache-2.0
/// @file Any bytes as a sequence of bursts through parse, flow table and translation, with endpoints and ways that
/// change between them, soon after a restart or not.
///
/// Beyond crashes and reads past a frame (PipelineBed puts each at the end of its heap block) it looks for broken
/// promises: every packet ends once and is counted, drops leave their frame alone, nothing is written behind a frame,
/// what is sent parses again under a right header checksum, and the flow table stays within its capacity and empties.
///
/// Input: per frame a control byte, a length in two bytes (big-endian), and as many bytes of frame as there are. What
/// the control byte says of a burst, its first frame says.
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <span>
#include <vector>

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
constexpr uint8_t same_burst = 0x40;    // as the frame before
constexpr uint8_t other_ways = 0x80;  // from now on: the uplink's hop is retired, and weft has just been started again
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
      ways()};
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
          denying_some({test::make_service("10.96.0.1:80", Protocol::tcp, 0, {{"10.1.0.1:8080", 4}}),
                        test::make_service("10.96.0.1:53", Protocol::udp, 2, {{"10.2.0.3:53", 5}})}),
          std::vector<uint32_t>{0, 1, 2})};

  const l4::VipsOfEndpoints vips{*snapshots[0]};

  /// One port whose replies come in elsewhere, and one that deals out what it receives.
  static l4::Forwarding ways() {
    return test::two_ports({l4::Landing::at(0, 2, hash), l4::Landing::by_client(2, hash)});
  }
  /// IPv4 goes by a new hop of the uplink, and IPv6 by one that is not resolved.
  static l4::Forwarding other_ways() {
    const l4::Forwarding before = ways();
    l4::NextHop nowhere = before[test::kUplink];
    nowhere.mtu = 0;
    return {{before.port(test::kPods), before.port(test::kUplink)},
            {before[test::kPods], nowhere, before[test::kUplink], nowhere},
            {{.prefix = lb::parse_prefix("10.2.0.0/16").value(), .hop = 2},
             {.prefix = lb::parse_prefix("fd00:2::/64").value(), .hop = 3}},
            {},
            1,
            true};
  }
  static uint32_t hash(const lb::Address& address, lb::Port port, Protocol) {
    return address.ipv6().bytes[15] + static_cast<uint32_t>(port);
  }
  /// To flows that the other snapshot lets begin.
  static std::vector<lb::Service> denying_some(std::vector<lb::Service> services) {
    for (lb::Service& service : services) {
      service.authorization = test::denying({"10.1.0.0/25"});
    }
    return services;
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

struct Frame {
  uint8_t how;
  test::Bytes bytes;
};

/// @returns what the next frame is; none: that was all
std::optional<Frame> take_frame(std::span<const uint8_t>& input) {
  if (input.size() < 3) {
    return std::nullopt;
  }
  const size_t length = std::min({size_t{input[1]} << 8 | input[2], kMaxFrame, input.size() - 3});
  const auto bytes = std::as_bytes(input.subspan(3, length));
  Frame frame{.how = input[0], .bytes = {bytes.begin(), bytes.end()}};
  input = input.subspan(3 + length);
  if ((frame.how & control::fix_checksum) != 0) {
    fix_checksum(frame.bytes);
  }
  return frame;
}

void process(World& world, uint8_t how, std::span<const test::Bytes> burst) {
  constexpr std::array<time::Time, 4> kWaits = {std::chrono::seconds(0), std::chrono::seconds(29),
                                                std::chrono::minutes(4), std::chrono::hours(2)};
  world.now += kWaits[(how & control::wait) >> 4];
  if ((how & control::other_ways) != 0) {
    world.bed.set_forwarding(World::other_ways());
    world.bed.pipeline().recover_by(&world.vips);
  }
  const auto all = world.bed.process(burst, (how & control::from_uplink) != 0 ? test::kUplink : test::kPods,
                                     *world.snapshots[(how & control::other_snapshot) != 0 ? 1 : 0], world.now,
                                     (how & control::no_room) != 0 ? 0 : 64);
  require(all.size() == burst.size(), "each packet ends once");
  for (const test::PipelineBed::Sent& sent : all) {
    require(static_cast<size_t>(sent.verdict) < l4::kVerdicts, "the verdict is one of the list");
    if (outcome_of(sent.verdict) == l4::Outcome::transmitted) {
      check_sent(sent);
    }
  }
  for (uint32_t receiver = 0; receiver < 2; ++receiver) {
    world.bed.pipeline().outbox().clear(receiver);
  }
  require(world.bed.flows().size() <= kFlows && world.bed.flows6().size() <= kFlows, "the flow tables' capacity");
  const std::string imbalance = world.bed.imbalance();
  require(imbalance.empty(), imbalance.c_str());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static World world;
  world.bed.set_forwarding(World::ways());
  world.bed.pipeline().recover_by(nullptr);
  std::span<const uint8_t> input(data, size);
  std::optional<Frame> next = take_frame(input);
  for (size_t frames = 0; next && frames < kMaxFrames;) {
    const uint8_t how = next->how;
    std::vector<test::Bytes> burst;
    do {
      burst.push_back(std::move(next->bytes));
      next = take_frame(input);
    } while (next && (next->how & control::same_burst) != 0 && burst.size() < l4::Burst::kMax);
    frames += burst.size();
    process(world, how, burst);
  }
  world.now += std::chrono::hours(3);
  world.bed.sweep(kFlows, world.now);
  require(world.bed.pipeline().active_flows() == 0, "all flows time out");
  return 0;
}
