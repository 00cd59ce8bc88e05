// SPDX-License-Identifier: Apache-2.0
#include "pipeline_bed.h"

#include <algorithm>
#include <ostream>

namespace weft::l4 {
void PrintTo(Verdict verdict, std::ostream* out) {
  *out << info(verdict).name;
}
}  // namespace weft::l4

namespace weft::test {
namespace {

constexpr std::byte kPoison{0xa5};

std::string compare(std::string_view what, uint64_t left, uint64_t right) {
  return left == right ? std::string()
                       : std::string(what) + ": " + std::to_string(left) + " and " + std::to_string(right) + "; ";
}

}  // namespace

l4::Egresses two_ports() {
  return {.ports = {{.addresses = kPodsAddresses, .kernel_behind = true}, {.addresses = kUplinkAddresses}},
          .networks = {{.prefix = 0x0a020000, .mask = 0xffff0000, .port = kUplink}}};
}

PipelineBed::PipelineBed(const Limits& limits, l4::Egresses egresses)
    : egresses_(std::move(egresses)),
      flows_(limits.flows, limits.timeouts, kSeed),
      counters_(limits.endpoints, limits.services),
      pipeline_(flows_, counters_, egresses_) {}

std::vector<PipelineBed::Sent> PipelineBed::process(std::span<const Bytes> frames, uint8_t ingress,
                                                    const lb::Snapshot& snapshot, time::Time now, uint16_t room) {
  std::vector<std::unique_ptr<std::byte[]>> buffers;
  burst_->size = static_cast<uint32_t>(frames.size());
  burst_->ingress = ingress;
  for (size_t i = 0; i < frames.size(); ++i) {
    buffers.push_back(std::make_unique<std::byte[]>(frames[i].size() + room));
    std::byte* data = buffers.back().get();
    std::fill_n(std::copy(frames[i].begin(), frames[i].end(), data), room, kPoison);
    burst_->frames[i] = {.data = data, .length = static_cast<uint16_t>(frames[i].size()), .room = room};
  }
  burst_->egress.fill(UINT8_MAX);
  pipeline_.process(*burst_, snapshot, now);
  received_ += frames.size();
  std::vector<Sent> sent;
  for (size_t i = 0; i < frames.size(); ++i) {
    const l4::Frame& frame = burst_->frames[i];
    const l4::Verdict verdict = burst_->verdicts[i];
    check(frames[i], buffers[i].get(), frames[i].size() + room, frame, verdict, burst_->egress[i]);
    ++verdicts_.at(static_cast<size_t>(verdict));
    sent.push_back(
        {.verdict = verdict, .egress = burst_->egress[i], .bytes = Bytes(frame.data, frame.data + frame.length)});
  }
  return sent;
}

void PipelineBed::check(const Bytes& before, const std::byte* buffer, size_t size, const l4::Frame& after,
                        l4::Verdict verdict, uint8_t egress) {
  const auto require = [&](bool holds, std::string_view what) {
    if (!holds && fault_.empty()) {
      fault_ = std::string(what) + " of a packet of verdict " + std::string(info(verdict).name) + "; ";
    }
  };
  require(after.data == buffer, "moved frame");
  require(size_t{after.length} + after.room == size, "length and room");
  const size_t written = std::max<size_t>(before.size(), after.length);
  require(std::all_of(buffer + std::min(written, size), buffer + size, [](std::byte b) { return b == kPoison; }),
          "bytes behind the frame");
  if (outcome_of(verdict) == l4::Outcome::dropped) {
    require(after.length == before.size() && std::equal(before.begin(), before.end(), buffer), "altered bytes");
    return;
  }
  require(egress < egresses_.ports.size(), "egress port");
  if (verdict == l4::Verdict::passed) {
    require(after.length == before.size() && std::equal(before.begin() + 12, before.end(), buffer + 12),
            "altered bytes");
  }
}

std::string PipelineBed::imbalance() const {
  uint64_t ended = 0;
  for (uint64_t count : verdicts_) {
    ended += count;
  }
  std::array<uint64_t, 2> packets = {};
  uint64_t endpoint_flows = 0;
  uint64_t service_flows = 0;
  uint64_t endpoint_active = 0;
  uint64_t service_active = 0;
  for (size_t i = 0; i < counters_.endpoint.size(); ++i) {
    const l4::EndpointCounters& endpoint = counters_.endpoint[i];
    packets[0] += endpoint.packets[0].get();
    packets[1] += endpoint.packets[1].get();
    endpoint_flows += endpoint.flows.get();
    endpoint_active += endpoint.active_flows.get();
  }
  for (size_t i = 0; i < counters_.service.size(); ++i) {
    service_flows += counters_.service[i].flows.get();
    service_active += counters_.service[i].active_flows.get();
  }
  return fault_ + compare("received, and ended", received_, ended) +
         compare("requests by verdict, and by endpoint", count(l4::Verdict::request), packets[0]) +
         compare("replies by verdict, and by endpoint", count(l4::Verdict::reply), packets[1]) +
         compare("flows of endpoints, and of services", endpoint_flows, service_flows) +
         compare("active flows of endpoints, and in the table", endpoint_active, flows_.size()) +
         compare("active flows of services, and in the table", service_active, flows_.size());
}

const flow::Flow* PipelineBed::find(const lb::FlowKey& key, time::Time now) {
  const flow::Ref ref = flows_.find(key, hash_of(key, kSeed), {}, time::to_millis(now));
  return ref ? &flows_[ref] : nullptr;
}

}  // namespace weft::test
