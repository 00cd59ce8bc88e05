// SPDX-License-Identifier: Apache-2.0
#include "ops/show_metrics.h"

#include <chrono>

#include "ops/faults.h"
#include "ops/inspection_report.h"
#include "ops/protection_metrics.h"

namespace weft::ops {
namespace {

using WallTime = registry::Status::Time;

double seconds(std::chrono::nanoseconds time) {
  return std::chrono::duration<double>(time).count();
}

/// 0: never.
int64_t unix_seconds(WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time.time_since_epoch()).count();
}

void add_store_metrics(const registry::FollowerStatus& store, const registry::AdmissionStatus& admission, WallTime now,
                       Metrics& metrics) {
  metrics.gauge("weft_registry_connected", "1: etcd is followed; 0: it is away, and what is in force stays so")
      .add(store.connected);
  metrics.gauge("weft_registry_age_seconds", "how long etcd has been away; 0 while it is followed")
      .add(store.connected ? 0.0 : seconds(now - store.since));
  metrics.counter("weft_registry_reconnects_total", "how often the connection to etcd was lost").add(store.reconnects);
  metrics.counter("weft_registry_lists_total", "how often all keys were read; the first time, too").add(store.lists);
  metrics.gauge("weft_registry_keys", "keys in etcd that weft knows").add(admission.keys);
  metrics.gauge("weft_registry_instances", "of those, instances").add(admission.instances);
  metrics.gauge("weft_registry_refused_keys", "keys whose newest value is not in force").add(admission.refused);
  metrics.counter("weft_registry_refusals_total", "values that were refused").add(admission.refusals);
  metrics.gauge("weft_registry_held_keys", "keys that are gone from etcd, and kept in force by the mass-expiry guard")
      .add(admission.held);
  metrics.counter("weft_registry_holds_total", "keys that the mass-expiry guard ever held").add(admission.holds);
  metrics.gauge("weft_registry_alarm", "1: the mass-expiry guard holds keys; weftctl set registry accept lets them go")
      .add(admission.held > 0);
}

void add_cache_metrics(const registry::CacheWriter::State& cache, Metrics& metrics) {
  metrics.counter("weft_registry_cache_writes_total", "times that the cache was written").add(cache.writes);
  metrics.counter("weft_registry_cache_failures_total", "times that it could not be").add(cache.failures);
  metrics.gauge("weft_registry_cache_documents", "documents in the cache").add(cache.documents);
  metrics.gauge("weft_registry_cache_bytes", "the cache's size").add(cache.bytes);
  metrics.gauge("weft_registry_cache_written_timestamp_seconds", "when the cache was written last; 0: never")
      .add(unix_seconds(cache.saved));
}

void add_snapshot_metrics(node::Node& node, const registry::Status& status, Metrics& metrics) {
  const auto snapshot = node.snapshots().current();
  size_t endpoints = 0;
  size_t memory = 0;
  for (const lb::Service& service : snapshot->services()) {
    endpoints += service.endpoints.size();
    memory += service.memory_bytes();
  }
  metrics.gauge("weft_snapshot_epoch", "the number of the snapshot in force").add(snapshot->epoch());
  metrics.gauge("weft_snapshot_services", "services' ports in it").add(snapshot->services().size());
  metrics.gauge("weft_snapshot_services_limit", "how many there may be").add(node.config().max_services);
  metrics.gauge("weft_snapshot_endpoints", "their endpoints, each counted at every port").add(endpoints);
  metrics.gauge("weft_snapshot_endpoints_limit", "how many endpoints there may be").add(node.config().max_endpoints);
  metrics.gauge("weft_snapshot_lingering_endpoints", "that left the registry, and still have flows")
      .add(status.lingering);
  metrics.gauge("weft_snapshot_memory_bytes", "of its services").add(memory);
}

/// What workers publish, read once: families stand together, so each goes through all of them.
using AllBooks = std::vector<runtime::Books>;

template <typename Value>
void add_by_worker(const AllBooks& books, Metrics& family, Value value) {
  for (size_t i = 0; i < books.size(); ++i) {
    family.add(value(books[i], i), {{"worker", std::to_string(i)}});
  }
}

void add_packet_metrics(const AllBooks& books, Metrics& metrics) {
  using Books = runtime::Books;
  add_by_worker(books, metrics.counter("weft_received_packets_total", "that ports gave to the worker"),
                [](const Books& own, size_t) { return own.received; });
  add_by_worker(books, metrics.counter("weft_taken_over_packets_total", "that other workers handed over"),
                [](const Books& own, size_t) { return own.taken_over; });
  add_by_worker(books, metrics.counter("weft_originated_packets_total", "of the worker's own TCP and name server"),
                [](const Books& own, size_t) { return own.originated; });
  metrics.counter("weft_packets_total", "by how they ended: show drops says what each verdict means");
  for (size_t worker = 0; worker < books.size(); ++worker) {
    for (size_t i = 0; i < l4::kVerdicts; ++i) {
      const l4::VerdictInfo& verdict = l4::info(static_cast<l4::Verdict>(i));
      metrics.add(
          books[worker].verdicts[i],
          {{"worker", std::to_string(worker)}, {"outcome", to_string(verdict.outcome)}, {"verdict", verdict.name}});
    }
  }
}

void add_worker_metrics(node::Node& node, const AllBooks& books, Metrics& metrics) {
  using Books = runtime::Books;
  const double hertz = static_cast<double>(runtime::Eal::tsc_hertz());
  add_by_worker(books, metrics.counter("weft_worker_busy_seconds_total", "of loops that found packets"),
                [&](const Books& own, size_t) { return static_cast<double>(own.busy_cycles) / hertz; });
  add_by_worker(books, metrics.counter("weft_worker_idle_seconds_total", "of the others, sleep included"),
                [&](const Books& own, size_t) { return static_cast<double>(own.idle_cycles) / hertz; });
  add_by_worker(books, metrics.gauge("weft_worker_flows", "in its flow tables"),
                [](const Books& own, size_t) { return own.active_flows; });
  add_by_worker(books, metrics.gauge("weft_worker_flows_limit", "that have room there"),
                [&](const Books&, size_t i) { return node.workers()[i]->flow_capacity(); });
  add_by_worker(books, metrics.counter("weft_worker_adopted_flows_total", "begun again in mid-connection"),
                [](const Books& own, size_t) { return own.adopted_flows; });
  add_by_worker(books, metrics.gauge("weft_worker_buffers_free", "packet buffers nobody uses"),
                [&](const Books&, size_t i) { return node.buffers(i).available(); });
  add_by_worker(books, metrics.gauge("weft_worker_buffers_limit", "packet buffers there are"),
                [&](const Books&, size_t i) { return node.buffers(i).size(); });
  add_by_worker(books, metrics.gauge("weft_worker_snapshot_epoch", "the snapshot that the worker decides by"),
                [](const Books& own, size_t) { return own.epoch; });
}

void add_port_metrics(node::Node& node, const AllBooks& books, Metrics& metrics) {
  const auto of_each = [&](auto value) {
    for (size_t worker = 0; worker < books.size(); ++worker) {
      for (size_t i = 0; i < node.ports().size(); ++i) {
        const runtime::Port& port = node.ports().device(i, static_cast<uint32_t>(worker));
        metrics.add(value(books[worker].ports[i], port), {{"port", port.name()}, {"worker", std::to_string(worker)}});
      }
    }
  };
  using Own = runtime::PortBooks;
  using Device = runtime::Port;
  metrics.counter("weft_port_received_packets_total", "by the port");
  of_each([](const Own& own, const Device&) { return own.received; });
  metrics.counter("weft_port_received_bytes_total", "by the port");
  of_each([](const Own& own, const Device&) { return own.received_bytes; });
  metrics.counter("weft_port_sent_packets_total", "by the port");
  of_each([](const Own& own, const Device&) { return own.sent; });
  metrics.counter("weft_port_sent_bytes_total", "by the port");
  of_each([](const Own& own, const Device&) { return own.sent_bytes; });
  metrics.counter("weft_port_missed_packets_total", "that came while the worker did not keep up, or had no buffer");
  of_each([](const Own&, const Device& port) { return port.totals().missed + port.totals().no_buffer; });
  metrics.counter("weft_port_errors_total", "packets that the device found damaged");
  of_each([](const Own&, const Device& port) { return port.totals().errors; });
}

void add_ebpf_metrics(node::Node& node, Metrics& metrics) {
  if (!node.has_pods()) {
    return;
  }
  const auto counters = node.with_pods([](pods::Pods& pods) { return pods.counters(); });
  if (!counters) {
    return;
  }
  metrics.counter("weft_ebpf_packets_total", "by what eBPF did with them: show drops");
  for (uint32_t i = 0; i < counters->size(); ++i) {
    metrics.add((*counters)[i], {{"verdict", bpf::to_string(static_cast<weft_counter>(i))}});
  }
}

}  // namespace

