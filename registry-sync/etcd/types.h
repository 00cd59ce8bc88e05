// SPDX-License-Identifier: Apache-2.0
/// @file What etcd's clients say and are told. Values only.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <vector>

namespace weft::etcd {

struct Options {
  std::vector<std::string> endpoints;  ///< "http://HOST:PORT" or "https://HOST:PORT"; IPv6 in brackets
  std::string ca_file;                 ///< PEM; empty: the system's. Only for https, as the two below
  std::string cert_file;               ///< the client's own, PEM; with key_file
  std::string key_file;
  std::string user;  ///< empty: no authentication
  std::string password;
  /// What one member has to answer in. A call ends within this times the number of members, and once more if the
  /// token must be renewed.
  std::chrono::milliseconds timeout{2000};
};

/// What is wrong with options.
struct OptionError {
  std::string option;   ///< as the section registry.etcd calls it: "endpoints[1]", "ca"
  std::string message;  ///< with the value

  std::string text() const { return option + ": " + message; }
};

/// Of what can be told without asking anybody, the first thing that is wrong: endpoints, and the files, which are read.
tl::expected<void, OptionError> check(const Options& options);

struct Error {
  enum class Kind : uint8_t {
    unavailable,      ///< no member answers, or they have no leader: try again later
    deadline,         ///< none did in time; a write may have been done
    unauthenticated,  ///< wrong user or password
    denied,           ///< the user may not
    compacted,        ///< the revision is not kept any more: read again from the newest
    not_found,        ///< there is no such lease
    too_large,        ///< the answer is beyond kMaxMessageBytes (ask for less), or the request beyond etcd's own bound
    cancelled,        ///< shut_down() was called
    invalid,          ///< all else that etcd refuses
  };
  Kind kind = Kind::invalid;
  std::string message;
};
std::string_view to_string(Error::Kind kind);

template <class T>
using Result = tl::expected<T, Error>;

/// The largest answer that is taken. Of one value, etcd's own bound is 1.5 MiB unless it is started with another.
inline constexpr size_t kMaxMessageBytes = size_t{64} << 20;

struct KeyValue {
  std::string key;
  std::string value;
  int64_t create_revision = 0;
  int64_t mod_revision = 0;
  int64_t version = 0;
  int64_t lease = 0;  ///< 0: none

  bool operator==(const KeyValue&) const = default;
};

struct Range {
  std::vector<KeyValue> pairs;  ///< in the order of keys
  int64_t revision = 0;         ///< the store's, when it was read
  bool more = false;            ///< the limit cut it
  uint64_t cluster = 0;         ///< its id: of its first members' names and addresses, so a new one may have it again
  uint64_t term = 0;            ///< of its leader: grows with each election, and never falls
};

struct Event {
  bool deleted = false;
  KeyValue pair;  ///< of a deleted key: the key, and the revision of its deletion as mod_revision
};

/// Of one revision or of several whole ones, in order.
struct Batch {
  std::vector<Event> events;  ///< empty: the member says only that it is there
  int64_t revision = 0;       ///< the store's, as the member knows it
};

/// The end of the range of all keys with this prefix.
std::string prefix_end(std::string prefix);

}  // namespace weft::etcd
