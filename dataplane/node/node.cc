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
  for (const auto step : {&Node::start_pods, &Node::start_eal, &Node::open_ports, &Node::make_workers,
                          &Node::follow_routes, &Node::follow_registry, &Node::launch_workers}) {
    if (Step done = (*node.*step)(); !done) {
      return tl::unexpected(done.error());
    }
  }
  return node;
}

Node::~Node() {
  syncer_.reset();  // no more publications,
  routes_.reset();  // of either kind
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
  for (const std::string& nic : config_.nics) {
    if (auto attached = pods_->attach_nic(nic); !attached) {
      return tl::unexpected("pods.nics: " + attached.error());
    }
  }
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

Node::Step Node::open_ports() {
  const auto workers = static_cast<uint32_t>(config_.cores.size());
  std::vector<const runtime::BufferPool*> buffers;
  buffers_.reserve(workers);
  for (uint32_t worker = 0; worker < workers; ++worker) {
    auto pool = runtime::BufferPool::make(fmt::format("buffers{}", worker), config_.buffers);
    if (!pool) {
      return tl::unexpected(pool.error());
    }
    buffers_.push_back(std::move(*pool));
    buffers.push_back(&buffers_.back());
  }
  auto crossings = runtime::Crossings::make(workers);
  if (!crossings) {
    return tl::unexpected(crossings.error());
  }
  crossings_ = std::move(*crossings);
  auto ports = Ports::open(config_, pods_.get(), buffers);
  if (!ports) {
    return tl::unexpected(ports.error());
  }
  ports_ = std::move(*ports);
  return {};
}

runtime::WorkerConfig Node::worker_config(uint32_t number) const {
  runtime::WorkerConfig worker;
  worker.core = config_.cores[number];
  worker.idle = config_.idle;
  worker.ports = ports_->access(number);
  l4::PipelineConfig& pipeline = worker.pipeline;
  pipeline.worker = number;
  pipeline.workers = static_cast<uint32_t>(config_.cores.size());
  pipeline.seed = config_.seed;
  pipeline.max_endpoints = config_.max_endpoints;
  pipeline.max_services = config_.max_services;
  pipeline.flows = config_.flow_capacity;
  pipeline.flows6 = config_.flow_capacity6;
  pipeline.timeouts = config_.timeouts;
  // A fiftieth of a second's worth may come at once: a worker that was away so long has that much to catch up with.
  pipeline.new_flows = {.per_second = config_.new_flows_a_second,
                        .burst = std::max(l4::Burst::kMax, config_.new_flows_a_second / 50)};
  pipeline.own_addresses = config_.own_addresses;
  pipeline.tunnel_sources = config_.tunnel_sources;
  return worker;
}

Node::Step Node::make_workers() {
  const auto count = static_cast<uint32_t>(config_.cores.size());
  router_ = std::make_unique<kernel::Router>(ports_->base());
  snapshots_ = std::make_unique<runtime::SnapshotPublisher>(
      count, std::make_shared<lb::Snapshot>(0, config_.seed, std::vector<lb::Service>{}),
      router_->next(std::make_shared<const kernel::Tables>(), 0));
  try {
    for (uint32_t number = 0; number < count; ++number) {
      workers_.push_back(std::make_unique<runtime::Worker>(worker_config(number), *snapshots_, *crossings_, *clock_));
    }
  } catch (const std::bad_alloc&) {
    return tl::unexpected(std::string("not enough memory for the flow tables: lower flows.capacity"));
  }
  return {};
}

Node::Step Node::follow_routes() {
  if (ports_->twins().empty()) {
    return {};
  }
  auto started = kernel::Follower::start(
      std::move(router_), ports_->twins(),
      {.publish = [this](std::shared_ptr<const l4::Forwarding> next) { snapshots_->publish(std::move(next)); },
       .renewed =
           [this] {
             uint64_t least = UINT64_MAX;
             for (const auto& worker : workers_) {
               least = std::min(least, worker->books().hops_epoch);
             }
             return least;
           },
       .unresolved =
           [this](std::vector<lb::Address>& addresses) {
             for (const auto& worker : workers_) {
               worker->unresolved().take(addresses);
             }
           },
       .warn = [](const std::string& warning) { spdlog::warn("routes: {}", warning); }});
  if (!started) {
    return tl::unexpected(started.error());
  }
  routes_ = std::move(*started);
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
       .limits = {.services = config_.max_services, .endpoints = config_.max_endpoints},
       .zone = config_.zone},
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

/// Endpoints on a link, before the first packet for them.
void Node::want_resolved(const lb::Snapshot& snapshot) {
  std::set<lb::Address> endpoints;
  for (const lb::Service& service : snapshot.services()) {
    for (const lb::Endpoint& endpoint : service.endpoints) {
      endpoints.insert(endpoint.address);
    }
  }
  routes_->want({endpoints.begin(), endpoints.end()});
}

void Node::take(const registry::Publication& publication) {
  if (routes_ != nullptr) {
    want_resolved(*publication.snapshot);
  }
  if (pods_ == nullptr) {
    snapshots_->publish(publication.snapshot);
    return;
  }
  for (const registry::TrackedEndpoint& gone : publication.endpoints.gone) {
    tracked_.erase(gone.slot);
  }
  for (const registry::TrackedEndpoint& changed : publication.endpoints.changed) {
    tracked_[changed.slot] = changed;
  }
  std::set<lb::Address> vips;
  std::set<pods::DirectEndpoint> direct;
  for (const lb::Service& service : publication.snapshot->services()) {
    vips.insert(service.address);
    for (const lb::Endpoint& endpoint : service.endpoints) {
      if (service.policy.mode == lb::Mode::dsr) {
        direct.insert({.address = endpoint.address, .vip = service.address});
      }
    }
  }
  std::vector<pods::Endpoint> endpoints;
  for (const auto& [slot, endpoint] : tracked_) {
    vips.insert(endpoint.vip);  // its service may be gone while its last flows are not
    endpoints.push_back({.address = endpoint.address, .port = endpoint.port, .protocol = endpoint.protocol});
    if (const pods::DirectEndpoint lingering{endpoint.address, endpoint.vip}; direct_.contains(lingering)) {
      direct.insert(lingering);
    }
  }
  direct_ = std::move(direct);
  const std::vector<pods::DirectEndpoint> answering(direct_.begin(), direct_.end());
  // A worker may choose an endpoint only once eBPF steers its replies, and asks for requests only once it can choose.
  auto steered = with_pods([&](pods::Pods& pods) { return pods.add_endpoints(endpoints, answering); });
  if (steered) {
    snapshots_->publish(publication.snapshot);
    steered = with_pods([&](pods::Pods& pods) { return pods.sync({vips.begin(), vips.end()}, endpoints, answering); });
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
