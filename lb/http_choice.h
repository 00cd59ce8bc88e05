// SPDX-License-Identifier: Apache-2.0
/// @file Chances that a rule leaves to weft: which backend gets a request, and is it mirrored? Given 64 random bits, of
/// which each decision wants its own.
#pragma once

#include <cstdint>

#include "lb/http_route.h"

namespace weft::lb {

/// 0 to limit - 1, each as likely as 2^-64 allows; 0 of 0.
inline uint64_t scaled(uint64_t random, uint64_t limit) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<uint64_t>(static_cast<Wide>(random) * limit >> 64);
}

/// By weights; a weight of 0 gets nothing. An invalid backend keeps its share, and its requests get 500: "the
/// proportion of requests that would otherwise have been routed to an invalid backend MUST receive a 500 status code"
/// (HTTPRouteRule). Null, which is 500 too: there are none, or none with weight. At most 16, so they are walked.
inline const HttpBackend* choose_backend(const HttpRule& rule, uint64_t random) {
  uint64_t total = 0;
  for (const HttpBackend& backend : rule.backends) {
    total += backend.weight;
  }
  uint64_t at = scaled(random, total);
  for (const HttpBackend& backend : rule.backends) {
    if (at < backend.weight) {
      return &backend;
    }
    at -= backend.weight;
  }
  return nullptr;
}

/// A denominator of 0 mirrors nothing.
inline bool is_mirrored(const Fraction& fraction, uint64_t random) {
  return fraction.denominator > 0 && scaled(random, fraction.denominator) < fraction.numerator;
}

}  // namespace weft::lb