void add_registry_metrics(const registry::Status& status, WallTime now, Metrics& metrics) {
  metrics.gauge("weft_registry_ready", "1: the registry was read, or its cache; 0: there are no services yet")
      .add(status.whole);
  metrics.gauge("weft_registry_from_cache", "1: what is in force is the cache's, as etcd was not reached yet")
      .add(status.cached.has_value());
  metrics.gauge("weft_registry_holding", "1: all of the last good state stays in force: show registry says why")
      .add(status.holding);
  metrics.gauge("weft_registry_revision", "etcd's revision of which all is in force that may be; of a folder 0")
      .add(status.revision);
  metrics.gauge("weft_registry_documents", "in force").add(status.documents);
  metrics.gauge("weft_registry_errors", "messages that show registry has").add(status.errors.size());
  metrics.gauge("weft_registry_warnings", "messages that show registry has").add(status.warnings.size());
  metrics.gauge("weft_registry_last_good_timestamp_seconds", "when there was nothing wrong last; 0: never")
      .add(unix_seconds(status.last_good));
  metrics.gauge("weft_registry_last_change_timestamp_seconds", "when it was looked at last; 0: never")
      .add(unix_seconds(status.last_attempt));
  if (status.store) {
    add_store_metrics(*status.store, status.admission.value_or(registry::AdmissionStatus{}), now, metrics);
  }
  if (status.cache) {
    add_cache_metrics(status.cache->written, metrics);
  }
}

