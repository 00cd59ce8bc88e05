// SPDX-License-Identifier: Apache-2.0
/// @file Heads for tests: bytes whose heap block ends with them, so that sanitizers see one byte beyond.
#pragma once

#include <algorithm>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>

#include "http/http1.h"

namespace weft::http {

inline std::ostream& operator<<(std::ostream& out, Defect defect) {
  return out << to_string(defect);
}

namespace test {

class Exact {
 public:
  explicit Exact(std::string_view bytes) : block_(new char[bytes.size()]), size_(bytes.size()) {
    std::copy(bytes.begin(), bytes.end(), block_.get());
  }
  std::string_view view() const { return {block_.get(), size_}; }

 private:
  std::unique_ptr<char[]> block_;
  size_t size_;
};

/// Parses a request, and keeps what its head's views point into.
struct Request {
  explicit Request(std::string_view text, const Limits& limits = {})
      : bytes(text), defect(parse_request(bytes.view(), limits, *head)) {}

  std::unique_ptr<RequestHead> head = std::make_unique<RequestHead>();
  Exact bytes;
  Defect defect;
};

struct Response {
  explicit Response(std::string_view text, const Limits& limits = {})
      : bytes(text), defect(parse_response(bytes.view(), limits, *head)) {}

  std::unique_ptr<ResponseHead> head = std::make_unique<ResponseHead>();
  Exact bytes;
  Defect defect;
};

/// A request of HTTP/1.1 with these lines behind its Host, each with its end.
inline std::string with_fields(std::string_view lines, std::string_view first = "POST / HTTP/1.1") {
  return std::string(first) + "\r\nHost: a\r\n" + std::string(lines) + "\r\n";
}

}  // namespace test
}  // namespace weft::http
