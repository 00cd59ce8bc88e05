// SPDX-License-Identifier: Apache-2.0
#include "ops/show.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <array>

#include "registry-sync/diagnostic.h"

namespace weft::ops {
namespace {

using std::chrono::duration_cast;

std::string utc_or_never(std::chrono::system_clock::time_point time) {
  if (time == std::chrono::system_clock::time_point{}) {
    return "never";
  }
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", std::chrono::floor<std::chrono::seconds>(time));
}

Json as_json(const std::vector<registry::Diagnostic>& diagnostics) {
  Json list = Json::array();
  for (const registry::Diagnostic& diagnostic : diagnostics) {
    list.push_back(to_string(diagnostic));
  }
  return list;
}

runtime::Books sum_of_books(node::Node& node) {
  runtime::Books sum;
  for (const auto& worker : node.workers()) {
    const runtime::Books books = worker->books();
    sum.received += books.received;
    sum.taken_over += books.taken_over;
    sum.originated += books.originated;
    for (size_t i = 0; i < l4::kVerdicts; ++i) {
      sum.verdicts[i] += books.verdicts[i];
    }
  }
  return sum;
}

/// Polls by the size of the burst they found; sizes that never came are left out.
Json burst_sizes(const runtime::Books& books) {
  Json sizes = Json::object();
  for (size_t size = 0; size < books.burst_sizes.size(); ++size) {
    if (books.burst_sizes[size] > 0) {
      sizes[std::to_string(size)] = books.burst_sizes[size];
    }
  }
  return sizes;
}

/// Who writes the checksums of weft's own TCP, and cuts what is long.
std::string_view segments_of(const runtime::Port& port) {
  const runtime::TransmitOffload& offload = port.transmit_offload();
  return offload.segmentation ? "device" : offload.checksums ? "device: checksums" : "software";
}

std::string_view spreading_of(const runtime::Port& port) {
  switch (port.spreading()) {
    case runtime::Spreading::none:
      return "one queue";
    case runtime::Spreading::rss:
      return "rss";
    case runtime::Spreading::unknown:
      break;
  }
  return "unknown";
}

/// A veth is up in the eyes of its driver whatever an administrator does to it.
std::string_view link_of(node::Node& node, size_t worker, const runtime::Port& port) {
  if (node.has_pods() && port.name() == "pods") {
    const pods::WorkerLink link = node.with_pods([&](pods::Pods& pods) { return pods.worker_link(worker); });
    if (link != pods::WorkerLink::up) {
      return to_string(link);
    }
  }
  return port.link_up() ? "up" : "down";
}

/// The folder, or etcd's endpoints.
std::string registry_name(const node::Config& config) {
  return config.etcd ? registry::listed(config.etcd->endpoints, ", ") : config.registry.string();
}

}  // namespace

Answer show_version(node::Node& node, const Words&) {
  const auto uptime = std::chrono::steady_clock::now() - node.started();
  return Json{{"version", WEFT_VERSION},
              {"node", node.config().node},
              {"uptime_seconds", duration_cast<std::chrono::seconds>(uptime).count()},
              {"workers", node.workers().size()},
              {"registry", registry_name(node.config())}};
}

Answer show_workers(node::Node& node, const Words&) {
  Json list = Json::array();
  for (size_t i = 0; i < node.workers().size(); ++i) {
    runtime::Worker& worker = *node.workers()[i];
    const runtime::Books books = worker.books();
    const uint64_t cycles = books.busy_cycles + books.idle_cycles;
    const auto share = [](uint64_t part, uint64_t whole) {
      return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
    };
    list.push_back({{"worker", i},
                    {"core", worker.config().core},
                    {"idle_mode", worker.config().idle.mode == runtime::IdleMode::busy ? "busy" : "adaptive"},
                    {"busy_percent", 100 * share(books.busy_cycles, cycles)},
                    {"busy_cycles", books.busy_cycles},
                    {"idle_cycles", books.idle_cycles},
                    {"cycles_per_packet", share(books.busy_cycles, books.received)},
                    {"longest_loop_cycles", books.longest_loop_cycles},
                    {"loops", books.loops},
                    {"sleeps", books.sleeps},
                    {"received", books.received},
                    {"taken_over", books.taken_over},
                    {"originated", books.originated},
                    {"transmitted", books.sum(l4::Outcome::transmitted)},
                    {"delivered", books.sum(l4::Outcome::delivered)},
                    {"passed", books.sum(l4::Outcome::passed)},
                    {"handed_over", books.sum(l4::Outcome::handed_over)},
                    {"dropped", books.sum(l4::Outcome::dropped)},
                    {"flows", books.active_flows},
                    {"flow_capacity", worker.flow_capacity()},
                    {"fullest_table_percent", books.fullest_table_permille / 10.0},
                    {"flow_memory_bytes", worker.flow_memory_bytes()},
                    {"adopted_flows", books.adopted_flows},
                    {"buffers_free", node.buffers(i).available()},
                    {"buffers", node.buffers(i).size()},
                    {"jumbo_buffers_free", node.jumbo_buffers(i) ? node.jumbo_buffers(i)->available() : 0},
                    {"jumbo_buffers", node.jumbo_buffers(i) ? node.jumbo_buffers(i)->size() : 0},
                    {"epoch", books.epoch},
                    {"burst_sizes", burst_sizes(books)}});
  }
  return list;
}

Answer show_ports(node::Node& node, const Words&) {
  Json list = Json::array();
  for (size_t worker = 0; worker < node.workers().size(); ++worker) {
    const runtime::Books books = node.workers()[worker]->books();
    for (size_t i = 0; i < node.ports().size(); ++i) {
      const runtime::Port& port = node.ports().device(i, static_cast<uint32_t>(worker));
      const runtime::PortTotals device = port.totals();
      list.push_back({{"port", port.name()},
                      {"worker", worker},
                      {"device", port.device()},
                      {"mac", runtime::to_string(port.mac())},
                      {"link", link_of(node, worker, port)},
                      {"mtu", port.mtu()},
                      {"queues", port.queues()},
                      {"spreading", spreading_of(port)},
                      {"checksums", port.checks_checksums() ? "device" : "software"},
                      {"segments", segments_of(port)},
                      {"received", books.ports[i].received},
                      {"received_bytes", books.ports[i].received_bytes},
                      {"sent", books.ports[i].sent},
                      {"sent_bytes", books.ports[i].sent_bytes},
                      {"missed", device.missed + device.no_buffer},
                      {"errors", device.errors}});
    }
  }
  return list;
}

Answer show_snat(node::Node& node, const Words&) {
  Json list = Json::array();
  for (const auto& worker : node.workers()) {
    const runtime::Books books = worker->books();
    for (size_t i = 0; i < node.config().own_addresses.size(); ++i) {
      list.push_back({{"address", to_string(node.config().own_addresses[i])},
                      {"worker", worker->config().pipeline.worker},
                      {"ports_in_use", books.own_ports_used[i]},
                      {"ports", l4::OwnPorts::kPorts * l4::OwnPorts::kClasses / node.workers().size()}});
    }
  }
  return list;
}

Answer show_drops(node::Node& node, const Words&) {
  const runtime::Books books = sum_of_books(node);
  Json packets = Json::array();
  for (size_t i = 0; i < l4::kVerdicts; ++i) {
    const l4::VerdictInfo& info = l4::info(static_cast<l4::Verdict>(i));
    packets.push_back({{"outcome", to_string(info.outcome)},
                       {"name", info.name},
                       {"packets", books.verdicts[i]},
                       {"meaning", info.meaning}});
  }
  Json answer = {{"received", books.received},
                 {"taken_over", books.taken_over},
                 {"originated", books.originated},
                 {"transmitted", books.sum(l4::Outcome::transmitted)},
                 {"delivered", books.sum(l4::Outcome::delivered)},
                 {"passed", books.sum(l4::Outcome::passed)},
                 {"handed_over", books.sum(l4::Outcome::handed_over)},
                 {"dropped", books.sum(l4::Outcome::dropped)},
                 {"workers", packets}};
  if (!node.has_pods()) {
    return answer;
  }
  auto counters = node.with_pods([](pods::Pods& pods) { return pods.counters(); });
  if (!counters) {
    return tl::unexpected(counters.error());
  }
  Json ebpf = Json::array();
  for (uint32_t i = 0; i < counters->size(); ++i) {
    ebpf.push_back({{"name", bpf::to_string(static_cast<weft_counter>(i))}, {"packets", (*counters)[i]}});
  }
  answer["ebpf"] = ebpf;
  return answer;
}

namespace {

std::string state_of(const registry::Status& status) {
  if (!status.whole) {
    return status.store || status.errors.empty()
               ? "not ready: the registry was not read yet"
               : "not ready: what was read has errors, and nothing was in force before";
  }
  if (status.cached) {
    const auto age = std::chrono::system_clock::now() - *status.cached;
    return fmt::format("from cache, {} s old", duration_cast<std::chrono::seconds>(age).count());
  }
  if (status.store && !status.store->connected) {
    return "away: the last good state is in force";
  }
  if (status.errors.empty()) {
    return "current";
  }
  return status.holding ? "stale: the last good state is in force" : "partly stale: what is good is in force";
}

/// Of what is in force; null: nothing ever was.
Json age_of(const registry::Status& status, std::chrono::system_clock::time_point now) {
  return status.last_good == registry::Status::Time{}
             ? Json()
             : Json(duration_cast<std::chrono::seconds>(now - status.last_good).count());
}

Json store_of(const registry::FollowerStatus& store, const registry::AdmissionStatus& admission,
              std::chrono::system_clock::time_point now) {
  const auto since = duration_cast<std::chrono::seconds>(now - store.since);
  return {{"member", store.endpoint},
          {"connection", store.connected ? "connected" : "away"},
          {"since", utc_or_never(store.since)},
          {"age_seconds", store.connected ? 0 : since.count()},
          {"last_error", store.error},
          {"reconnects", store.reconnects},
          {"lists", store.lists},
          {"keys", admission.keys},
          {"instances", admission.instances},
          {"refused_keys", admission.refused},
          {"refusals", admission.refusals},
          {"held_keys", admission.held},
          {"held_of", admission.held_of},
          {"holds", admission.holds},
          {"alarm", admission.held == 0
                        ? ""
                        : "mass expiry: what went at once is kept in force; weftctl set registry accept lets it go"}};
}

Json cache_of(const registry::CacheStatus& cache) {
  const registry::CacheWriter::State& written = cache.written;
  return {{"cache", cache.path.string()},
          {"cache_written", utc_or_never(written.saved)},
          {"cache_documents", written.documents},
          {"cache_bytes", written.bytes},
          {"cache_writes", written.writes},
          {"cache_failures", written.failures},
          {"cache_error", written.writes == 0 && written.failures == 0 ? cache.read_error : written.last_error}};
}

}  // namespace

Answer show_registry(node::Node& node, const Words&) {
  const auto now = std::chrono::system_clock::now();
  const registry::Status status = node.registry().status();
  Json answer{{"source", status.store ? "etcd" : "files"},
              {"place", registry_name(node.config())},
              {"state", state_of(status)},
              {"ready", status.whole},
              {"revision", status.revision},
              {"epoch", status.epoch},
              {"documents", status.documents},
              {"last_change", utc_or_never(status.last_attempt)}};
  if (status.store) {
    answer.update(store_of(*status.store, status.admission.value_or(registry::AdmissionStatus{}), now));
    if (status.cache) {
      answer.update(cache_of(*status.cache));
    }
  } else {
    answer["files"] = status.files;
    answer["age_seconds"] = age_of(status, now);
  }
  answer["errors"] = as_json(status.errors);
  answer["warnings"] = as_json(status.warnings);
  return answer;
}

Answer show_snapshot(node::Node& node, const Words&) {
  const auto snapshot = node.snapshots().current();
  const registry::Status status = node.registry().status();
  size_t endpoints = 0;
  size_t memory = 0;
  for (const lb::Service& service : snapshot->services()) {
    endpoints += service.endpoints.size();
    memory += service.memory_bytes();
  }
  Json worker_epochs = Json::array();
  for (const auto& worker : node.workers()) {
    worker_epochs.push_back(worker->books().epoch);
  }
  Json drains = Json::array();
  for (const registry::Drain& drain : status.drains) {
    drains.push_back(drain.service + "/" + to_string(drain.endpoint));
  }
  const Json age = age_of(status, std::chrono::system_clock::now());
  return Json{{"epoch", snapshot->epoch()},
              {"worker_epochs", worker_epochs},
              {"services", snapshot->services().size()},
              {"services_limit", node.config().max_services},
              {"endpoints", endpoints},
              {"endpoints_limit", node.config().max_endpoints},
              {"lingering_endpoints", status.lingering},
              {"memory_bytes", memory},
              {"registry", registry_name(node.config())},
              {"files", status.files},
              {"documents", status.documents},
              {"state", state_of(status)},
              {"last_attempt", utc_or_never(status.last_attempt)},
              {"last_good", utc_or_never(status.last_good)},
              {"age_seconds", age},
              {"drained_by_operator", drains},
              {"errors", as_json(status.errors)},
              {"warnings", as_json(status.warnings)}};
}

}  // namespace weft::ops
