// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cctype>

#include "registry-sync/parse_authorization.h"
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kMostDelay{600'000};
constexpr size_t kMostFaultHeaders = 16;
constexpr uint64_t kLeastBandwidth = 1'000;
constexpr uint64_t kMostBandwidth = 1'000'000'000'000;

/// "12.5": of 10,000. Nothing: it is none from 0.01 to 100.
std::optional<uint32_t> share_of(std::string_view text) {
  const size_t point = std::min(text.find('.'), text.size());
  const std::optional<int64_t> whole = parse_integer(text.substr(0, point), 0, 100);
  std::string_view digits = text.substr(std::min(point + 1, text.size()));
  const bool is_fraction = point < text.size();
  const bool has_digits = std::all_of(digits.begin(), digits.end(), [](char c) { return c >= '0' && c <= '9'; });
  if (!whole || (is_fraction && digits.empty()) || !has_digits) {
    return std::nullopt;
  }
  while (digits.size() > 2 && digits.back() == '0') {
    digits.remove_suffix(1);
  }
  if (digits.size() > 2) {
    return std::nullopt;
  }
  auto share = static_cast<uint32_t>(*whole * 100);
  for (size_t i = 0; i < digits.size(); ++i) {
    share += static_cast<uint32_t>(digits[i] - '0') * (i == 0 ? 10 : 1);
  }
  return share > 0 && share <= lb::Fault::kWhole ? std::optional(share) : std::nullopt;
}

/// @returns `otherwise` if it is not there, or wrong
uint32_t parse_share(Fields& fields, std::string_view key, uint32_t otherwise) {
  fields.ignore({key});
  if (!fields.has(key)) {
    return otherwise;
  }
  const std::optional<uint32_t> share = share_of(fields.text(key));
  if (!share) {
    fields.error(
        key, "expected a percentage from 0.01 to 100 with two decimals at most, got " + in_quotes(fields.text(key)));
  }
  return share.value_or(otherwise);
}

void parse_fault_target(Fields target, FaultInjection& injection) {
  if (!target) {
    return;
  }
  const std::string kind = target.required_word("kind", {"Service", "HTTPRoute", "Gateway"});
  const std::string group = target.string("group").value_or("");
  injection.kind = kind == "HTTPRoute" ? FaultInjection::Kind::route
                   : kind == "Gateway" ? FaultInjection::Kind::gateway
                                       : FaultInjection::Kind::service;
  const std::string_view expected = injection.kind == FaultInjection::Kind::service ? "" : kGatewayGroup;
  if (!kind.empty() && group != expected) {
    target.error("group", "expected " + in_quotes(expected) + ", the group of " + kind + ", got " + in_quotes(group));
  }
  const std::string name = target.required_string("name");
  if (target.has("name") && name.empty()) {
    target.error("name", "required field is empty");
  }
  if (injection.kind == FaultInjection::Kind::service) {
    check_label(target, "name", name);
  } else {
    check_subdomain(target, "name", name);
  }
  target.finish();
  injection.target = injection.metadata.name_space + "/" + name;
  if (injection.kind == FaultInjection::Kind::route) {
    injection.fault.route = injection.target;
  }
}

void parse_fault_headers(Fields& spec, lb::Fault& fault) {
  std::vector<Fields> items = spec.mappings("headers");
  check_count(spec, "headers", items.size(), kMostFaultHeaders);
  if (spec.has("headers") && items.empty()) {
    spec.error("headers", "expected at least one item, or no field for all");
  }
  for (Fields& item : items) {
    lb::FaultHeader& header = fault.headers.emplace_back();
    const std::string name = item.required_string("name");
    check_field_name(item, "name", name);
    header.name = in_lower_case(name);
    const std::optional<std::string> exact = item.string("exact");
    const std::optional<bool> present = item.boolean("present");
    if (item && item.has("exact") == item.has("present")) {
      item.error(item.has("exact") ? "present" : "exact",
                 std::string("expected exact or present, got ") + (item.has("exact") ? "both" : "none"));
    }
    if (exact) {
      check_field_value(item, "exact", *exact);
      header.value.is.push_back({.kind = lb::TextPattern::Kind::exact, .text = *exact});
    } else {
      (present.value_or(true) ? header.value.is : header.value.is_not)
          .push_back({.kind = lb::TextPattern::Kind::any, .text = ""});
    }
    item.finish();
  }
}

uint32_t parse_delay_time(Fields& fields, std::string_view key) {
  const milliseconds time = duration(fields, key).value_or(milliseconds(1));
  if (time < milliseconds(1) || time > kMostDelay) {
    fields.error(key, "expected 1ms to 10m, got " + in_quotes(fields.text(key)));
    return 1;
  }
  return static_cast<uint32_t>(time.count());
}

void parse_delay(Fields delay, lb::Fault& fault) {
  if (!delay) {
    return;
  }
  lb::FaultDelay parsed{.least_ms = 1, .most_ms = 1};
  if (delay.has("fixed") == delay.has("uniform")) {
    delay.error(delay.has("fixed") ? "uniform" : "fixed",
                std::string("expected fixed or uniform, got ") + (delay.has("fixed") ? "both" : "none"));
  }
  if (delay.has("fixed")) {
    parsed.least_ms = parsed.most_ms = parse_delay_time(delay, "fixed");
  }
  Fields uniform = delay.mapping("uniform");
  if (uniform) {
    for (const std::string_view key : {"min", "max"}) {
      if (!uniform.has(key)) {
        uniform.error(key, "required field is missing");
      }
    }
    parsed.least_ms = parse_delay_time(uniform, "min");
    parsed.most_ms = parse_delay_time(uniform, "max");
    if (uniform.has("min") && uniform.has("max") && parsed.most_ms <= parsed.least_ms) {
      uniform.error("max", "expected more than min, " + in_quotes(uniform.text("min")) + ", got " +
                               in_quotes(uniform.text("max")));
    }
  }
  uniform.finish();
  delay.ignore({"fixed"});
  delay.finish();
  fault.delay = parsed;
}

void parse_abort(Fields abort, lb::Fault& fault) {
  if (!abort) {
    return;
  }
  fault.abort_status = static_cast<uint16_t>(abort.integer("httpStatus", 200, 599).value_or(0));
  const std::optional<bool> reset = abort.boolean("reset");
  fault.resets = reset.value_or(false);
  if (abort.has("httpStatus") == abort.has("reset")) {
    abort.error(abort.has("httpStatus") ? "reset" : "httpStatus",
                std::string("expected httpStatus or reset, got ") + (abort.has("httpStatus") ? "both" : "none"));
  } else if (reset == false) {
    abort.error("reset", "expected true, or no abort");
  }
  abort.unimplemented({"grpcStatus"});
  abort.finish();
}

/// Bits a second, as Kubernetes' quantities are: 500k, 10M.
void parse_bandwidth(Fields& spec, lb::Fault& fault) {
  spec.ignore({"bandwidth"});
  if (!spec.has("bandwidth")) {
    return;
  }
  std::string text = spec.text("bandwidth");
  uint64_t unit = 1;
  if (!text.empty()) {
    unit = text.back() == 'k' ? 1'000 : text.back() == 'M' ? 1'000'000 : text.back() == 'G' ? 1'000'000'000 : 1;
  }
  if (unit > 1) {
    text.pop_back();
  }
  const auto most = static_cast<int64_t>(kMostBandwidth / unit);
  const std::optional<int64_t> number = parse_integer(text, 1, most);
  if (!number || static_cast<uint64_t>(*number) * unit < kLeastBandwidth) {
    spec.error("bandwidth",
               "expected bits a second, 1k to 1000G, such as 500k or 10M, got " + in_quotes(spec.text("bandwidth")));
    return;
  }
  fault.bits_per_second = static_cast<uint64_t>(*number) * unit;
}

void parse_dead(Fields dead, lb::Fault& fault) {
  if (!dead) {
    return;
  }
  fault.kills = true;
  fault.killed = dead.address("endpoint");
  dead.finish();
}

}  // namespace