std::string metrics_of(node::Node& node) {
  const auto now = std::chrono::system_clock::now();
  const registry::Status status = node.registry().status();
  AllBooks books;
  for (const auto& worker : node.workers()) {
    books.push_back(worker->books());
  }
  Metrics metrics;
  metrics.gauge("weft_build_info", "1, with what the node is")
      .add(1, {{"version", WEFT_VERSION}, {"node", node.config().node}, {"registry", status.store ? "etcd" : "files"}});
  const auto uptime = std::chrono::steady_clock::now() - node.started();
  metrics.gauge("weft_start_time_seconds", "when weftd was started; a Unix time")
      .add(seconds(now.time_since_epoch() - uptime));
  add_registry_metrics(status, now, metrics);
  add_snapshot_metrics(node, status, metrics);
  add_packet_metrics(books, metrics);
  add_ebpf_metrics(node, metrics);
  add_worker_metrics(node, books, metrics);
  add_port_metrics(node, books, metrics);
  add_tcp_metrics(node, metrics);
  add_http_metrics(node, metrics);
  add_dns_metrics(node, metrics);
  add_fault_metrics(node, metrics);
  if (node.protections() != nullptr) {
    add_protection_metrics(*node.snapshots().current(), *node.protections(), metrics);
  }
  add_inspection_metrics(node, metrics);
  return metrics.text();
}

}  // namespace weft::ops
