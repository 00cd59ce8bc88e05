// SPDX-License-Identifier: Apache-2.0
#include "node/node.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>

namespace weft::node {
namespace {

static_assert(pods::kMaxMtu < runtime::kBufferBytes);

bool is_pci_address(const std::string& device) {
  const std::string name = device.substr(0, device.find(','));
  return name.size() == 12 && name[4] == ':' && name[7] == ':' && name[10] == '.';
}

l4::Egress egress_of(const runtime::MacAddress& next_hop, const runtime::MacAddress& own, bool kernel_behind) {
  l4::Egress egress{.kernel_behind = kernel_behind};
  std::copy(next_hop.begin(), next_hop.end(), egress.addresses.begin());
  std::copy(own.begin(), own.end(), egress.addresses.begin() + next_hop.size());
  return egress;
}

void log_diagnostics(const registry::Status& status) {
  for (const registry::Diagnostic& warning : status.warnings) {
    spdlog::warn("registry: {}", to_string(warning));
  }
  for (const registry::Diagnostic& error : status.errors) {
    spdlog::error("registry: {}", to_string(error));
  }
}

int run_worker(void* worker) {
  static_cast<runtime::Worker*>(worker)->run();
  return 0;
}

}  // namespace

tl::expected<std::unique_ptr<Node>, std::string> Node::start(const Config& config) {
  std::unique_ptr<Node> node(new Node(config));
  // The registry before the first packet: a worker that runs has its services.
  for (const auto step :
       {&Node::start_pods, &Node::start_eal, &Node::make_workers, &Node::follow_registry, &Node::launch_workers}) {
    if (Step done = (*node.*step)(); !done) {
      return tl::unexpected(done.error());
    }
  }
  return node;
}

Node::~Node() {
  syncer_.reset();  // no more publications
  for (const auto& worker : workers_) {
    worker->stop();
  }
  if (eal_) {
    eal_->wait();
  }
}

Node::Step Node::start_pods() {
  if (!config_.pods) {
    return {};
  }
  auto started = pods::Pods::start(*config_.pods);
  if (!started) {
    return tl::unexpected(started.error());
  }
  pods_ = std::move(*started);
  return {};
}

Node::Step Node::start_eal() {
  runtime::EalConfig eal{
      .huge_pages = config_.huge_pages, .memory_mib = config_.megabytes, .worker_cores = config_.cores};
  for (const UplinkConfig& uplink : config_.ports) {
    if (is_pci_address(uplink.port.device)) {
      eal.pci.push_back(uplink.port.device);
    }
  }
  auto started = runtime::Eal::start(eal);
  if (!started) {
    return tl::unexpected(started.error());
  }
  eal_ = std::move(*started);
  clock_ = std::make_unique<time::TscClock>(runtime::Eal::tsc_hertz());
  return {};
}

Node::Step Node::open_lane(uint32_t number, runtime::WorkerConfig& worker) {
  auto buffers = runtime::BufferPool::make(fmt::format("buffers{}", number), config_.buffers);
  if (!buffers) {
    return tl::unexpected(buffers.error());
  }
  Lane& lane = lanes_.emplace_back();
  lane.buffers = std::move(*buffers);
  const auto open = [&](const runtime::PortConfig& config, const runtime::MacAddress& next_hop, bool kernel) -> Step {
    auto port = runtime::Port::open(config, lane.buffers);
    if (!port) {
      return tl::unexpected(port.error());
    }
    worker.ports.push_back((*port)->id());
    worker.egresses.ports.push_back(egress_of(next_hop, (*port)->mac(), kernel));
    lane.ports.push_back(std::move(*port));
    return {};
  };
  if (pods_) {
    const pods::WorkerVeth& veth = pods_->workers()[number];
    const runtime::PortConfig config{.name = "pods",
                                     .device = fmt::format("net_af_xdp{},iface={}", number, veth.afxdp.name)};
    if (Step opened = open(config, veth.kernel.mac, true); !opened) {
      return opened;
    }
  }
  for (const UplinkConfig& uplink : config_.ports) {
    for (const NetworkConfig& network : uplink.networks) {
      worker.egresses.networks.push_back(
          {.prefix = network.prefix, .mask = network.mask, .port = static_cast<uint8_t>(lane.ports.size())});
    }
    if (Step opened = open(uplink.port, uplink.next_hop, false); !opened) {
      return opened;
    }
  }
  std::sort(worker.egresses.networks.begin(), worker.egresses.networks.end(),
            [](const l4::Network& a, const l4::Network& b) { return a.mask > b.mask; });
  return {};
}

Node::Step Node::make_workers() {
  const auto count = static_cast<uint32_t>(config_.cores.size());
  snapshots_ = std::make_unique<runtime::SnapshotPublisher>(
      count, std::make_shared<lb::Snapshot>(0, config_.seed, std::vector<lb::Service>{}));
  lanes_.reserve(count);
  try {
    for (uint32_t number = 0; number < count; ++number) {
      runtime::WorkerConfig worker{.number = number,
                                   .core = config_.cores[number],
                                   .flow_capacity = config_.flow_capacity,
                                   .timeouts = config_.timeouts,
                                   .seed = config_.seed,
                                   .idle = config_.idle,
                                   .max_endpoints = config_.max_endpoints,
                                   .max_services = config_.max_services};
      if (Step opened = open_lane(number, worker); !opened) {
        return opened;
      }
      workers_.push_back(std::make_unique<runtime::Worker>(worker, *snapshots_, *clock_));
    }
  } catch (const std::bad_alloc&) {
    return tl::unexpected(std::string("not enough memory for the flow tables: lower flows.capacity"));
  }
  return {};
}

Node::Step Node::launch_workers() {
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    if (!eal_->launch(number, run_worker, workers_[number].get())) {
      return tl::unexpected(fmt::format("cannot start worker {} on core {}", number, config_.cores[number]));
    }
  }
  return {};
}

