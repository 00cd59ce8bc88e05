// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/request.h"

#include <nlohmann/json.hpp>

#include "registry-sync/yaml_fields.h"

namespace weft::rehearsal {
namespace {

/// "2026-11-30T12:17:40.769779Z"
std::optional<Moment> read_moment(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00T00:00:00.000000Z";
  if (text.size() != kForm.size()) {
    return std::nullopt;
  }
  int64_t numbers[7] = {};
  size_t at = 0;
  for (size_t i = 0; i < kForm.size(); ++i) {
    if (kForm[i] != '0') {
      if (text[i] != kForm[i]) {
        return std::nullopt;
      }
      ++at;
    } else if (text[i] < '0' || text[i] > '9') {
      return std::nullopt;
    } else {
      numbers[at] = numbers[at] * 10 + (text[i] - '0');
    }
  }
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(numbers[0])),
                                        std::chrono::month(static_cast<unsigned>(numbers[1])),
                                        std::chrono::day(static_cast<unsigned>(numbers[2])));
  if (!day.ok()) {
    return std::nullopt;
  }
  return std::chrono::sys_days(day) + std::chrono::hours(numbers[3]) + std::chrono::minutes(numbers[4]) +
         std::chrono::seconds(numbers[5]) + std::chrono::microseconds(numbers[6]);
}

/// "10.0.0.1:80" or "[fd00::1]:80"
std::optional<lb::Address> address_of(std::string_view text) {
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) {
    return std::nullopt;
  }
  text = text.substr(0, colon);
  if (text.starts_with('[') && text.ends_with(']')) {
    text = text.substr(1, text.size() - 2);
  }
  return lb::parse_address(text);
}

/// @param list "UF,URX"
bool has_part(std::string_view list, std::string_view part) {
  for (;;) {
    const size_t comma = list.find(',');
    if (list.substr(0, comma) == part) {
      return true;
    }
    if (comma == std::string_view::npos) {
      return false;
    }
    list.remove_prefix(comma + 1);
  }
}

}  // namespace

bool Request::has_flag(std::string_view flag) const {
  return has_part(flags, flag);
}

bool Request::has_detail(std::string_view wanted) const {
  return detail == wanted || has_part(detail, wanted);
}

std::optional<std::variant<Request, Missed, Followed, Over>> read_access_line(std::string_view line) {
  const nlohmann::json read = nlohmann::json::parse(line, nullptr, false);
  if (!read.is_object()) {
    return std::nullopt;
  }
  if (read.contains("following")) {
    return Followed{};
  }
  if (read.contains("ended_by")) {
    return Over{};
  }
  if (read.contains("missed")) {
    return Missed{read.value("missed", uint64_t{0})};
  }
  try {
    const std::optional<Moment> began = read_moment(read.at("time").get_ref<const std::string&>());
    const std::optional<lb::Address> client = address_of(read.at("client").get_ref<const std::string&>());
    if (!began || !client) {
      return std::nullopt;
    }
    const auto& status = read.at("status");
    return Request{.began = *began,
                   .duration = std::chrono::microseconds(read.at("duration_us").get<int64_t>()),
                   .service = read.at("service").get<std::string>(),
                   .client = *client,
                   .status = status.is_null() ? uint16_t{0} : status.get<uint16_t>(),
                   .attempts = read.at("attempts").get<uint32_t>(),
                   .flags = read.at("flags").get<std::string>(),
                   .detail = read.at("detail").get<std::string>(),
                   .fault = read.value("fault", ""),
                   .answered_by = read.at("answered_by").get<std::string>(),
                   .denied = !read.value("denied_by", "").empty()};
  } catch (const nlohmann::json::exception&) {
    return std::nullopt;
  }
}

}  // namespace weft::rehearsal
