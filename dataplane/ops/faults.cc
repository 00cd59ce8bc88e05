// SPDX-License-Identifier: Apache-2.0
#include "ops/faults.h"

#include <fmt/format.h>

#include <array>
#include <map>

#include "lb/fault.h"
#include "ops/fault_words.h"
#include "ops/options.h"
#include "registry-sync/diagnostic.h"
#include "registry-sync/parse.h"

namespace weft::ops {
namespace {

struct InjectedName {
  lb::Injected what;
  std::string_view name;
};
constexpr std::array<InjectedName, lb::kInjected> kInjectedNames = {{{lb::Injected::delayed, "delayed"},
                                                                     {lb::Injected::aborted, "aborted"},
                                                                     {lb::Injected::reset, "reset"},
                                                                     {lb::Injected::dead, "dead"},
                                                                     {lb::Injected::lost, "lost"},
                                                                     {lb::Injected::throttled, "throttled"}}};

/// A fault in force, and the services that have it.
struct InForce {
  const lb::Fault* fault = nullptr;
  std::string services;
};

/// By id, so in the order in which they came. The snapshot is the caller's to hold.
std::map<uint64_t, InForce> faults_of(const lb::Snapshot& snapshot, const std::string& service, uint64_t now_ns) {
  std::map<uint64_t, InForce> all;
  for (const lb::Service& each : snapshot.services()) {
    if (each.faults == nullptr || (!service.empty() && each.name != service)) {
      continue;
    }
    for (const lb::Fault& fault : *each.faults) {
      if (lb::is_over(fault, now_ns)) {
        continue;
      }
      InForce& known = all[fault.id];
      known.fault = &fault;
      const std::string where = fmt::format("{}:{}", each.name, lb::to_host(each.port));
      if (known.services.find(where) == std::string::npos) {
        known.services += (known.services.empty() ? "" : ",") + where;
      }
    }
  }
  return all;
}

uint64_t now_of(const node::Node& node) {
  return static_cast<uint64_t>(node.worker_time().count());
}

/// A name that no live fault has.
std::string free_name(node::Node& node) {
  const auto snapshot = node.snapshots().current();
  const auto all = faults_of(*snapshot, "", 0);
  for (uint32_t n = 1;; ++n) {
    std::string name = fmt::format("live-{}", n);
    const bool is_taken = std::any_of(all.begin(), all.end(), [&](const auto& each) {
      return each.second.fault->is_live && each.second.fault->name == name;
    });
    if (!is_taken) {
      return name;
    }
  }
}

Json row_of(const node::Node& node, const InForce& each, uint64_t now_ns) {
  const lb::Fault& fault = *each.fault;
  const double left = fault.until_ns == 0 ? 0 : static_cast<double>(fault.until_ns - now_ns) / 1e9;
  Json row = {{"fault", fault.name},
              {"live", fault.is_live},
              {"services", each.services},
              {"route", fault.route},
              {"does", lb::describe(fault)},
              {"percentage", fault.share / 100.0},
              {"seconds_left", fault.until_ns == 0 ? Json() : Json(left)}};
  for (const InjectedName& injected : kInjectedNames) {
    row[std::string(injected.name)] = node.faults().sum(fault, injected.what);
  }
  return row;
}

}  // namespace

Answer fault_start(node::Node& node, const Words& arguments) {
  if (arguments.empty()) {
    return tl::unexpected(std::string());
  }
  auto words = read_fault_words(arguments, free_name(node));
  if (!words) {
    return tl::unexpected(words.error());
  }
  registry::ParsedFile parsed = registry::parse_document("fault", words->document);
  if (!parsed.errors.empty()) {
    std::string problems;
    for (const registry::Diagnostic& error : parsed.errors) {
      problems += (problems.empty() ? "" : "; ") + (error.field.empty() ? "" : error.field + ": ") + error.message;
    }
    return tl::unexpected(problems);
  }
  if (parsed.resources.faults.size() != 1) {
    return tl::unexpected(std::string("expected a FaultInjection (weft.dev/v1)"));
  }
  registry::LiveFault live{
      .what = *parsed.resources.faults.front(),
      .until_ns = now_of(node) + static_cast<uint64_t>(std::chrono::nanoseconds(words->lasts).count()),
      .until = std::chrono::steady_clock::now() + words->lasts,
      .most_share = node.config().max_fault_share};
  const std::string name = live.what.metadata.name;
  if (name == "all") {
    return tl::unexpected(
        std::string("metadata.name: all is no name of a live fault: fault stop all ends all of them"));
  }
  if (auto done = node.registry().start_fault(std::move(live)); !done) {
    return tl::unexpected(done.error());
  }
  return Json{{"fault", name}, {"state", "started"}, {"seconds", std::chrono::duration<double>(words->lasts).count()}};
}

Answer fault_stop(node::Node& node, const Words& arguments) {
  if (arguments.size() != 1) {
    return tl::unexpected(std::string());
  }
  const bool all = arguments[0] == "all";
  if (auto done = node.registry().stop_fault(all ? std::nullopt : std::optional(arguments[0])); !done) {
    return tl::unexpected(done.error());
  }
  return Json{{"fault", arguments[0]}, {"state", "stopped"}};
}

Answer show_faults(node::Node& node, const Words& arguments) {
  Options options(arguments);
  const std::string service = options.service();
  if (!options.rest().empty()) {
    return tl::unexpected(std::string());
  }
  const auto snapshot = node.snapshots().current();
  const uint64_t now = now_of(node);
  Json rows = Json::array();
  for (const auto& [id, each] : faults_of(*snapshot, service, now)) {
    rows.push_back(row_of(node, each, now));
  }
  return rows;
}

void add_fault_metrics(node::Node& node, Metrics& metrics) {
  const auto snapshot = node.snapshots().current();
  const auto all = faults_of(*snapshot, "", now_of(node));
  metrics.gauge("weft_faults", "faults that are injected on purpose").add(all.size());
  metrics.counter("weft_faults_injected_total", "by faults in force: requests, connections or packets");
  for (const auto& [id, each] : all) {
    for (const InjectedName& injected : kInjectedNames) {
      metrics.add(node.faults().sum(*each.fault, injected.what),
                  {{"fault", each.fault->name}, {"live", each.fault->is_live ? "1" : "0"}, {"did", injected.name}});
    }
  }
}

}  // namespace weft::ops