Node::Step Node::follow_registry() {
  auto started = registry::Syncer::start(
      {.folder = config_.registry,
       .seed = config_.seed,
       .limits = {.services = config_.max_services, .endpoints = config_.max_endpoints}},
      {.sink = [this](const registry::Publication& publication) { take(publication); },
       .in_use = {.services = [this](uint32_t slot) { return active_flows_of_service(slot) > 0; },
                  .endpoints = [this](uint32_t slot) { return active_flows_of_endpoint(slot) > 0; },
                  .service_freed = [this](uint32_t slot) { reset_service(slot); },
                  .endpoint_freed = [this](uint32_t slot) { reset_endpoint(slot); }},
       .loaded = log_diagnostics});
  if (!started) {
    return tl::unexpected(started.error());
  }
  syncer_ = std::move(*started);
  return {};
}

void Node::take(const registry::Publication& publication) {
  if (pods_ == nullptr) {
    snapshots_->publish(publication.snapshot);
    return;
  }
  std::set<lb::Ipv4Address> vips;
  for (const lb::Service& service : publication.snapshot->services()) {
    vips.insert(service.address);
  }
  std::vector<pods::LocalEndpoint> endpoints;
  for (const registry::TrackedEndpoint& endpoint : publication.endpoints) {
    vips.insert(endpoint.vip);  // its service may be gone while its last flows are not
    endpoints.push_back({.address = endpoint.address, .port = endpoint.port, .protocol = endpoint.protocol});
  }
  // A worker may choose an endpoint only once eBPF steers its replies, and asks for requests only once it can choose.
  auto steered = with_pods([&](pods::Pods& pods) { return pods.add_endpoints(endpoints); });
  if (steered) {
    snapshots_->publish(publication.snapshot);
    steered = with_pods([&](pods::Pods& pods) { return pods.sync({vips.begin(), vips.end()}, endpoints); });
  }
  if (!steered) {
    spdlog::error("snapshot {}: {}", publication.snapshot->epoch(), steered.error());
  }
}

uint64_t Node::active_flows_of_endpoint(uint32_t slot) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->slots().endpoint[slot].active_flows.get();
  }
  return sum;
}

uint64_t Node::active_flows_of_service(uint32_t slot) const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->slots().service[slot].active_flows.get();
  }
  return sum;
}

void Node::reset_endpoint(uint32_t slot) {
  for (const auto& worker : workers_) {
    worker->slots().endpoint[slot].reset();
  }
}

void Node::reset_service(uint32_t slot) {
  for (const auto& worker : workers_) {
    worker->slots().service[slot].reset();
  }
}

}  // namespace weft::node
