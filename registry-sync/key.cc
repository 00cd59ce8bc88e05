// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/key.h"

#include <array>

#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

constexpr std::string_view kResources = "resources/";
constexpr std::string_view kEndpoints = "endpoints/";
constexpr size_t kMaxKeyBytes = 1024;

/// Three parts with "/" between; no value if there are more or fewer.
std::optional<std::array<std::string_view, 3>> three_parts(std::string_view text) {
  const size_t first = text.find('/');
  const size_t second = first == std::string_view::npos ? first : text.find('/', first + 1);
  if (second == std::string_view::npos || text.find('/', second + 1) != std::string_view::npos) {
    return std::nullopt;
  }
  return std::array{text.substr(0, first), text.substr(first + 1, second - first - 1), text.substr(second + 1)};
}

tl::unexpected<std::string> wrong(std::string_view part, std::string_view text, std::string_view expected) {
  return tl::make_unexpected(std::string(part) + ": expected " + std::string(expected) + ", got " + in_quotes(text));
}

constexpr std::string_view kLabel = "up to 63 of a-z, 0-9 and inner \"-\"";
constexpr std::string_view kName = "a DNS name of a-z, 0-9, \"-\" and \".\"";

}  // namespace

tl::expected<Key, std::string> parse_key(std::string_view key) {
  constexpr std::string_view kLayout =
      "expected /weft/v1/resources/KIND/NAMESPACE/NAME or /weft/v1/endpoints/NAMESPACE/SERVICE/ID";
  if (key.size() > kMaxKeyBytes) {
    return tl::make_unexpected("expected up to " + std::to_string(kMaxKeyBytes) + " bytes, got " +
                               std::to_string(key.size()));
  }
  if (!key.starts_with(kKeyPrefix)) {
    return tl::make_unexpected(std::string(kLayout));
  }
  key.remove_prefix(kKeyPrefix.size());
  const bool is_instance = key.starts_with(kEndpoints);
  if (!is_instance && !key.starts_with(kResources)) {
    return tl::make_unexpected(std::string(kLayout));
  }
  const auto parts = three_parts(key.substr(is_instance ? kEndpoints.size() : kResources.size()));
  if (!parts) {
    return tl::make_unexpected(std::string(kLayout));
  }
  const auto [first, second, third] = *parts;
  const std::string_view name_space = is_instance ? first : second;
  if (!is_label(name_space)) {
    return wrong("namespace", name_space, kLabel);
  }
  if (is_instance && !is_label(second)) {
    return wrong("service", second, kLabel);
  }
  if (!is_subdomain(third)) {
    return wrong(is_instance ? "id" : "name", third, kName);
  }
  return Key{.is_instance = is_instance,
             .kind = is_instance ? "" : std::string(first),
             .name_space = std::string(name_space),
             .service = is_instance ? std::string(second) : "",
             .name = std::string(third)};
}

std::string service_resource_key(const std::string& service_key) {
  return std::string(kKeyPrefix) + "resources/Service/" + service_key;
}

}  // namespace weft::registry
