// SPDX-License-Identifier: Apache-2.0
/// @file Heads of HTTP messages, as they were read: the model that all versions of HTTP are read into.
///
/// Views point into the bytes that the head was read from, which stay where they are while the head is looked at.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "lb/http_request.h"

namespace weft::http {

/// Fields that weft itself acts on.
enum class Name : uint8_t {
  other,
  connection,
  content_length,
  expect,
  host,
  keep_alive,
  proxy_connection,
  te,
  trailer,
  transfer_encoding,
  upgrade,
  cookie,
  date,
  server,
  traceparent,
  tracestate,
  via,
  x_forwarded_for,
  x_forwarded_host,
  x_forwarded_proto,
  x_request_id,
  origin,
  access_control_request_method,
  access_control_request_headers,
  set_cookie,
  location,
};
constexpr size_t kNames = static_cast<size_t>(Name::location) + 1;
/// Without regard to case. Precondition: a token.
Name name_of(std::string_view name);

constexpr size_t kMaxFields = 128;  ///< what a head has room for; Limits may be lower

/// The fields of one head, in their order.
class Fields {
 public:
  size_t size() const { return size_; }
  const lb::HttpField& operator[](size_t i) const { return fields_[i]; }
  Name name(size_t i) const { return names_[i]; }
  std::span<const lb::HttpField> all() const { return {fields_.data(), size_}; }
  /// Null: there is none. The first of them.
  const lb::HttpField* find(Name name) const {
    return has(name) ? &fields_[first_[static_cast<size_t>(name)]] : nullptr;
  }
  bool has(Name name) const { return (seen_ >> static_cast<unsigned>(name) & 1) != 0; }

  void clear() {
    size_ = 0;
    seen_ = 0;
  }
  /// @returns false: full
  bool add(Name name, std::string_view field, std::string_view value) {
    if (size_ == kMaxFields) {
      return false;
    }
    uint8_t& first = first_[static_cast<size_t>(name)];
    first = has(name) ? first : static_cast<uint8_t>(size_);
    fields_[size_] = {field, value};
    names_[size_++] = name;
    seen_ |= uint64_t{1} << static_cast<unsigned>(name);
    return true;
  }

 private:
  std::array<lb::HttpField, kMaxFields> fields_;
  std::array<Name, kMaxFields> names_;
  std::array<uint8_t, kNames> first_;  ///< of each name that is there, its place
  size_t size_ = 0;
  uint64_t seen_ = 0;  ///< names, a bit each
};

/// How a body ends (RFC 9112, section 6.3).
struct Framing {
  enum class Kind : uint8_t {
    none,    ///< there is none
    length,  ///< after so many bytes
    chunked,
    close,  ///< with the connection: of responses alone
  };
  Kind kind = Kind::none;
  uint64_t length = 0;
};

enum class Method : uint8_t { other, get, head, post, put, delete_, connect, options, trace, patch };
/// RFC 9110, section 9.2.2: done twice, it is as if it were done once.
constexpr bool is_idempotent(Method method) {
  return method != Method::other && method != Method::post && method != Method::connect && method != Method::patch;
}

struct RequestHead {
  lb::HttpRequest view;  ///< its fields are `fields`
  Method method = Method::other;
  std::string_view target;     ///< as it came
  std::string_view authority;  ///< as it came, with its port: the target's in absolute and authority form, else Host's
  uint8_t minor_version = 1;
  bool keep_alive = true;
  bool expects_continue = false;
  bool upgrades = false;  ///< Upgrade, and Connection says so
  Framing body;
  Fields fields;
  static constexpr size_t kMaxHost = 256;
  std::array<char, kMaxHost> host;  ///< what view.host points to if it had to be made lower case
};

struct ResponseHead {
  uint16_t status = 0;
  std::string_view reason;
  uint8_t minor_version = 1;
  bool keep_alive = true;  ///< by version and Connection; a body that ends with the connection ends it too
  bool upgrades = false;
  Framing body;  ///< by the head alone; responses to HEAD and CONNECT have none (see framing_of)
  Fields fields;
};

}  // namespace weft::http
