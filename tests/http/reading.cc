// SPDX-License-Identifier: Apache-2.0
#include "reading.h"

#include <algorithm>
#include <cctype>

namespace weft::http::test {
namespace {

bool has_field(const Message& message, std::string_view lower_case) {
  return std::any_of(message.fields.begin(), message.fields.end(), [&](const auto& field) {
    return field.first.size() == lower_case.size() &&
           std::equal(lower_case.begin(), lower_case.end(), field.first.begin(),
                      [](char a, char b) { return a == std::tolower(b); });
  });
}

std::string difference(const Message& weft, const Message& other) {
  const auto differ = [](const char* what, const auto& ours, const auto& theirs) {
    if constexpr (requires { std::to_string(ours); }) {
      return std::string(what) + ": weft " + std::to_string(ours) + ", other " + std::to_string(theirs);
    } else {
      return std::string(what) + ": weft \"" + ours + "\", other \"" + theirs + '"';
    }
  };
  if (weft.method != other.method) {
    return differ("method", weft.method, other.method);
  }
  if (weft.target != other.target) {
    return differ("target", weft.target, other.target);
  }
  if (weft.status != other.status) {
    return differ("status", weft.status, other.status);
  }
  if (weft.minor_version != other.minor_version) {
    return differ("version", weft.minor_version, other.minor_version);
  }
  if (weft.fields.size() != other.fields.size()) {
    return differ("number of fields", weft.fields.size(), other.fields.size());
  }
  for (size_t i = 0; i < weft.fields.size(); ++i) {
    if (weft.fields[i] != other.fields[i]) {
      return differ("field", weft.fields[i].first + ": " + weft.fields[i].second,
                    other.fields[i].first + ": " + other.fields[i].second);
    }
  }
  if (weft.is_chunked != other.is_chunked) {
    return differ("chunked", weft.is_chunked, other.is_chunked);
  }
  if (weft.length != other.length) {
    return differ("length", weft.length, other.length);
  }
  if (weft.ends_with_connection != other.ends_with_connection) {
    return differ("ends with the connection", weft.ends_with_connection, other.ends_with_connection);
  }
  // weft may close where another goes on. Proxy-Connection, which llhttp obeys, is nobody's (RFC 9112, appendix C.2.2).
  if (weft.keeps_alive && !other.keeps_alive && !has_field(weft, "proxy-connection")) {
    return differ("keeps alive", weft.keeps_alive, other.keeps_alive);
  }
  if (weft.body != other.body) {
    return differ("body", weft.body, other.body);
  }
  if (weft.is_whole != other.is_whole) {
    return differ("whole", weft.is_whole, other.is_whole);
  }
  return weft.end == other.end ? "" : differ("end", weft.end, other.end);
}

}  // namespace

std::string difference(const Reading& weft, const Reading& other) {
  for (size_t i = 0; i < weft.messages.size(); ++i) {
    // A message that weft began to relay and then refused in its chunks is cut off: nobody acts on it.
    if (i + 1 == weft.messages.size() && !weft.error.empty() && !weft.messages[i].is_whole) {
      break;
    }
    if (i == other.messages.size()) {
      return "message " + std::to_string(i) + " is refused by the other: " + other.error;
    }
    const std::string found = difference(weft.messages[i], other.messages[i]);
    if (!found.empty()) {
      return "message " + std::to_string(i) + ": " + found;
    }
    if (!weft.messages[i].is_whole && !other.error.empty()) {
      return "message " + std::to_string(i) + " has a body that the other refuses: " + other.error;
    }
  }
  return "";
}

std::string difference_from_llhttp(std::string_view stream, Side side) {
  const std::string comparable = side == Side::request ? with_known_methods(stream) : std::string(stream);
  return difference(weft_reading(comparable, side), llhttp_reading(comparable, side));
}

}  // namespace weft::http::test
