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

/// Two ports: 0 has the clients and a kernel behind it; 1 has endpoints, 10.2.0.0/16, behind it.
constexpr uint8_t kPods = 0;
constexpr uint8_t kUplink = 1;
constexpr std::array<uint8_t, 12> kPodsAddresses = {2, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2};
constexpr std::array<uint8_t, 12> kUplinkAddresses = {2, 2, 0, 0, 0, 1, 2, 2, 0, 0, 0, 2};
l4::Egresses two_ports();

class PipelineBed {
 public:
  struct Limits {
    uint32_t flows = 64;
    uint32_t endpoints = 16;
    uint32_t services = 16;
    flow::Timeouts timeouts = {};
  };
  struct Sent {
    l4::Verdict verdict{};
    uint8_t egress = 0;  ///< unless dropped
    Bytes bytes;         ///< as the frame was left, dropped or not
  };

  explicit PipelineBed(const Limits& limits, l4::Egresses egresses = two_ports());

  /// At most a burst of frames.
  std::vector<Sent> process(std::span<const Bytes> frames, uint8_t ingress, const lb::Snapshot& snapshot,
                            time::Time now, uint16_t room = 128);
  void sweep(uint32_t budget, time::Time now) { pipeline_.sweep(budget, now); }

  /// What does not add up, in bytes written or in counters; empty if all does.
  std::string imbalance() const;

  uint64_t received() const { return received_; }
  uint64_t count(l4::Verdict verdict) const { return verdicts_[static_cast<size_t>(verdict)]; }
  uint64_t adopted_flows() const { return pipeline_.adopted_flows(); }
  const l4::SlotCounters& counters() const { return counters_; }
  flow::FlowTable& flows() { return flows_; }
  /// The live flow with this tuple, or null.
  const flow::Flow* find(const lb::FlowKey& key, time::Time now);

 private:
  void check(const Bytes& before, const std::byte* buffer, size_t size, const l4::Frame& after, l4::Verdict verdict,
             uint8_t egress);

  const l4::Egresses egresses_;
  flow::FlowTable flows_;
  l4::SlotCounters counters_;
  l4::Pipeline pipeline_;
  std::unique_ptr<l4::Burst> burst_ = std::make_unique<l4::Burst>();
  uint64_t received_ = 0;
  std::array<uint64_t, l4::kVerdicts> verdicts_ = {};
  std::string fault_;  ///< the first found in bytes
};

}  // namespace weft::test
