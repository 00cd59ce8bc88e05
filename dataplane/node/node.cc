// SPDX-License-Identifier: Apache-2.0
#include "node/node.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>

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
                          &Node::follow_registry, &Node::launch_workers}) {
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
  snapshots_ = std::make_unique<runtime::SnapshotPublisher>(
      count, std::make_shared<lb::Snapshot>(0, config_.seed, std::vector<lb::Service>{}));
  try {
    for (uint32_t number = 0; number < count; ++number) {
      workers_.push_back(std::make_unique<runtime::Worker>(worker_config(number), *snapshots_, ports_->forwarding(),
                                                           *crossings_, *clock_));
    }
  } catch (const std::bad_alloc&) {
    return tl::unexpected(std::string("not enough memory for the flow tables: lower flows.capacity"));
  }
  return {};
}

Node::Step Node::launch_workers() {
  vips_at_start_ = std::make_unique<l4::VipsOfEndpoints>(*snapshots_->current());
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    workers_[number]->recover_by(vips_at_start_.get());
    if (!eal_->launch(number, run_worker, workers_[number].get())) {
      return tl::unexpected(fmt::format("cannot start worker {} on core {}", number, config_.cores[number]));
    }
  }
  return {};
}

Node::Step Node::follow_registry() {
  if (pods_ != nullptr) {
    steering_ = std::make_unique<Steering>(*pods_, [this](const auto& snapshot) { snapshots_->publish(snapshot); });
  }
  // While workers choose by an older snapshot, what the latest is without may still get flows.
  const auto behind = [this] { return steering_ != nullptr && steering_->is_behind(); };
  auto started = registry::Syncer::start(
      {.folder = config_.registry,
       .seed = config_.seed,
       .limits = {.services = config_.max_services, .endpoints = config_.max_endpoints},
       .zone = config_.zone},
      {.sink = [this](const registry::Publication& publication) { take(publication); },
       .in_use = {.services = [=, this](uint32_t slot) { return behind() || active_flows_of_service(slot) > 0; },
                  .endpoints = [=, this](uint32_t slot) { return behind() || active_flows_of_endpoint(slot) > 0; },
                  .service_freed = [this](uint32_t slot) { reset_service(slot); },
                  .endpoint_freed = [this](uint32_t slot) { reset_endpoint(slot); }},
       .loaded = log_diagnostics,
       .each_second = [this] { go_on_steering(); }});
  if (!started) {
    return tl::unexpected(started.error());
  }
  syncer_ = std::move(*started);
  return {};
}

void Node::take(const registry::Publication& publication) {
  if (steering_ == nullptr) {
    snapshots_->publish(publication.snapshot);
    return;
  }
  report(with_pods([&](pods::Pods&) { return steering_->take(publication); }));
}

void Node::go_on_steering() {
  if (steering_ != nullptr) {
    report(with_pods([&](pods::Pods&) { return steering_->retry(); }));
  }
}

void Node::report(const Steering::Done& steered) {
  const std::string error = steered ? "" : steered.error();
  if (error == steering_error_) {
    return;
  }
  steering_error_ = error;
  if (!error.empty()) {
    spdlog::error("steering: {}; {}, and weft tries again every second", error,
                  steering_->is_behind() ? fmt::format("snapshot {} stays in force", snapshots_->current()->epoch())
                                         : "some requests do not reach the workers");
  } else {
    spdlog::info("steering: all is as the registry says again");
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
