// SPDX-License-Identifier: Apache-2.0
/// @file Limits of the rate of requests, held by all workers of a node together, with an atomic a chunk of tokens.
///
/// A limit is a token bucket: so many at once, and so many a time after that; all requests of a service share it, or
/// those alike in a header's value or in who asks each have one. SharedRates keeps the buckets as GCRA does (ITU-T
/// I.371): each is one number, the time at which it will be full again. A worker takes a chunk of tokens there, a
/// sixteenth of its share of the burst, and counts for itself until they are used; and if there are none, it does not
/// look again before there may be. What workers may hold is left out of the bucket, so no more pass than the limit
/// says. Fewer may: a sixteenth of the burst can lie with workers that have no use for it. A burst of less than 16 for
/// each worker is exact: its chunk is one token, and each that passes is an atomic.
///
/// A bucket that is full is forgotten for another. Where more are in use than there is room for, several share one: a
/// flood of values makes limits tighter, never looser.
///
/// Time is an argument, in nanoseconds from any zero; it is kept in sixteenths of a microsecond, of which intervals are
/// the next whole number. No allocation after construction.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "lb/address.h"
#include "lb/caller_table.h"
#include "lb/http_request.h"

namespace weft::lb {

struct RequestRate {
  uint64_t interval_ns = 0;  ///< from one token to the next; at least kLeastInterval
  uint32_t burst = 1;        ///< how many there may be at once, at least 1

  static constexpr uint64_t kLeastInterval = 1000;
  static constexpr uint64_t kMostTime = uint64_t{24} * 3600 * 1'000'000'000;  ///< of burst and interval

  bool operator==(const RequestRate&) const = default;
};

/// What a service's owner says of requests to it.
struct RequestLimit {
  enum class By : uint8_t {
    all,      ///< requests share one bucket
    address,  ///< those of a client's address,
    service,  ///< of all services that a client is an endpoint of; those of nobody known share one;
    header,   ///< or of a value of `header`; those without it share one
  };

  std::string name;   ///< for operators; unique in its service
  std::string route;  ///< "namespace/name" of an HTTPRoute: only requests of its; empty: all
  By by = By::all;
  std::string header;  ///< in lower case
  RequestRate rate;
  uint64_t id = 0;  ///< of the service, the name and the rate, the same in each snapshot

  bool operator==(const RequestLimit&) const = default;
};

/// Which bucket of the limit a request takes from. @param caller null: nobody is known at the client's address
uint64_t bucket_key(const RequestLimit& limit, const HttpRequest& request, const Address& client, const Caller* caller);

/// A node's buckets. Any thread.
class SharedRates {
 public:
  /// Throws std::bad_alloc. @param room a power of two, at least 8; 8 bytes each
  SharedRates(uint32_t room, uint32_t workers) : buckets_(room), workers_(workers) {}

  struct Grant {
    uint32_t tokens = 0;   ///< a chunk, if there are so many
    uint64_t wait_ns = 0;  ///< if there are none: until there may be one
  };
  /// @param key says which bucket: a good hash
  Grant take(uint64_t key, const RequestRate& rate, uint64_t now_ns);
  /// Tokens that were granted and not used; lost if another key has got the bucket since.
  void give_back(uint64_t key, uint64_t interval_ns, uint32_t tokens, uint64_t now_ns);

 private:
  std::atomic<uint64_t>& bucket_of(uint64_t key, uint64_t now);

  std::vector<std::atomic<uint64_t>> buckets_;  ///< in eights, which are found by hash
  uint32_t workers_;
};

/// A worker's part. One thread.
class RequestLimiter {
 public:
  /// Throws std::bad_alloc. @param room a power of two; 32 bytes each. A key has one place there, and whose place is
  /// taken by another gives back what it has left
  RequestLimiter(SharedRates& shared, uint32_t room) : shared_(shared), owned_(room) {}

  /// Takes a token. @returns 0, or how many nanoseconds to wait for one: never 0 then
  uint64_t take(uint64_t key, const RequestRate& rate, uint64_t now_ns);

 private:
  struct Owned {
    uint64_t key = 0;
    uint64_t until_ns = 0;  ///< if it has none: none need be asked for before
    uint64_t interval_ns = 0;
    uint32_t tokens = 0;
  };

  SharedRates& shared_;
  std::vector<Owned> owned_;
};

}  // namespace weft::lb
