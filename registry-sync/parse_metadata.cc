// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

/// RFC 3339, as Kubernetes writes it: in UTC, without fractions.
std::optional<int64_t> parse_time(std::string_view text) {
  constexpr std::string_view kForm = "dddd-dd-ddTdd:dd:ddZ";
  const auto fits = [](char c, char form) { return form == 'd' ? c >= '0' && c <= '9' : c == form; };
  if (text.size() != kForm.size() || !std::equal(text.begin(), text.end(), kForm.begin(), fits)) {
    return std::nullopt;
  }
  const auto number = [&](size_t at, size_t digits) {
    int value = 0;
    for (const char c : text.substr(at, digits)) {
      value = value * 10 + (c - '0');
    }
    return value;
  };
  const std::chrono::year_month_day day{std::chrono::year(number(0, 4)), std::chrono::month(number(5, 2)),
                                        std::chrono::day(number(8, 2))};
  // Without leap seconds, as Kubernetes has it.
  if (!day.ok() || number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) {
    return std::nullopt;
  }
  const auto time = std::chrono::sys_days(day) + std::chrono::hours(number(11, 2)) +
                    std::chrono::minutes(number(14, 2)) + std::chrono::seconds(number(17, 2));
  return time.time_since_epoch().count();
}

/// RFC 4291, section 2.4.
std::string_view ipv6_problem(const lb::Ipv6Address& address) {
  lb::Ipv6Address loopback{};
  loopback.bytes[15] = 1;
  if (address == lb::Ipv6Address{}) {
    return "which is unspecified";
  }
  if (address == loopback) {
    return "which is loopback";
  }
  if (address.bytes[0] == 0xff) {
    return "which is multicast";
  }
  // No router forwards it, and it means nothing without an interface.
  return address.bytes[0] == 0xfe && (address.bytes[1] & 0xc0) == 0x80 ? "which is link-local" : "";
}

}  // namespace

bool is_label(std::string_view text) {
  const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= 63 && std::all_of(text.begin(), text.end(), inner) && text.front() != '-' &&
         text.back() != '-';
}

bool is_subdomain(std::string_view text) {
  if (text.size() > 253) {
    return false;
  }
  for (size_t dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.')) {
    if (!is_label(text.substr(0, dot))) {
      return false;
    }
    text.remove_prefix(dot + 1);
  }
  return is_label(text);
}

void check_label(Fields& fields, std::string_view key, std::string_view name) {
  if (!name.empty() && !is_label(name)) {
    fields.error(key, "expected up to 63 of a-z, 0-9 and inner \"-\", got " + in_quotes(name));
  }
}

void check_subdomain(Fields& fields, std::string_view key, std::string_view name) {
  if (!name.empty() && !is_subdomain(name)) {
    fields.error(key, "expected a DNS name of a-z, 0-9, \"-\" and \".\", got " + in_quotes(name));
  }
}

std::string_view unicast_problem(const lb::Address& address) {
  if (!address.is_ipv4()) {
    return ipv6_problem(address.ipv6());
  }
  const uint32_t value = lb::to_host(address.ipv4());
  if (value >> 24 == 0) {
    return "which is of the unspecified network";
  }
  if (value >> 24 == 127) {
    return "which is loopback";
  }
  if (value == UINT32_MAX) {
    return "which is broadcast";
  }
  if (value >> 28 == 14) {
    return "which is multicast";
  }
  return value >> 28 == 15 ? "which is reserved" : "";
}

lb::Protocol parse_port_protocol(Fields& port) {
  return port.word("protocol", {"TCP", "UDP"}, {"SCTP"}) == "UDP" ? lb::Protocol::udp : lb::Protocol::tcp;
}

ParsedMetadata parse_metadata(Fields& document, void (*check_name)(Fields&, std::string_view, std::string_view),
                              std::string_view annotation) {
  Fields fields = document.required_mapping("metadata");
  Metadata metadata{.file = document.file(), .line = document.line()};
  metadata.name = fields.required_string("name");
  if (fields.has("name") && metadata.name.empty()) {
    fields.error("name", "required field is empty");
  }
  if (const std::optional<std::string> name_space = fields.string("namespace")) {
    metadata.name_space = *name_space;
    check_label(fields, "namespace", *name_space);
    if (name_space->empty()) {
      fields.error("namespace", "expected a namespace or no field, got \"\"");
    }
  }
  Fields labels = fields.mapping("labels");
  Fields annotations = fields.mapping("annotations");
  for (Fields* texts : {&labels, &annotations}) {
    for (const std::string& key : texts->keys()) {
      texts->string(key);
    }
  }
  for (const std::string& key : annotations.keys()) {
    if (key.starts_with("weft.dev/") && key != annotation) {
      annotations.error(key,
                        "unknown annotation" + (annotation.empty() ? "" : "; expected " + std::string(annotation)));
    }
  }
  fields.ignore({"uid", "resourceVersion"});
  int64_t created = 0;
  if (const std::optional<std::string> text = fields.string("creationTimestamp")) {
    const std::optional<int64_t> time = parse_time(*text);
    if (!time) {
      fields.error("creationTimestamp", "expected a time such as 2026-01-31T12:00:00Z, got " + in_quotes(*text));
    }
    created = time.value_or(0);
  }
  fields.ignore({"deletionTimestamp", "deletionGracePeriodSeconds", "generation", "managedFields", "ownerReferences",
                 "finalizers", "generateName", "selfLink"});
  check_name(fields, "name", metadata.name);
  fields.finish();
  return {.metadata = std::move(metadata),
          .created = created,
          .labels = std::move(labels),
          .annotations = std::move(annotations)};
}

}  // namespace weft::registry
