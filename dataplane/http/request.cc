// SPDX-License-Identifier: Apache-2.0
#include "http/ascii_set.h"
#include "http/fields.h"
#include "http/target.h"
#include "lb/bytes.h"

namespace weft::http {
namespace {

/// What a target is made of: every visible character but "#", as a fragment is never sent (RFC 9112, section 3.2.1).
/// More than RFC 3986 has, since clients send "[", "|" and the like as they are; all readers end a target at the same
/// byte.
constexpr AsciiSet kTarget("!\"$~", "");

constexpr size_t kVersionLength = 8;
constexpr size_t kShortest = sizeof("G / HTTP/1.1") - 1;  // of request lines

constexpr uint64_t word(std::string_view text) {
  uint64_t word = 0;
  for (size_t i = 0; i < text.size(); ++i) {
    word |= uint64_t{static_cast<uint8_t>(text[i])} << (8 * i);
  }
  return word;
}

/// Precondition: at least 8 bytes may be read.
Method method_of(std::string_view method) {
  uint64_t bytes;
  std::memcpy(&bytes, method.data(), sizeof(bytes));
  if (method.size() >= sizeof(bytes)) {
    return Method::other;
  }
  switch (bytes & ((uint64_t{1} << (8 * method.size())) - 1)) {
    case word("GET"):
      return Method::get;
    case word("HEAD"):
      return Method::head;
    case word("POST"):
      return Method::post;
    case word("PUT"):
      return Method::put;
    case word("DELETE"):
      return Method::delete_;
    case word("CONNECT"):
      return Method::connect;
    case word("OPTIONS"):
      return Method::options;
    case word("TRACE"):
      return Method::trace;
    case word("PATCH"):
      return Method::patch;
    default:
      return Method::other;
  }
}

/// A request line that does not end with a target, a space, and a version of HTTP/1.
[[gnu::cold]] Defect wrong_version(std::string_view line) {
  const size_t space = line.rfind(' ');
  const std::string_view version = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  const auto is_digit = [](char c) { return c >= '0' && c <= '9'; };
  const bool is_version = version.size() == kVersionLength && version.starts_with("HTTP/") && is_digit(version[5]) &&
                          version[6] == '.' && is_digit(version[7]) && version != "HTTP/1.0" && version != "HTTP/1.1";
  return is_version ? Defect::version : Defect::request_line;
}

/// Whether it was the target that made a head too long.
[[gnu::cold]] Defect too_long(std::string_view bytes, const Limits& limits) {
  const size_t line = std::min(bytes.find('\n'), bytes.size());
  const size_t method = std::min(bytes.find(' '), line);
  return line - method > limits.target + kVersionLength + 3 ? Defect::target_too_long : Defect::head_too_long;
}

/// @param bytes the whole head
Defect read_request_line(std::string_view bytes, std::string_view line, const Limits& limits, RequestHead& head) {
  const size_t method = kToken.span(line, bytes);
  if (line.size() < kShortest || method == 0 || line[method] != ' ') [[unlikely]] {
    return Defect::request_line;
  }
  uint64_t version;
  std::memcpy(&version, line.data() + line.size() - kVersionLength, sizeof(version));
  if ((version != word("HTTP/1.1") && version != word("HTTP/1.0")) || method + 2 + kVersionLength >= line.size() ||
      line[line.size() - kVersionLength - 1] != ' ') [[unlikely]] {
    return wrong_version(line);
  }
  head.minor_version = version == word("HTTP/1.1") ? 1 : 0;
  head.view.method = line.substr(0, method);
  head.method = method_of(head.view.method);
  head.target = line.substr(method + 1, line.size() - method - 2 - kVersionLength);
  const size_t legal = kTarget.span(head.target, bytes);
  if (legal < head.target.size()) [[unlikely]] {
    return head.target[legal] == ' ' ? Defect::request_line : Defect::target;
  }
  return head.target.size() > limits.target ? Defect::target_too_long : Defect::none;
}

/// RFC 9112, section 3.2: HTTP/1.1 has exactly one, whatever the target says. The target's authority wins (3.2.2).
Defect read_host(std::string_view bytes, uint64_t repeated, RequestHead& head) {
  const lb::HttpField* host = head.fields.find(Name::host);
  if (host == nullptr) {
    return head.minor_version == 0 ? Defect::none : Defect::host;
  }
  const size_t length = length_of_host(host->value, bytes, PortIs::optional);
  if (length == 0 || (repeated & bit_of(Name::host)) != 0) [[unlikely]] {
    return Defect::host;
  }
  if (head.authority.empty()) {
    set_authority(host->value, length, bytes, head);
  }
  return Defect::none;
}

/// A CONNECT has no content (RFC 9110, section 9.3.6): one that says it has is read either way by others.
Defect read_body(uint64_t repeated, RequestHead& head) {
  const Defect defect = read_framing(head.fields, repeated, head.minor_version, head.body);
  if (defect == Defect::none && head.method == Method::connect) [[unlikely]] {
    if (head.body.kind == Framing::Kind::chunked) {
      return Defect::transfer_encoding;
    }
    if (head.body.length > 0) {
      return Defect::content_length;
    }
    head.body = {};
  }
  return defect;
}

/// In clear text (RFC 7540, section 3.2, which RFC 9113 has dropped): whatever followed would be requests that no rule
/// has seen. Who asks for it may be answered in HTTP/1.1.
[[gnu::cold]] bool asks_for_http2(const Fields& fields) {
  for (size_t i = 0; i < fields.size(); ++i) {
    if (fields.name(i) == Name::upgrade) {
      for (std::string_view list = fields[i].value; !list.empty();) {
        if (lb::same_name(take_element(list), "h2c")) {
          return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

Defect parse_request(std::string_view bytes, const Limits& limits, RequestHead& head) {
  if (bytes.size() > std::min<size_t>(limits.head, kMaxHead)) [[unlikely]] {
    return too_long(bytes, limits);
  }
  Lines lines;
  if (!lines.scan(bytes)) [[unlikely]] {
    return wrong_byte(bytes, Defect::request_line);
  }
  if (bytes.size() < 4 || !bytes.ends_with("\r\n\r\n")) [[unlikely]] {
    return Defect::request_line;
  }
  const size_t line_end = lines.next();
  head.authority = head.view.host = {};
  Defect defect = read_request_line(bytes, bytes.substr(0, line_end - 1), limits, head);
  if (defect == Defect::none) {
    defect = read_target(head);
  }
  if (defect != Defect::none) [[unlikely]] {
    return defect;
  }
  head.fields.clear();
  uint64_t repeated = 0;
  defect = read_fields(bytes, lines, line_end + 1, limits, head.fields, repeated);
  if (defect == Defect::none) {
    defect = read_host(bytes, repeated, head);
  }
  if (defect == Defect::none) {
    defect = read_body(repeated, head);
  }
  ConnectionOptions connection;
  if (defect == Defect::none) {
    defect = read_connection(head.fields, repeated, connection);
  }
  if (defect != Defect::none) [[unlikely]] {
    return defect;
  }
  head.view.fields = head.fields.all();
  head.keep_alive = connection.persists(head.minor_version);
  head.upgrades =
      connection.upgrade && head.fields.has(Name::upgrade) && head.minor_version > 0 && !asks_for_http2(head.fields);
  // RFC 9110, section 10.1.1: HTTP/1.0 has no 100 (Continue), and other expectations are not weft's.
  head.expects_continue = head.fields.has(Name::expect) && head.minor_version > 0 &&
                          is_word(head.fields.find(Name::expect)->value, "100-continue");
  return Defect::none;
}

}  // namespace weft::http
