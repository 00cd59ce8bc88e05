// SPDX-License-Identifier: Apache-2.0
#include "ops/inspection_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace weft::ops {
namespace {

using Signature = lb::Signature;

constexpr size_t kHitsShown = 8;  ///< signatures in a cell; metrics have all

std::string_view action_of(const Signature& signature) {
  switch (signature.action) {
    case Signature::Action::count:
      return "Count";
    case Signature::Action::log:
      return "Log";
    case Signature::Action::deny:
      break;
  }
  return "Deny";
}

std::string_view outcome_of(const Signature& signature, const lb::InspectionRules& rules) {
  if (signature.action != Signature::Action::deny) {
    return signature.action == Signature::Action::log ? "noted in the access record" : "counted";
  }
  return rules.dry_run ? "would be denied, but for the dry run" : "denied with 403";
}

}  // namespace

std::string policies_of(const lb::Inspection& inspection) {
  std::string names;
  for (const lb::InspectionRules& rules : inspection.rules()) {
    names += fmt::format("{}{} ({})", names.empty() ? "" : ", ", rules.policy, rules.dry_run ? "DryRun" : "Enforce");
  }
  return names;
}

HeadFindings look_into(const lb::Inspection& inspection, std::string_view of, std::string_view target,
                       std::string_view lines) {
  HeadFindings findings;
  for (const uint32_t number : inspection.found_in(target, lines)) {
    const Signature& signature = inspection.signature(number);
    const lb::InspectionRules& rules = inspection.rules_of(number);
    const std::string name(inspection.name(number));
    findings.rows.push_back({{"signature", name},
                             {"of", of},
                             {"part", signature.part == Signature::Part::target ? "Target" : "Header"},
                             {"action", action_of(signature)},
                             {"outcome", outcome_of(signature, rules)}});
    if (findings.denied_by.empty() && signature.action == Signature::Action::deny && !rules.dry_run) {
      findings.denied_by = name;
    }
  }
  return findings;
}

SignatureHits hits_of(const lb::Inspection& inspection) {
  SignatureHits hits;
  std::vector<std::pair<uint64_t, uint32_t>> found;
  for (uint32_t i = 0; i < inspection.signatures(); ++i) {
    if (const uint64_t count = inspection.found(i); count > 0) {
      hits.sum += count;
      found.emplace_back(count, i);
    }
  }
  std::sort(found.begin(), found.end(),
            [](const auto& a, const auto& b) { return std::tuple(b.first, a.second) < std::tuple(a.first, b.second); });
  for (size_t i = 0; i < std::min(found.size(), kHitsShown); ++i) {
    hits.most += fmt::format("{}{} {}", i == 0 ? "" : ", ", inspection.name(found[i].second), found[i].first);
  }
  if (found.size() > kHitsShown) {
    hits.most += fmt::format(", and {} more", found.size() - kHitsShown);
  }
  return hits;
}

void add_inspection_metrics(const lb::Snapshot& snapshot, Metrics& metrics) {
  std::set<const lb::Inspection*> sets;  // which services may share
  for (const lb::Service& service : snapshot.services()) {
    if (service.inspection != nullptr) {
      sets.insert(service.inspection.get());
    }
  }
  using Key = std::tuple<std::string_view, std::string_view, std::string_view, std::string_view>;
  std::map<Key, uint64_t> found;
  size_t signatures = 0;
  size_t bytes = 0;
  for (const lb::Inspection* each : sets) {
    signatures += each->signatures();
    bytes += each->memory_bytes();
    for (uint32_t i = 0; i < each->signatures(); ++i) {
      const Signature& signature = each->signature(i);
      const lb::InspectionRules& rules = each->rules_of(i);
      found[{rules.policy, signature.name, action_of(signature), rules.dry_run ? "1" : "0"}] += each->found(i);
    }
  }
  metrics.gauge("weft_inspection_sets", "of policies of inspection, compiled for services in force").add(sets.size());
  metrics.gauge("weft_inspection_signatures", "in these sets, each counted in every set").add(signatures);
  metrics.gauge("weft_inspection_memory_bytes", "of these sets").add(bytes);
  metrics.counter("weft_signatures_found_total",
                  "messages in which a signature was found; begins anew when the policies of the service change");
  for (const auto& [key, count] : found) {
    const auto& [policy, signature, action, dry_run] = key;
    metrics.add(count, {{"policy", policy}, {"signature", signature}, {"action", action}, {"dry_run", dry_run}});
  }
}

void add_inspection_metrics(node::Node& node, Metrics& metrics) {
  add_inspection_metrics(*node.snapshots().current(), metrics);
}

}  // namespace weft::ops
