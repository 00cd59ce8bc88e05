// SPDX-License-Identifier: Apache-2.0
#include "rehearsal/parse_parts.h"

#include <charconv>

#include "registry-sync/parse_http_values.h"

namespace weft::rehearsal {

std::string in_words(Millis time) {
  return time.count() % 1000 == 0 ? std::to_string(time.count() / 1000) + "s" : std::to_string(time.count()) + "ms";
}

std::optional<Millis> duration_within(registry::Fields& fields, std::string_view key, Millis least, Millis most) {
  const std::optional<Millis> value = registry::duration(fields, key);
  if (value && (*value < least || *value > most)) {
    fields.error(key, "expected " + in_words(least) + " to " + in_words(most) + ", got " +
                          registry::in_quotes(fields.text(key)));
    return std::nullopt;
  }
  return value;
}

std::optional<double> decimal(registry::Fields& fields, std::string_view key, double least, double most) {
  fields.ignore({key});
  if (!fields.has(key)) {
    return std::nullopt;
  }
  const std::string text = fields.text(key);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= least && value <= most)) {
    const auto shown = [](double number) {
      std::string digits = std::to_string(number);
      digits.erase(digits.find_last_not_of('0') + 1);
      return digits.ends_with('.') ? digits.substr(0, digits.size() - 1) : digits;
    };
    fields.error(
        key, "expected a number from " + shown(least) + " to " + shown(most) + ", got " + registry::in_quotes(text));
    return std::nullopt;
  }
  return value;
}

}  // namespace weft::rehearsal
