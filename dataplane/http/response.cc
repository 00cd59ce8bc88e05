// SPDX-License-Identifier: Apache-2.0
#include "http/fields.h"

namespace weft::http {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

/// "HTTP/1.1 200 OK" (RFC 9112, section 4). Senders leave out the reason, and the space before it.
Defect read_status_line(std::string_view line, ResponseHead& head) {
  if (line.size() < 8 || !line.starts_with("HTTP/") || !is_digit(line[5]) || line[6] != '.' || !is_digit(line[7])) {
    return Defect::status_line;
  }
  if (line[5] != '1' || line[7] > '1') {
    return Defect::version;
  }
  if (line.size() < 12 || line[8] != ' ' || line[9] < '1' || line[9] > '9' || !is_digit(line[10]) ||
      !is_digit(line[11]) || (line.size() > 12 && line[12] != ' ')) {
    return Defect::status_line;
  }
  head.minor_version = line[7] == '1' ? 1 : 0;
  head.status = static_cast<uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  head.reason = line.size() > 13 ? line.substr(13) : std::string_view();
  return Defect::none;
}

/// What the status says of the body (RFC 9112, section 6.3). 304 has none, and may say how long it would be. 1xx and
/// 204 have none and must not say otherwise (section 6.1; RFC 9110, section 8.6): of those that do, readers differ, and
/// what follows may be a body or the next response.
Defect settle_body(ResponseHead& head) {
  if (head.status < 200 || head.status == 204) {
    if (head.body.kind == Framing::Kind::chunked) {
      return Defect::transfer_encoding;
    }
    if (head.body.length > 0) {
      return Defect::content_length;
    }
    head.body = {};
  } else if (head.status == 304) {
    head.body = {};
  } else if (head.body.kind == Framing::Kind::none) {
    head.body.kind = Framing::Kind::close;
  }
  return Defect::none;
}

}  // namespace

Defect parse_response(std::string_view bytes, const Limits& limits, ResponseHead& head) {
  if (bytes.size() > std::min<size_t>(limits.head, kMaxHead)) [[unlikely]] {
    return Defect::head_too_long;
  }
  Lines lines;
  if (!lines.scan(bytes)) [[unlikely]] {
    return wrong_byte(bytes, Defect::status_line);
  }
  if (bytes.size() < 4 || !bytes.ends_with("\r\n\r\n")) [[unlikely]] {
    return Defect::status_line;
  }
  const size_t line_end = lines.next();
  head.fields.clear();
  uint64_t repeated = 0;
  Defect defect = read_status_line(bytes.substr(0, line_end - 1), head);
  if (defect == Defect::none) {
    defect = read_fields(bytes, lines, line_end + 1, limits, head.fields, repeated);
  }
  if (defect == Defect::none) {
    defect = read_framing(head.fields, repeated, head.minor_version, head.body);
  }
  if (defect == Defect::none) {
    defect = settle_body(head);
  }
  ConnectionOptions connection;
  if (defect == Defect::none) {
    defect = read_connection(head.fields, repeated, connection);
  }
  if (defect != Defect::none) [[unlikely]] {
    return defect;
  }
  head.keep_alive = connection.persists(head.minor_version);
  head.upgrades = connection.upgrade && head.fields.has(Name::upgrade) && head.minor_version > 0;
  return Defect::none;
}

}  // namespace weft::http
