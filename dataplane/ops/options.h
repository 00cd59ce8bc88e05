// SPDX-License-Identifier: Apache-2.0
/// @file The words of commands that take options before a filter.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <tl/expected.hpp>

#include "ops/show.h"

namespace weft::ops {

/// Reads words from the front; what is left is the filter.
class Options {
 public:
  explicit Options(const Words& words) : words_(words) {}

  /// Takes the next word if it is this one.
  bool take(std::string_view word);
  /// Takes "<word> <number>" if the next word is this one. A bad number is remembered as the error.
  std::optional<int64_t> number_after(std::string_view word, int64_t least, int64_t most);
  /// Takes "for <seconds>", such as "for 10" or "for 10s".
  std::optional<std::chrono::seconds> duration();
  /// A service's name; empty: there is none. Of a Gateway's both words: a service that is called gateway is asked for
  /// as default/gateway where more words follow.
  std::string service();
  std::string rest() const;
  const std::string& error() const { return error_; }

 private:
  const Words& words_;
  size_t at_ = 0;
  std::string error_;
};

}  // namespace weft::ops
