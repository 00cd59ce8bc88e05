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

/// But for those that are other workers'.
template <typename Key>
uint64_t own_flows(const flow::FlowTable<Key>& flows) {
  uint64_t steered = 0;
  for (uint32_t i = 0; i < flows.high_water(); ++i) {
    const flow::Flow<Key>& flow = flows[flow::Ref(i, flow::Direction::reply)];
    steered += flow.state == flow::State::steered ? 1 : 0;
  }
  return flows.size() - steered;
}

}  // namespace

l4::Forwarding two_ports(std::vector<l4::Landing> landings) {
  landings.resize(2);
  const auto networks = {"10.2.0.0/16", "fd00:2::/64"};
  std::vector<l4::Route> routes;
  for (const char* network : networks) {
    routes.push_back({.prefix = lb::parse_prefix(network).value(), .hop = kUplink});
  }
  return {{{.landing = landings[kPods], .default_hop = kPods, .others_hop = kPods, .others = l4::Port::Others::kernel},
           {.landing = landings[kUplink], .default_hop = kUplink, .others_hop = kUplink}},
          {{.addresses = kPodsAddresses, .mtu = kMtu, .port = kPods},
           {.addresses = kUplinkAddresses, .mtu = kMtu, .port = kUplink}},
          routes};
}

PipelineBed::PipelineBed(const Limits& limits, l4::Forwarding forwarding)
    : forwarding_(std::move(forwarding)),
      counters_(limits.endpoints, limits.services),
      pipeline_({.worker = limits.worker,
                 .workers = limits.workers,
                 .seed = kSeed,
                 .max_endpoints = limits.endpoints,
                 .max_services = limits.services,
                 .flows = limits.flows,
                 .flows6 = limits.flows,
                 .timeouts = limits.timeouts,
                 .new_flows = limits.new_flows,
                 .remembered_clients = 1024,
                 .remembered_sources = 1024,
                 .remembered_fragments = 256,
                 .own_addresses = limits.own_addresses,
                 .proxies = limits.proxies,
                 .tunnel_sources = limits.tunnel_sources,
                 .names = limits.names,
                 .faults = limits.faults},
                counters_) {
  for (uint32_t worker = 0; worker < limits.workers; ++worker) {
    pipeline_.outbox().set_room(worker, UINT32_MAX);
  }
}

std::vector<PipelineBed::Sent> PipelineBed::process(std::span<const Bytes> frames, uint8_t ingress,
                                                    const lb::Snapshot& snapshot, time::Time now, uint16_t room) {
  burst_->taken_over = false;
  burst_->ingress.fill(ingress);
  burst_->ports.fill(0);
  return process(frames, snapshot, now, room);
}

PipelineBed::Sent PipelineBed::take_over(const Sent& handed_over, uint8_t ingress, const lb::Snapshot& snapshot,
                                         time::Time now) {
  burst_->taken_over = true;
  burst_->ingress.fill(ingress);
  burst_->ports.fill(handed_over.ports);
  return process({&handed_over.bytes, 1}, snapshot, now, 128).front();
}

std::vector<PipelineBed::Sent> PipelineBed::process(std::span<const Bytes> frames, const lb::Snapshot& snapshot,
                                                    time::Time now, uint16_t room) {
  std::vector<std::unique_ptr<std::byte[]>> buffers;
  burst_->size = static_cast<uint32_t>(frames.size());
  for (size_t i = 0; i < frames.size(); ++i) {
    buffers.push_back(std::make_unique<std::byte[]>(kHeadroom + frames[i].size() + room));
    std::byte* data = buffers.back().get() + kHeadroom;
    std::fill_n(buffers.back().get(), kHeadroom, kPoison);
    std::fill_n(std::copy(frames[i].begin(), frames[i].end(), data), room, kPoison);
    burst_->frames[i] = {
        .data = data, .length = static_cast<uint16_t>(frames[i].size()), .headroom = kHeadroom, .room = room};
  }
  burst_->egress.fill(UINT8_MAX);
  burst_->owners.fill(UINT8_MAX);
  pipeline_.process(*burst_, snapshot, forwarding_, now);
  received_ += frames.size();
  std::vector<Sent> sent;
  for (size_t i = 0; i < frames.size(); ++i) {
    const l4::Frame& frame = burst_->frames[i];
    const l4::Verdict verdict = burst_->verdicts[i];
    check(frames[i], buffers[i].get(), frames[i].size() + room, frame, verdict, burst_->egress[i]);
    ++verdicts_.at(static_cast<size_t>(verdict));
    sent.push_back({.verdict = verdict,
                    .egress = burst_->egress[i],
                    .owner = burst_->owners[i],
                    .ports = burst_->ports[i],
                    .listener = burst_->listeners[i],
                    .bytes = Bytes(frame.data, frame.data + frame.length)});
  }
  return sent;
}

