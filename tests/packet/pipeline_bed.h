// SPDX-License-Identifier: Apache-2.0
/// @file A pipeline with all that it needs, for tests, the simulation and the fuzzer: frames in, verdicts and frames
/// out.
///
/// Each frame lies in a heap block of exactly its length and room, so that AddressSanitizer sees any access beyond it.
/// After each burst the bed checks what must hold whatever came in; imbalance() says what did not.
#pragma once

#include <memory>
#include <string>

#include "l4/pipeline.h"
#include "packet_builder.h"
#include "snapshots.h"

namespace weft::l4 {
void PrintTo(Verdict verdict, std::ostream* out);  // GoogleTest finds it here
}

namespace weft::test {

/// Two ports: 0 has the clients and a kernel behind it; 1 has endpoints, 10.2.0.0/16 and fd00:2::/64, behind it.
constexpr uint8_t kPods = 0;
constexpr uint8_t kUplink = 1;
constexpr std::array<uint8_t, 12> kPodsAddresses = {2, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2};
constexpr std::array<uint8_t, 12> kUplinkAddresses = {2, 2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 2};
constexpr uint16_t kMtu = 9000;
/// @param landings of the two; none: one worker
l4::Forwarding two_ports(std::vector<l4::Landing> landings = {});

class PipelineBed {
 public:
  struct Limits {
    uint32_t flows = 64;
    uint32_t endpoints = 16;
    uint32_t services = 16;
    flow::Timeouts timeouts = {};
    uint32_t worker = 0;
    uint32_t workers = 1;
    lb::Rate new_flows = {.per_second = 1'000'000'000, .burst = 1'000'000};
    std::vector<lb::Address> own_addresses = {};
    std::vector<lb::Prefix> tunnel_sources = {};
    bool proxies = false;
    l4::NameServerConfig names = {};
    lb::FaultBoard* faults = nullptr;
  };
  struct Sent {
    l4::Verdict verdict{};
    uint8_t egress = 0;     ///< if transmitted or passed
    uint8_t owner = 0;      ///< if handed over
    uint32_t ports = 0;     ///< what goes with a packet that is handed over
    uint32_t listener = 0;  ///< if delivered
    Bytes bytes;            ///< as the frame was left, dropped or not
  };

  explicit PipelineBed(const Limits& limits, l4::Forwarding forwarding = two_ports());

  /// At most a burst of frames.
  std::vector<Sent> process(std::span<const Bytes> frames, uint8_t ingress, const lb::Snapshot& snapshot,
                            time::Time now, uint16_t room = 128);
  /// As a packet that another worker handed over.
  Sent take_over(const Sent& handed_over, uint8_t ingress, const lb::Snapshot& snapshot, time::Time now);
  void sweep(uint32_t budget, time::Time now) { sweep(budget, last_snapshot_, now); }
  void sweep(uint32_t budget, const lb::Snapshot& snapshot, time::Time now);
  l4::Pipeline& pipeline() { return pipeline_; }
  /// Another one in force, from the next packet on.
  void set_forwarding(l4::Forwarding forwarding) { forwarding_ = std::move(forwarding); }

  /// What does not add up, in bytes written or in counters; empty if all does.
  std::string imbalance();

  uint64_t received() const { return received_; }
  uint64_t count(l4::Verdict verdict) const { return verdicts_[static_cast<size_t>(verdict)]; }
  uint64_t adopted_flows() const { return pipeline_.adopted_flows(); }
  const l4::SlotCounters& counters() const { return counters_; }
  flow::FlowTable4& flows() { return pipeline_.flows4(); }
  flow::FlowTable6& flows6() { return pipeline_.flows6(); }
  /// The live flow with this tuple, or null.
  const flow::Flow4* find(const lb::FlowKey4& key, time::Time now);
  const flow::Flow6* find(const lb::FlowKey6& key, time::Time now);

 private:
  static constexpr size_t kHeadroom = 128;

  std::vector<Sent> process(std::span<const Bytes> frames, const lb::Snapshot& snapshot, time::Time now, uint16_t room);
  void check(const Bytes& before, const std::byte* buffer, size_t size, const l4::Frame& after, l4::Verdict verdict,
             uint8_t egress);

  l4::Forwarding forwarding_;
  lb::Snapshot last_snapshot_{0, kSeed, {}};
  l4::SlotCounters counters_;
  l4::Pipeline pipeline_;
  std::unique_ptr<l4::Burst> burst_ = std::make_unique<l4::Burst>();
  uint64_t received_ = 0;
  std::array<uint64_t, l4::kVerdicts> verdicts_ = {};
  std::string fault_;  ///< the first found in bytes
};

}  // namespace weft::test
