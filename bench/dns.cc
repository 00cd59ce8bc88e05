// SPDX-License-Identifier: Apache-2.0
/// @file What a query costs in weft's own code: from a frame that a port received to the frame that answers it, in
/// bursts of 32 through the pipeline, over tables of few and many services. Without a port: what a driver and a kernel
/// take for receiving and sending comes beside, and scripts/bench dns-wire measures both together.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "dns/bytes.h"
#include "dns/responder.h"
#include "l4/pipeline.h"
#include "packet/answer.h"

namespace {

using namespace weft;

constexpr uint64_t kSeed = 1;
constexpr size_t kFrameRoom = 2048;
constexpr size_t kHeadroom = 128;
const lb::Address kServer = lb::parse_address("10.96.255.10").value();
const lb::Address kClient = lb::parse_address("10.1.0.1").value();

lb::Snapshot snapshot_of(uint32_t services) {
  lb::Service server{.name = "dns",
                     .address = kServer,
                     .port = lb::port_from_host(dns::kPort),
                     .protocol = lb::Protocol::udp,
                     .answers_names = true};
  server.policy.mode = lb::Mode::proxy;
  server.table = std::make_shared<lb::MaglevTable>(std::vector<lb::MaglevMember>(), 251, kSeed);
  std::vector<lb::NameTable::Edit> edits;
  for (uint32_t i = 0; i < services; ++i) {
    auto named = std::make_shared<lb::NamedService>();
    named->name = lb::wire_name("service-" + std::to_string(i), "default");
    named->ipv4 = {lb::address_from_host(0x0a600000 + i)};
    edits.push_back({nullptr, std::move(named)});
  }
  const lb::Snapshot plain(1, kSeed, {server});
  return {plain, 2, plain.services(), {}, lb::NameTable().with(edits)};
}

std::vector<std::byte> query_for(uint32_t service, uint16_t port) {
  std::vector<std::byte> message(dns::kHeader);
  message[2] = std::byte{1};
  message[5] = std::byte{1};
  for (const std::string& label : {"service-" + std::to_string(service), std::string("default"), std::string("svc"),
                                   std::string("cluster"), std::string("local"), std::string()}) {
    message.push_back(static_cast<std::byte>(label.size()));
    std::for_each(label.begin(), label.end(), [&](char c) { message.push_back(static_cast<std::byte>(c)); });
  }
  for (const int byte : {0, 1, 0, 1}) {
    message.push_back(static_cast<std::byte>(byte));
  }
  std::vector<std::byte> frame(packet::kDatagramHeaders + message.size());
  std::copy(message.begin(), message.end(), frame.begin() + packet::kDatagramHeaders);
  frame[12] = std::byte{8};
  packet::write_datagram(
      frame, {kServer, lb::port_from_host(dns::kPort), kClient, lb::port_from_host(port), lb::Protocol::udp},
      message.size());
  return frame;
}

void answer(benchmark::State& state) {
  const auto services = static_cast<uint32_t>(state.range(0));
  const lb::Snapshot snapshot = snapshot_of(services);
  const l4::Forwarding forwarding({{.default_hop = 0, .others_hop = 0}}, {{.mtu = 1500, .port = 0}}, {});
  l4::SlotCounters counters(16, 16);
  l4::PipelineConfig config{.seed = kSeed, .max_endpoints = 16, .max_services = 16};
  config.names.zone = std::make_shared<const dns::Zone>(*dns::make_zone("cluster.local", {kServer}));
  l4::Pipeline pipeline(config, counters);
  std::mt19937 random(1);
  std::vector<std::vector<std::byte>> queries;
  for (uint32_t i = 0; i < 4096; ++i) {
    queries.push_back(query_for(random() % services, static_cast<uint16_t>(1024 + random() % 60000)));
  }
  auto burst = std::make_unique<l4::Burst>();
  std::vector<std::byte> buffers(l4::Burst::kMax * kFrameRoom);
  size_t next = 0;
  uint64_t answered = 0;
  for (auto _ : state) {
    burst->size = l4::Burst::kMax;
    burst->taken_over = false;
    for (uint32_t i = 0; i < l4::Burst::kMax; ++i) {
      const std::vector<std::byte>& query = queries[next++ % queries.size()];
      std::byte* const data = &buffers[i * kFrameRoom + kHeadroom];
      std::memcpy(data, query.data(), query.size());  // as a port does
      burst->frames[i] = {.data = data,
                          .length = static_cast<uint16_t>(query.size()),
                          .headroom = kHeadroom,
                          .room = static_cast<uint16_t>(kFrameRoom - kHeadroom - query.size())};
      burst->ingress[i] = 0;
      burst->ports[i] = 0;
    }
    pipeline.process(*burst, snapshot, forwarding, std::chrono::seconds(1));
    answered +=
        static_cast<uint64_t>(std::count(burst->verdicts.begin(), burst->verdicts.end(), l4::Verdict::name_answered));
  }
  if (answered != static_cast<uint64_t>(state.iterations()) * l4::Burst::kMax ||
      pipeline.names().answers[static_cast<size_t>(dns::Rcode::no_error)] != answered) {
    state.SkipWithError("a query was not answered");
  }
  state.SetItemsProcessed(static_cast<int64_t>(answered));
}

BENCHMARK(answer)->Name("dns/answer/services")->Arg(1000)->Arg(10'000);

}  // namespace

BENCHMARK_MAIN();
