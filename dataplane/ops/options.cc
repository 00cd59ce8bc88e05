// SPDX-License-Identifier: Apache-2.0
#include "ops/options.h"

#include <fmt/format.h>

#include "registry-sync/diagnostic.h"
#include "registry-sync/yaml_fields.h"

namespace weft::ops {
namespace {

constexpr int64_t kLongest = 3600;  // seconds

}  // namespace

bool Options::take(std::string_view word) {
  const bool taken = at_ < words_.size() && words_[at_] == word;
  at_ += taken ? 1 : 0;
  return taken;
}

std::optional<int64_t> Options::number_after(std::string_view word, int64_t least, int64_t most) {
  if (!take(word)) {
    return std::nullopt;
  }
  std::string text = at_ < words_.size() ? words_[at_++] : "";
  if (word == "for" && text.ends_with('s')) {
    text.pop_back();
  }
  const auto number = registry::parse_integer(text, least, most);
  if (!number) {
    error_ = fmt::format("{}: expected a number from {} to {}, got {}", word, least, most, registry::in_quotes(text));
  }
  return number;
}

std::optional<std::chrono::seconds> Options::duration() {
  const auto seconds = number_after("for", 1, kLongest);
  return seconds ? std::optional(std::chrono::seconds(*seconds)) : std::nullopt;
}

std::string Options::service() {
  const std::string gateway = at_ + 1 < words_.size() && take("gateway") ? "gateway " : "";
  return gateway + (at_ < words_.size() ? words_[at_++] : "");
}

std::string Options::rest() const {
  std::string text;
  for (size_t i = at_; i < words_.size(); ++i) {
    text += (text.empty() ? "" : " ") + words_[i];
  }
  return text;
}

}  // namespace weft::ops