void parse_fault_injection(Fields& document, ResourceSet& resources) {
  FaultInjection injection{.metadata = parse_metadata(document, check_subdomain, "").metadata};
  lb::Fault& fault = injection.fault;
  Fields spec = document.required_mapping("spec");
  parse_fault_target(spec.required_mapping("targetRef"), injection);
  if (const std::optional<int64_t> port = spec.integer("port", 1, 65535)) {
    injection.port = static_cast<uint16_t>(*port);
  }
  fault.from = parse_sources(spec);
  parse_fault_headers(spec, fault);
  fault.share = parse_share(spec, "percentage", lb::Fault::kWhole);
  parse_delay(spec.mapping("delay"), fault);
  parse_abort(spec.mapping("abort"), fault);
  fault.loss = parse_share(spec, "loss", 0);
  parse_bandwidth(spec, fault);
  parse_dead(spec.mapping("dead"), fault);
  if (injection.kind != FaultInjection::Kind::service) {
    for (const std::string_view key : {"loss", "bandwidth"}) {
      if (spec.has(key)) {
        spec.error(key, "expected none but for a Service: it is for packets that are forwarded");
      }
    }
  }
  if (spec && !fault.acts_on_requests() && !fault.acts_on_packets()) {
    spec.error("delay", "expected one of delay, abort, loss, bandwidth or dead");
  }
  if (fault.kills && fault.acts_on_requests()) {
    spec.error("dead", "expected no delay or abort with dead: of what is dead there is neither");
  }
  spec.finish();
  document.ignore({"status"});
  document.finish();
  resources.faults.push_back(std::make_shared<const FaultInjection>(std::move(injection)));
}

}  // namespace weft::registry
