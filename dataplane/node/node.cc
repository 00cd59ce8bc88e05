// SPDX-License-Identifier: Apache-2.0
#include "node/node.h"

#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <array>
#include <random>
#include <thread>

#include "node/diagnostic_log.h"
#include "registry-sync/source_section.h"
#include "runtime/pci.h"

namespace weft::node {
namespace {

static_assert(pods::kMaxMtu < runtime::kBufferBytes);

/// A step in which some NICs count their buffers.
constexpr uint32_t kBufferStep = 1024;
/// That peers of weft's own TCP are told that it ends.
constexpr std::chrono::seconds kLeavesWithin(1);

/// Requests that a worker has under way at a time.
constexpr uint32_t kMostExchanges = 16384;

/// Of data a buffer for jumbo frames: a packet of the largest MTU, and what a tunnel adds. 0: no port needs any.
uint32_t jumbo_bytes(const Config& config) {
  uint32_t largest = 0;
  for (const UplinkConfig& uplink : config.ports) {
    largest = std::max<uint32_t>(largest, uplink.port.mtu);
  }
  const uint32_t needed = largest + kBufferSlack;
  return needed <= runtime::kBufferBytes ? 0 : (needed + kBufferStep - 1) / kBufferStep * kBufferStep;
}

void log_connection(const registry::FollowerStatus& store) {
  if (store.connected) {
    spdlog::info("registry: follows {}", store.endpoint);
  } else {
    spdlog::warn("registry: etcd is away, and what is in force stays so: {}", store.error);
  }
}

/// What is wrong with the registry, each of it once.
struct DiagnosticLog {
  NewDiagnostics warnings;
  NewDiagnostics errors;

