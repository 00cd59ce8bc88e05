// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse_http_values.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kLeastInterval{100};
constexpr milliseconds kMostInterval{3'600'000};
constexpr milliseconds kLeastTimeout{10};
constexpr milliseconds kMostTimeout{60'000};
constexpr int64_t kMostInARow = 100;
constexpr int64_t kMostJitter = 50;

std::optional<milliseconds> bounded_duration(Fields& fields, std::string_view key, milliseconds least,
                                             milliseconds most, std::string_view bounds) {
  const std::optional<milliseconds> value = duration(fields, key);
  if (value && (*value < least || *value > most)) {
    fields.error(key, "expected " + std::string(bounds) + ", got " + in_quotes(fields.text(key)));
    return std::nullopt;
  }
  return value;
}

std::optional<StatusRange> parse_status_range(const std::string& text) {
  constexpr int64_t kLeast = 200;  // what comes before is no answer (RFC 9110, section 15.2)
  constexpr int64_t kMost = 599;
  const size_t dash = text.find('-');
  const std::optional<int64_t> first = parse_integer(text.substr(0, dash), kLeast, kMost);
  const std::optional<int64_t> last =
      dash == std::string::npos ? first : parse_integer(text.substr(dash + 1), kLeast, kMost);
  if (!first || !last || *first > *last) {
    return std::nullopt;
  }
  return StatusRange{.first = static_cast<uint16_t>(*first), .last = static_cast<uint16_t>(*last)};
}

uint16_t parse_check_port(Fields& fields) {
  return static_cast<uint16_t>(fields.integer("port", 1, 65535).value_or(0));
}

void parse_http_check(Fields http, HealthCheck& check) {
  constexpr size_t kMostRanges = 16;
  constexpr size_t kMostPath = 1024;
  check.kind = HealthCheck::Kind::http;
  check.port = parse_check_port(http);
  if (const std::optional<std::string> path = http.string("path")) {
    check_length(http, "path", *path, kMostPath);
    const bool printable = std::all_of(path->begin(), path->end(), [](char c) { return c > ' ' && c < '\x7f'; });
    if (!path->starts_with('/') || !printable || path->find('#') != std::string::npos) {
      http.error("path",
                 "expected a path such as /healthz?full=1, without blanks and fragment, got " + in_quotes(*path));
    }
    check.path = *path;
  }
  if (const std::optional<std::string> host = http.string("host")) {
    check_hostname(http, "host", *host, Wildcard::refused);
    check.host = *host;
  }
  const std::vector<std::string> expected = http.strings("expectedStatuses");
  if (http.has("expectedStatuses")) {
    check.expected.clear();
    if (expected.empty() || expected.size() > kMostRanges) {
      http.error("expectedStatuses", "expected 1 to 16 statuses or ranges of them");
    }
  }
  for (const std::string& text : expected) {
    const std::optional<StatusRange> range = parse_status_range(text);
    if (!range) {
      http.error("expectedStatuses",
                 R"(expected a status from "200" to "599" or a range such as "200-299", got )" + in_quotes(text));
    }
    check.expected.push_back(range.value_or(StatusRange{}));
  }
  http.finish();
}

}  // namespace

std::optional<HealthCheck> parse_health_check(Fields fields) {
  if (!fields) {
    return std::nullopt;
  }
  HealthCheck check;
  Fields tcp = fields.mapping("tcp");
  Fields http = fields.mapping("http");
  if (fields.has("tcp") == fields.has("http")) {
    fields.error(fields.has("tcp") ? "http" : "tcp", "expected one of tcp or http");
  }
  if (http) {
    parse_http_check(std::move(http), check);
  } else if (tcp) {
    check.port = parse_check_port(tcp);
    tcp.finish();
  }
  check.interval =
      bounded_duration(fields, "interval", kLeastInterval, kMostInterval, "100ms to 1h").value_or(check.interval);
  const std::optional<milliseconds> timeout =
      bounded_duration(fields, "timeout", kLeastTimeout, kMostTimeout, "10ms to 1m");
  if (timeout && *timeout > check.interval) {
    fields.error("timeout", "expected no more than the interval, " + std::to_string(check.interval.count()) +
                                "ms, got " + in_quotes(fields.text("timeout")));
  }
  check.timeout = timeout.value_or(std::min(check.timeout, check.interval));
  check.rise = static_cast<uint32_t>(fields.integer("rise", 1, kMostInARow).value_or(check.rise));
  check.fall = static_cast<uint32_t>(fields.integer("fall", 1, kMostInARow).value_or(check.fall));
  check.jitter_percent =
      static_cast<uint32_t>(fields.integer("jitterPercent", 0, kMostJitter).value_or(check.jitter_percent));
  fields.finish();
  return check;
}

}  // namespace weft::registry
