// SPDX-License-Identifier: Apache-2.0
/// @file Faults that are injected on purpose: what a rehearsal does to a service's requests, connections and packets.
///
/// Of HTTP, Envoy's fault filter is the model: a request is delayed first, and then aborted; shares are of requests,
/// each decided by itself. Of what is forwarded packet by packet, the share is of flows: a hash of the flow decides,
/// so that nothing need be kept of it, and all of its packets meet the same fate.
///
/// A live fault ends when its time is over by the workers' own clock, whoever may still be there to say so.
///
/// Pure; immutable once in a snapshot. Chance and time are arguments.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lb/address.h"
#include "lb/authorization_rule.h"
#include "lb/caller_table.h"
#include "lb/http_request.h"
#include "lb/split_mix.h"

namespace weft::lb {

/// Each value between both as likely; the same: fixed.
struct FaultDelay {
  uint32_t least_ms = 0;
  uint32_t most_ms = 0;

  bool operator==(const FaultDelay&) const = default;
};

struct FaultHeader {
  std::string name;     ///< in lower case
  TextCondition value;  ///< of several of that name, joined by ", "

  bool operator==(const FaultHeader&) const = default;
};

struct Fault {
  static constexpr uint32_t kWhole = 10'000;  ///< shares are of so many
  static constexpr uint32_t kMost = 256;      ///< of a node, at a time

  std::string name;  ///< "namespace/name" of its resource; of a live one, as it was started
  bool is_live = false;
  uint32_t number = 0;    ///< below kMost, its own while it is in force: where it is counted
  uint64_t id = 0;        ///< no other has, or had, it; another fault of the same name has another
  uint64_t until_ns = 0;  ///< by workers' time; 0: as long as it is in the registry

  // Whom it is about: all of it must hold.
  std::string route;                      ///< "namespace/name" of an HTTPRoute: only requests of its; empty: all
  std::vector<AuthorizationSource> from;  ///< any of these; none: everybody
  std::vector<FaultHeader> headers;
  uint32_t share = kWhole;  ///< of those requests, connections or flows

  // What it does.
  std::optional<FaultDelay> delay;
  uint16_t abort_status = 0;      ///< 0: none
  bool resets = false;            ///< the client's connection
  uint32_t loss = 0;              ///< share of packets
  uint64_t bits_per_second = 0;   ///< 0: no bound
  bool kills = false;             ///< endpoints never answer:
  std::optional<Address> killed;  ///< this one; none: all

  bool acts_on_requests() const { return delay || abort_status != 0 || resets; }
  bool acts_on_packets() const { return loss > 0 || bits_per_second > 0 || kills; }
  /// Bits that may come at once: a twentieth of a second's, but never less than a jumbo frame.
  uint64_t burst_bits() const;
  bool operator==(const Fault&) const = default;
};
using Faults = std::vector<Fault>;

/// Of a request, or of a connection or flow of which no requests are read.
struct FaultScope {
  const Address& client;
  const Caller* caller = nullptr;        ///< null: nobody is known there
  std::string_view route;                ///< of the rule that the request falls under
  const HttpRequest* request = nullptr;  ///< null: none is read, so that a fault which asks for one is not about it
  uint64_t now_ns = 0;
};

/// Is it in force, and about this one? Chance apart.
bool is_about(const Fault& fault, const FaultScope& scope);
bool is_over(const Fault& fault, uint64_t now_ns);
/// @param random 64 bits of their own
bool is_hit(const Fault& fault, uint64_t random);
/// Of a flow: always the same. @param hash of its tuple
bool is_hit_flow(const Fault& fault, uint64_t hash);
bool has_killed(const Fault& fault, const Address& endpoint);
/// Null: it is not among them any more, or has been changed. @param faults null: none
const Fault* find_fault(const Faults* faults, uint64_t id);

/// What a request or connection is to suffer before it is balanced. Delays add up, but each ends with its fault, and
/// all of them after kMostDelay; who aborts first has aborted.
struct Injection {
  static constexpr uint32_t kMostDelay = 600'000;  ///< ms

  uint32_t delay_ms = 0;
  const Fault* delayed_by = nullptr;  ///< the first
  const Fault* aborted_by = nullptr;  ///< `resets` says how

  void add(const Faults& faults, const FaultScope& scope, SplitMix64& random);
};
/// The first fault by which this attempt at the endpoint gets no answer; null: none.
const Fault* killer_of(const Faults& faults, const FaultScope& scope, const Address& endpoint, SplitMix64& random);

/// Of a share: "12.5%".
std::string percent(uint32_t share);
/// For operators: "delay 100ms to 1s, abort 503".
std::string describe(const Fault& fault);

}  // namespace weft::lb