void PipelineBed::sweep(uint32_t budget, const lb::Snapshot& snapshot, time::Time now) {
  pipeline_.sweep({.ipv4 = budget, .ipv6 = budget}, snapshot, forwarding_, now);
}

void PipelineBed::check(const Bytes& before, const std::byte* buffer, size_t size, const l4::Frame& after,
                        l4::Verdict verdict, uint8_t egress) {
  const auto require = [&](bool holds, std::string_view what) {
    if (!holds && fault_.empty()) {
      fault_ = std::string(what) + " of a packet of verdict " + std::string(info(verdict).name) + "; ";
    }
  };
  const std::byte* start = buffer + kHeadroom;
  const bool tunneled = after.data < start;
  require(tunneled || after.data == start, "moved frame");
  require(!tunneled || verdict == l4::Verdict::tunneled || verdict == l4::Verdict::tunneled_by_hash ||
              verdict == l4::Verdict::icmp_error,
          "grown frame");
  require(after.data == buffer + after.headroom, "start and headroom");
  require(after.data + after.length + after.room == start + size, "length and room");
  const std::byte* end = std::max(start + before.size(), static_cast<const std::byte*>(after.data + after.length));
  const auto poisoned = [](std::byte b) { return b == kPoison; };
  require(std::all_of(buffer, static_cast<const std::byte*>(after.data), poisoned), "bytes before the frame");
  require(std::all_of(std::min(end, start + size), start + size, poisoned), "bytes behind the frame");
  if (outcome_of(verdict) >= l4::Outcome::handed_over || outcome_of(verdict) == l4::Outcome::delivered) {
    require(after.length == before.size() && std::equal(before.begin(), before.end(), start), "altered bytes");
    return;
  }
  require(egress < forwarding_.ports(), "egress port");
  if (verdict == l4::Verdict::passed) {
    require(after.length == before.size() && std::equal(before.begin() + 12, before.end(), start + 12),
            "altered bytes");
  }
}

std::string PipelineBed::imbalance() {
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
  const uint64_t in_tables = own_flows(pipeline_.flows4()) + own_flows(pipeline_.flows6());
  return fault_ + compare("received, and ended", received_, ended) +
         compare("requests by verdict, and by endpoint", count(l4::Verdict::request) + count(l4::Verdict::tunneled),
                 packets[0]) +
         compare("replies by verdict, and by endpoint", count(l4::Verdict::reply), packets[1]) +
         compare("flows of endpoints, and of services", endpoint_flows, service_flows) +
         compare("active flows of endpoints, and in the table", endpoint_active, in_tables) +
         compare("active flows of services, and in the table", service_active, in_tables);
}

const flow::Flow4* PipelineBed::find(const lb::FlowKey4& key, time::Time now) {
  const flow::Ref ref = flows().find(key, hash_of(key, kSeed), {}, time::to_millis(now));
  return ref ? &flows()[ref] : nullptr;
}

const flow::Flow6* PipelineBed::find(const lb::FlowKey6& key, time::Time now) {
  const flow::Ref ref = flows6().find(key, hash_of(key, kSeed), {}, time::to_millis(now));
  return ref ? &flows6()[ref] : nullptr;
}

}  // namespace weft::test
