// SPDX-License-Identifier: Apache-2.0
#include "ops/access_report.h"

#include <fmt/format.h>

#include "ops/wall_clock.h"

namespace weft::ops {
namespace {

std::string_view service_name(const lb::Snapshot& snapshot, uint32_t slot) {
  const lb::Service* const service = snapshot.service_at(slot);
  return service == nullptr ? std::string_view() : service->name;
}

std::string cell_of(const Json& request, const char* key) {
  const Json& value = request[key];
  return value.is_null() || value == "" ? "-" : value.is_string() ? value.get<std::string>() : value.dump();
}

/// What decided, and the fault that was injected on purpose.
std::string detail_of(const proxy::AccessRecord& record) {
  const std::string decided(proxy::to_string(record.decided_by));
  if (record.fault.length == 0) {
    return decided;
  }
  return fmt::format("{}fault:{}", decided == "-" ? "" : decided + ",", record.fault.view());
}

/// Of as many digits as say something.
std::string milliseconds(const Json& micros) {
  return micros.is_null() ? "-" : fmt::format("{:.3f}", micros.get<double>() / 1000);
}

constexpr const char* kColumns = "{:<27}  {:>6}  {:<9}  {:>11}  {:<24}  {:<21}  {:<21}  {:<24}  {}\n";

}  // namespace

Json as_json(const proxy::AccessRecord& record, std::chrono::system_clock::time_point began,
             const lb::Snapshot& snapshot) {
  const bool had_endpoint = record.attempts > 0;
  return {{"time", utc(began)},
          {"service", service_name(snapshot, record.service_slot)},
          {"client", lb::to_string(record.client, record.client_port)},
          {"address", lb::to_string(record.vip, record.vip_port)},
          {"method", record.method.view()},
          {"host", record.host.view()},
          {"path", record.path.view()},
          {"request_id", record.request_id.view()},
          {"route", record.route.view()},
          {"denied_by", record.policy.view()},
          {"dry_run_denied_by", record.dry_run_policy.view()},
          {"limited_by", record.limit.view()},
          {"signature", record.signature.view()},
          {"backend", service_name(snapshot, record.backend_slot)},
          {"endpoint", had_endpoint ? Json(lb::to_string(record.endpoint, record.endpoint_port)) : Json()},
          {"attempts", record.attempts},
          {"status", record.status == 0 ? Json() : Json(record.status)},
          {"flags", proxy::to_string(record.flags)},
          {"detail", detail_of(record)},
          {"fault", record.fault.view()},
          {"answered_by", record.status == 0 ? "nobody"
                          : record.local     ? "weft"
                                             : "endpoint"},
          {"duration_us", record.duration_us},
          {"first_byte_us", record.status == 0 ? Json() : Json(record.first_byte_us)},
          {"request_bytes", record.request_bytes},
          {"response_bytes", record.response_bytes}};
}

std::string access_heading() {
  return fmt::format(kColumns, "TIME", "STATUS", "FLAGS", "DURATION MS", "SERVICE", "CLIENT", "ENDPOINT", "ROUTE",
                     "REQUEST");
}

std::string access_line(const Json& request) {
  return fmt::format(
      kColumns, cell_of(request, "time"), cell_of(request, "status"), cell_of(request, "flags"),
      milliseconds(request["duration_us"]), cell_of(request, "service"), cell_of(request, "client"),
      cell_of(request, "endpoint"), cell_of(request, "route"),
      fmt::format("{} {}{}", cell_of(request, "method"), request["host"].get<std::string>(), cell_of(request, "path")));
}

}  // namespace weft::ops