  void operator()(const registry::Status& status) {
    for (const registry::Diagnostic& warning : warnings.of(status.warnings)) {
      spdlog::warn("registry: {}", to_string(warning));
    }
    for (const registry::Diagnostic& error : errors.of(status.errors)) {
      spdlog::error("registry: {}", to_string(error));
    }
  }
};

/// What a start came to where etcd was away.
void log_cache(const registry::Status& status) {
  if (status.cache && !status.cache->read_error.empty()) {
    spdlog::warn("registry: the cache {}: it is ignored", status.cache->read_error);
  }
  if (status.cached) {
    const auto age = std::chrono::system_clock::now() - *status.cached;
    spdlog::warn("registry: etcd does not answer; what is in force is the cache's, written {} s ago",
                 std::chrono::duration_cast<std::chrono::seconds>(age).count());
  } else if (!status.whole) {
    spdlog::error("registry: etcd does not answer, and there is no cache: there are no services yet");
  }
}

/// With the password, which only its file has.
tl::expected<etcd::Options, std::string> etcd_options(const Config& config) {
  etcd::Options options = *config.etcd;
  if (!config.etcd_password_file.empty()) {
    auto password = registry::read_password(config.etcd_password_file);
    if (!password) {
      return tl::unexpected("registry.etcd.password_file: " + password.error());
    }
    options.password = std::move(*password);
  }
  return options;
}

int run_worker(void* worker) {
  static_cast<runtime::Worker*>(worker)->run();
  return 0;
}

/// Of the segments that weft's own TCP makes: they fit every port, and a plain buffer.

uint16_t smallest_mtu(const Config& config) {
  constexpr uint32_t kEthernet = 14;
  uint32_t mtu = runtime::kBufferBytes - kEthernet;
  if (config.pods) {
    mtu = std::min<uint32_t>(mtu, config.pods->mtu);
  }
  for (const UplinkConfig& uplink : config.ports) {
    mtu = std::min<uint32_t>(mtu, uplink.port.mtu);
  }
  return static_cast<uint16_t>(mtu);
}

tcp::Secret random_secret() {
  std::random_device random;
  tcp::Secret secret;
  std::generate(secret.key.begin(), secret.key.end(), [&] { return static_cast<uint8_t>(random()); });
  return secret;
}

lb::SessionKey random_key() {
  std::random_device random;
  lb::SessionKey key;
  std::generate(key.begin(), key.end(), [&] { return static_cast<uint8_t>(random()); });
  return key;
}

}  // namespace

Node::Node(const Config& config)
    : config_(config),
      started_(std::chrono::steady_clock::now()),
      tcp_secret_(random_secret()),
      session_key_(config.http.session_key ? *config.http.session_key : random_key()) {}

tl::expected<std::unique_ptr<Node>, std::string> Node::start(const Config& config) {
  std::unique_ptr<Node> node(new Node(config));
  // The registry before the first packet: a worker that runs has its services.
  for (const auto step :
       {&Node::start_pods, &Node::start_eal, &Node::open_ports, &Node::make_workers, &Node::start_forwarder,
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
  leave();
  for (const auto& worker : workers_) {
    worker->stop();
  }
  if (eal_) {
    eal_->wait();
  }
}

void Node::drain(bool wanted) {
  draining_ = wanted;
  for (const auto& worker : workers_) {
    worker->drain(wanted);
  }
}

uint64_t Node::http_clients() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->books().tcp.http.clients;
  }
  return sum;
}

uint64_t Node::records_missed() const {
  uint64_t sum = 0;
  for (const auto& worker : workers_) {
    sum += worker->books().tcp.http.records_missed;
  }
  return sum;
}

/// Peers of what ended here would wait for ever: they are told, in a second at most.
void Node::leave() {
  if (!launched_) {
    return;
  }
  for (const auto& worker : workers_) {
    worker->leave();
  }
  const auto deadline = std::chrono::steady_clock::now() + kLeavesWithin;
  const auto have_left = [&] {
    return std::all_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->has_left(); });
  };
  while (!have_left() && std::chrono::steady_clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
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
    if (runtime::is_pci_address(uplink.port.device)) {
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
  if (Step made = make_buffers(workers); !made) {
    return made;
  }
  WorkerBuffers buffers;
  for (uint32_t worker = 0; worker < workers; ++worker) {
    buffers.plain.push_back(&buffers_[worker]);
    buffers.jumbo.push_back(jumbo_buffers_.empty() ? nullptr : &jumbo_buffers_[worker]);
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

Node::Step Node::make_buffers(uint32_t workers) {
  const auto make = [&](std::vector<runtime::BufferPool>& pools, const char* name, uint32_t count, uint32_t bytes) {
    for (uint32_t worker = 0; worker < workers; ++worker) {
      auto pool = runtime::BufferPool::make(fmt::format("{}{}", name, worker), count, bytes);
      if (!pool) {
        return Step(tl::unexpected(pool.error()));
      }
      pools.push_back(std::move(*pool));
    }
    return Step();
  };
  const uint32_t jumbo = jumbo_bytes(config_);
  if (Step made = make(buffers_, "buffers", config_.buffers, runtime::kBufferBytes); !made || jumbo == 0) {
    return made;
  }
  return make(jumbo_buffers_, "jumbo", config_.jumbo_buffers, jumbo);
}

/// Of an engine. Half of the buffers that the ports leave may wait for their readers or their acknowledgments: the rest
/// is for what comes and goes. Where one worker polls for all, all hold buffers of its pools.
uint32_t Node::pieces() const {
  uint32_t left = UINT32_MAX;
  for (const auto* pools : {&buffers_, &jumbo_buffers_}) {
    for (const runtime::BufferPool& pool : *pools) {
      left = std::min(left, pool.available());
    }
  }
  return left / 2 / (ports_->one_polls_for_all() ? static_cast<uint32_t>(config_.cores.size()) : 1U);
}

std::chrono::system_clock::time_point Node::time_of_day(time::Time time) const {
  return std::chrono::system_clock::now() +
         std::chrono::duration_cast<std::chrono::system_clock::duration>(time - clock_->at(time::TscClock::cycles()));
}

/// From 1970 to the moment that the worker's clock counts from.
int64_t Node::wall_clock_at_zero_s() const {
  const auto wall =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
  return wall.count() - std::chrono::duration_cast<std::chrono::seconds>(clock_->at(time::TscClock::cycles())).count();
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
  pipeline.own_ports_seed = own_ports_seed_;
  pipeline.proxies = !config_.own_addresses.empty() || config_.dns.zone != nullptr;
  if (!name_rings_.empty()) {
    pipeline.names.asks = &name_rings_[number]->asks;
    worker.name_answers = &name_rings_[number]->answers;
  }
  pipeline.names.zone = config_.dns.zone;
  runtime::TerminatorConfig& terminator = worker.terminator;
  terminator.tcp = config_.tcp;
  terminator.tcp.listeners = terminator.tcp.groups = config_.max_services;
  terminator.tcp.mtu = smallest_mtu(config_);
  terminator.tcp.pieces = pieces();
  terminator.secret = tcp_secret_;
  terminator.proxy.relay = {.sessions = config_.tcp.connections / 2 + 1,
                            .idle = static_cast<time::Millis>(config_.timeouts.tcp_established.count()),
                            .half_closed = static_cast<time::Millis>(config_.timeouts.tcp_closing.count())};
  terminator.proxy.detect = config_.http.detect;
  terminator.proxy.names = {.zone = config_.dns.zone,
                            .asks = pipeline.names.asks,
                            .clients = std::min(config_.dns.tcp_clients, config_.tcp.connections),
                            .idle = static_cast<time::Millis>(std::chrono::milliseconds(config_.dns.tcp_idle).count())};
  proxy::HttpConfig& http = terminator.proxy.http;
  http = config_.http.proxy;
  http.clients = config_.tcp.connections;
  const uint32_t by_connections = std::min(config_.tcp.connections / 2 + 1, kMostExchanges);
  http.exchanges = http.exchanges == 0 ? by_connections : http.exchanges;
  http.upstreams = http.upstreams == 0 ? by_connections : http.upstreams;
  http.service_slots = config_.max_services;
  http.endpoint_slots = config_.max_endpoints;
  http.worker = number;
  http.session_key = session_key_;
  http.wall_clock_s = wall_clock_at_zero_s();
  http.seed = http_seed_ + number;
  http.protections = terminator.proxy.relay.protections = protections_.get();
  http.faults = terminator.proxy.relay.faults = pipeline.faults = faults_.get();
  terminator.proxy.relay.seed = http_seed_ + config_.cores.size() + number;
  terminator.proxy.relay.worker = number;
  terminator.buffers = buffers_[number].get();
  pipeline.tunnel_sources = config_.tunnel_sources;
  return worker;
}

Node::Step Node::make_workers() {
  if ((!config_.own_addresses.empty() || config_.dns.zone != nullptr) && pieces() < tcp::Pieces::kLeast) {
    return tl::unexpected(
        fmt::format("the ports' queues take all packet buffers, and none are left for connections that end here (mode "
                    "proxy, and dns): raise "
                    "memory.{}, or lower ports[].descriptors",
                    jumbo_buffers_.empty() ? "buffers" : "jumbo_buffers"));
  }
  const auto count = static_cast<uint32_t>(config_.cores.size());
  router_ = std::make_unique<kernel::Router>(ports_->base());
  snapshots_ = std::make_unique<runtime::SnapshotPublisher>(
      count, std::make_shared<lb::Snapshot>(0, config_.seed, std::vector<lb::Service>{}),
      router_->next(std::make_shared<const kernel::Tables>(), 0));
  try {
    faults_ = std::make_unique<lb::FaultBoard>(count);
    if (!config_.own_addresses.empty() || config_.dns.zone != nullptr) {
      protections_ = std::make_unique<proxy::Protections>(config_.max_services, config_.max_endpoints, count);
    }
    for (uint32_t number = 0; number < count && !config_.dns.forwarding.servers.empty(); ++number) {
      name_rings_.push_back(std::make_unique<dns::ForwardingRings>());
    }
    for (uint32_t number = 0; number < count; ++number) {
      workers_.push_back(std::make_unique<runtime::Worker>(worker_config(number), *snapshots_, *crossings_, *clock_));
    }
  } catch (const std::bad_alloc&) {
    return tl::unexpected(std::string("not enough memory for the flow tables: lower flows.capacity"));
  }
  std::vector<runtime::WatchPoint*> watched;
  for (const auto& worker : workers_) {
    watched.push_back(&worker->watch_point());
  }
  watchers_ = std::make_unique<runtime::Watchers>(std::move(watched), *snapshots_);
  return {};
}

Node::Step Node::start_forwarder() {
  if (name_rings_.empty()) {
    return {};
  }
  std::vector<dns::ForwardingRings*> rings;
  for (const auto& each : name_rings_) {
    rings.push_back(each.get());
  }
  auto started = resolver::Forwarder::start(config_.dns.forwarding, std::move(rings));
  if (!started) {
    return tl::unexpected(started.error());
  }
  forwarder_ = std::move(*started);
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
  vips_at_start_ = std::make_unique<l4::VipsOfEndpoints>(*snapshots_->current());
  for (uint32_t number = 0; number < workers_.size(); ++number) {
    workers_[number]->recover_by(vips_at_start_.get());
    if (!eal_->launch(number, run_worker, workers_[number].get())) {
      return tl::unexpected(fmt::format("cannot start worker {} on core {}", number, config_.cores[number]));
    }
  }
  launched_ = true;
  return {};
}

Node::Step Node::follow_registry() {
  if (pods_ != nullptr) {
    steering_ = std::make_unique<Steering>(*pods_, [this](const auto& snapshot) { snapshots_->publish(snapshot); });
  }
  // While workers choose by an older snapshot, what the latest is without may still get flows.
  const auto behind = [this] { return steering_ != nullptr && steering_->is_behind(); };
  registry::Syncer::Options options{.folder = config_.registry,
                                    .seed = config_.seed,
                                    .limits = {.services = config_.max_services,
                                               .endpoints = config_.max_endpoints,
                                               .workers = static_cast<uint32_t>(config_.cores.size())},
                                    .zone = config_.zone,
                                    .abilities = abilities_of(config_),
                                    .guard = config_.registry_guard,
                                    .cache = config_.etcd ? config_.registry_cache : std::filesystem::path()};
  registry::Syncer::Hooks hooks{
      .sink = [this](const registry::Publication& publication) { take(publication); },
      .in_use = {.services = [=, this](uint32_t slot) { return behind() || active_flows_of_service(slot) > 0; },
                 .endpoints = [=, this](uint32_t slot) { return behind() || active_flows_of_endpoint(slot) > 0; },
                 .service_freed = [this](uint32_t slot) { reset_service(slot); },
                 .endpoint_freed = [this](uint32_t slot) { reset_endpoint(slot); }},
      .loaded = DiagnosticLog(),
      .each_second =
          [this] {
            go_on_steering();
            look_after_protections();
          },
      .connection = log_connection};
  if (config_.etcd) {
    auto store = etcd_options(config_);
    if (!store) {
      return tl::unexpected(store.error());
    }
    if (const auto fit = etcd::check(*store); !fit) {
      return tl::unexpected("registry.etcd." + fit.error().text());
    }
    auto followed = registry::Syncer::start(std::move(*store), std::move(options), std::move(hooks));
    if (!followed) {
      return tl::unexpected("registry.etcd: " + followed.error());
    }
    syncer_ = std::move(*followed);
    log_cache(syncer_->status());
    return {};
  }
  auto started = registry::Syncer::start(std::move(options), std::move(hooks));
  if (!started) {
    return tl::unexpected(started.error());
  }
  syncer_ = std::move(*started);
  return {};
}

void Node::take(const registry::Publication& publication) {
  if (steering_ == nullptr) {
    snapshots_->publish(publication.snapshot);
  } else {
    report(with_pods([&](pods::Pods&) { return steering_->take(publication); }));
  }
  if (routes_ != nullptr) {
    // Endpoints on a link: at best before the first packet for them.
    if (const auto wishes = addresses_.take(publication.endpoints); !wishes.empty()) {
      routes_->want(wishes);
    }
  }
}

void Node::go_on_steering() {
  if (steering_ != nullptr) {
    report(with_pods([&](pods::Pods&) { return steering_->retry(); }));
  }
}

void Node::look_after_protections() {
  if (protections_ != nullptr) {
    protections_->look_after(*snapshots_->current(), millis());
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
  if (protections_ != nullptr) {
    protections_->forget_endpoint(slot);
  }
}

void Node::reset_service(uint32_t slot) {
  for (const auto& worker : workers_) {
    worker->slots().service[slot].reset();
  }
  if (protections_ != nullptr) {
    protections_->forget_service(slot);
  }
}

}  // namespace weft::node
