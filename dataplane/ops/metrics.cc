// SPDX-License-Identifier: Apache-2.0
#include "ops/metrics.h"

#include <fmt/format.h>

#include <cmath>

namespace weft::ops {
namespace {

/// @param quote is one to be escaped: in labels' values, but not in help
void append_escaped(std::string& text, std::string_view raw, bool quote) {
  for (const char each : raw) {
    if (each == '\\') {
      text += "\\\\";
    } else if (each == '\n') {
      text += "\\n";
    } else if (each == '"' && quote) {
      text += "\\\"";
    } else {
      text += each;
    }
  }
}

}  // namespace

Metrics& Metrics::begin(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  text_ += "# HELP " + name_ + " ";
  append_escaped(text_, help, false);
  text_ += fmt::format("\n# TYPE {} {}\n", name_, type);
  return *this;
}

Metrics& Metrics::add(double value, Labels labels) {
  if (std::isnan(value)) {
    return sample("NaN", labels);
  }
  if (std::isinf(value)) {
    return sample(value > 0 ? "+Inf" : "-Inf", labels);
  }
  return sample(fmt::format("{}", value), labels);
}

Metrics& Metrics::sample(std::string_view value, Labels labels) {
  text_ += name_;
  char before = '{';
  for (const auto& [name, content] : labels) {
    text_ += before;
    text_ += name;
    text_ += "=\"";
    append_escaped(text_, content, true);
    text_ += '"';
    before = ',';
  }
  text_ += before == ',' ? "} " : " ";
  text_ += value;
  text_ += '\n';
  return *this;
}

}  // namespace weft::ops
