// SPDX-License-Identifier: Apache-2.0
#include "registry-sync/parse_http_values.h"

#include <algorithm>
#include <stdexcept>
#include <unordered_set>

#include "lb/expressions.h"
#include "lb/hex.h"
#include "registry-sync/ascii.h"
#include "registry-sync/parse_kinds.h"

namespace weft::registry {
namespace {

bool is_alphanumeric(char c) {
  return is_digit(c) || is_letter(c);
}

bool is_one_of(char c, std::string_view characters) {
  return characters.find(c) != std::string_view::npos;
}

/// RFC 3986's path characters, as the CRD has them: each percent sign with two digits behind it.
bool has_path_characters(std::string_view path) {
  for (size_t i = 0; i < path.size(); ++i) {
    if (path[i] == '%') {
      if (i + 2 >= path.size() || lb::hex_value_of(path[i + 1]) < 0 || lb::hex_value_of(path[i + 2]) < 0) {
        return false;
      }
      i += 2;
    } else if (!is_alphanumeric(path[i]) && !is_one_of(path[i], "-/._~!$&'()*+,;=:@")) {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string in_lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(),
                 [](char c) { return static_cast<char>(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c); });
  return text;
}

void check_count(Fields& fields, std::string_view key, size_t count, size_t most) {
  if (count > most) {
    fields.error(key, "expected at most " + std::to_string(most) + " items, got " + std::to_string(count));
  }
}

void check_length(Fields& fields, std::string_view key, std::string_view text, size_t most) {
  if (text.size() > most) {
    fields.error(key, "expected at most " + std::to_string(most) + " characters, got " + std::to_string(text.size()));
  }
}

void check_field_name(Fields& fields, std::string_view key, std::string_view name) {
  const bool token = std::all_of(name.begin(), name.end(),
                                 [](char c) { return is_alphanumeric(c) || is_one_of(c, "!#$%&'*+-.^_`|~"); });
  if (!token) {
    fields.error(key, "expected a token of letters, digits and !#$%&'*+-.^_`|~ (RFC 9110, section 5.6.2), got " +
                          in_quotes(name));
  }
  check_length(fields, key, name, 256);
}

void check_field_value(Fields& fields, std::string_view key, std::string_view value) {
  constexpr size_t kMost = 4096;
  const auto is_blank = [](char c) { return c == ' ' || c == '\t'; };
  bool good = value.empty() || (!is_blank(value.front()) && !is_blank(value.back()));
  for (size_t i = 0; i < value.size(); ++i) {
    good &= (value[i] > 0x20 && value[i] < 0x7f) || (is_blank(value[i]) && (i == 0 || !is_blank(value[i - 1])));
  }
  if (!good) {
    fields.error(key, "expected printable ASCII with single blanks within at most, got " + in_quotes(value));
  }
  check_length(fields, key, value, kMost);
}

void check_hostname(Fields& fields, std::string_view key, std::string_view name, Wildcard wildcard) {
  if (lb::parse_address(name)) {
    fields.error(key, "expected a DNS name, got the address " + in_quotes(name));
    return;
  }
  const bool wild = name.starts_with("*.");
  if (wild && wildcard == Wildcard::refused) {
    fields.error(key, "expected a DNS name without a wildcard, got " + in_quotes(name));
    return;
  }
  if (name == "*." || !is_subdomain(wild ? name.substr(2) : name) || name.size() > 253) {
    fields.error(key, std::string("expected a DNS name of a-z, 0-9, \"-\" and \".\"") +
                          (wildcard == Wildcard::allowed ? ", with \"*.\" in front or not" : "") + ", got " +
                          in_quotes(name));
  }
}

void check_path(Fields& fields, std::string_view key, std::string_view path) {
  constexpr size_t kMost = 1024;
  check_length(fields, key, path, kMost);
  if (!path.starts_with('/')) {
    fields.error(key, "expected a path that begins with \"/\", got " + in_quotes(path));
    return;
  }
  for (const std::string_view part : {"//", "/./", "/../", "%2f", "%2F", "#"}) {
    if (path.find(part) != std::string_view::npos) {
      fields.error(key, "expected a path without " + in_quotes(part) + ", got " + in_quotes(path));
      return;
    }
  }
  for (const std::string_view end : {"/.", "/.."}) {
    if (path.ends_with(end)) {
      fields.error(key, "expected a path that does not end with " + in_quotes(end) + ", got " + in_quotes(path));
      return;
    }
  }
  if (!has_path_characters(path)) {
    fields.error(key, "expected a path of letters, digits, -/._~!$&'()*+,;=:@ and %XX, got " + in_quotes(path));
  }
}

std::optional<std::chrono::milliseconds> parse_duration(std::string_view text) {
  constexpr int kMostParts = 4;
  constexpr size_t kMostDigits = 5;
  int64_t sum = 0;
  int parts = 0;
  while (!text.empty()) {
    const size_t digits = static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_digit) - text.begin());
    if (digits == 0 || digits > kMostDigits || ++parts > kMostParts) {
      return std::nullopt;
    }
    const int64_t number = std::stoll(std::string(text.substr(0, digits)));
    text.remove_prefix(digits);
    const size_t letters = text.starts_with("ms") ? 2 : 1;
    const int64_t unit = text.starts_with("ms")  ? 1
                         : text.starts_with('s') ? 1000
                         : text.starts_with('m') ? 60'000
                         : text.starts_with('h') ? 3'600'000
                                                 : 0;
    if (unit == 0) {
      return std::nullopt;
    }
    sum += number * unit;
    text.remove_prefix(letters);
  }
  return parts == 0 ? std::nullopt : std::optional(std::chrono::milliseconds(sum));
}

std::optional<std::chrono::milliseconds> duration(Fields& fields, std::string_view key) {
  const std::optional<std::string> text = fields.string(key);
  if (!text) {
    return std::nullopt;
  }
  const std::optional<std::chrono::milliseconds> value = parse_duration(*text);
  if (!value) {
    fields.error(key,
                 "expected a duration of up to four numbers of up to five digits, each with h, m, s or ms, such "
                 "as 1m30s, got " +
                     in_quotes(*text));
  }
  return value;
}

std::string expression_problem(const std::string& expression) {
  // Those that this thread has compiled: a file that is edited brings all others of its own along.
  constexpr size_t kMostBytes = size_t{4} << 20;
  thread_local std::unordered_set<std::string> sound;
  thread_local size_t bytes = 0;
  if (sound.contains(expression)) {
    return "";
  }
  const std::string prefix = "regular expression \"" + expression + "\" of it: ";
  try {
    const lb::Expressions compiled(std::vector<lb::Expressions::Expression>{{.text = expression, .owner = "it"}});
    if (bytes > kMostBytes) {
      sound.clear();
      bytes = 0;
    }
    bytes += expression.size();
    sound.insert(expression);
    return "";
  } catch (const std::invalid_argument& error) {
    const std::string what = error.what();
    return what.starts_with(prefix) ? what.substr(prefix.size()) : what;
  }
}

}  // namespace weft::registry
