// SPDX-License-Identifier: Apache-2.0
/// @file One request and its response: what is kept from the request's head to the response's last byte.
///
/// It holds no pointer into a snapshot, as it may outlive it: what its rule says is copied when it is routed.
#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <type_traits>

#include "buffer/slice.h"
#include "http/head.h"
#include "http/head_writer.h"
#include "lb/http_route.h"
#include "proxy/access_record.h"
#include "proxy/body.h"
#include "proxy/head_source.h"
#include "proxy/protections.h"
#include "proxy/response_flag.h"
#include "time/clock.h"

namespace weft::proxy {

constexpr uint32_t kNobody = UINT32_MAX;

/// A head that was written, on its way out.
struct HeadOut {
  std::array<buffer::Slice, http::HeadWriter::kMaxSlices> slices;
  uint8_t count = 0;
  uint8_t sent = 0;

  bool empty() const { return count == 0; }
  bool all_sent() const { return sent == count; }
  void clear() {
    for (uint8_t i = 0; i < count; ++i) {
      slices[i] = {};
    }
    count = sent = 0;
  }
};

/// Endpoints' slots, of attempts that failed: the last of them, if there are more.
class Tried {
 public:
  static constexpr uint32_t kMost = 7;

  void add(uint32_t slot) {
    if (count_ == kMost) {
      std::copy(slots_.begin() + 1, slots_.end(), slots_.begin());
      --count_;
    }
    slots_[count_++] = slot;
  }
  bool has(uint32_t slot) const {
    return std::find(slots_.begin(), slots_.begin() + count_, slot) != slots_.begin() + count_;
  }
  bool is_full() const { return count_ == kMost; }
  std::span<const uint32_t> slots() const { return {slots_.data(), count_}; }

 private:
  uint32_t count_ = 0;
  std::array<uint32_t, kMost> slots_{};
};

/// Slots of services that a request was looked into for, so that it is done once each.
class InspectedBackends {
 public:
  static constexpr uint32_t kMost = 4;

  /// @returns whether it is a new one. One that does not fit is always new: it is looked into again.
  bool add(uint32_t slot) {
    if (std::find(slots_.begin(), slots_.begin() + count_, slot) != slots_.begin() + count_) {
      return false;
    }
    if (count_ < kMost) {
      slots_[count_++] = slot;
    }
    return true;
  }

 private:
  uint32_t count_ = 0;
  std::array<uint32_t, kMost> slots_{};
};

/// What a rule says of trying again; codes are those of 400 to 599.
struct Retries {
  uint32_t left = 0;
  uint32_t made = 0;
  uint32_t backoff_ms = 0;
  uint32_t least_backoff_ms = 0;
  std::bitset<200> codes;

  bool has(uint16_t status) const { return status >= 400 && status < 600 && codes[status - 400U]; }
};

/// What an exchange knows: plain values, so that the next one begins with few stores.
struct ExchangeState {
  enum class Stage : uint8_t {
    free,
    routing,     ///< within a turn
    calling,     ///< a connection is being made
    waiting,     ///< for the time of the next attempt
    asking,      ///< the request is on its way, and no response has come
    responding,  ///< the response's head has gone to the client
    tunnel,      ///< bytes go both ways
  };

  Stage stage = Stage::free;
  http::Method method = http::Method::other;
  bool keeps_client = true;    ///< another request may follow on the client's connection
  bool keeps_upstream = true;  ///< and on the endpoint's
  bool client_is_http10 = false;
  bool is_mirror = false;         ///< of another: nobody waits for its response
  bool answered = false;          ///< something of a response has gone to the client
  bool upgrades = false;          ///< the client asked for another protocol
  bool reused = false;            ///< the endpoint's connection had served before
  bool is_edited = false;         ///< its endpoint gets another request than the client sent: received_request.h
  bool is_local = false;          ///< the response is weft's own
  bool wishes_known = false;      ///< what its rule says of time and of trying again was copied
  bool waits_for_client = false;  ///< there is room for more of its body, and it was not told to wait
  bool expects_continue = false;  ///< it sends none of its body before it hears 100 (Continue)
  uint8_t mirrors = 0;            ///< to be made once the request is whole
  uint8_t backend = 0;            ///< in its rule: whose mirrors are to be made too
  uint8_t fresh = 0;              ///< attempts that no rule asked for
  uint32_t generation = 0;
  uint32_t client = kNobody;         ///< in the proxy's clients
  uint32_t upstream = kNobody;       ///< in its upstreams
  uint32_t listener_slot = kNobody;  ///< of the service that the request came to, once it is routed,
  uint32_t backend_slot = kNobody;   ///< and of the one that it goes to
  Tried tried;                       ///< endpoints that failed
  uint32_t endpoint_slot = kNobody;
  uint32_t charged = kNobody;           ///< slot of the service among whose requests it counts,
  uint32_t charged_endpoint = kNobody;  ///< and the endpoint's, if those are bounded
  uint32_t caller = kNobody;            ///< place of its caller among the service's, if those are bounded
  uint32_t retry_of = kNobody;          ///< of the service among whose retries it counts
  uint32_t probe = kNobody;             ///< endpoint's slot: it is on trial, by this request
  uint32_t seen_request = kNobody;      ///< its body, and the response's, as they are looked into: inspected_body.h
  uint32_t seen_response = kNobody;
  InspectedBackends inspected_backends;  ///< services by whose policies too
  bool is_inspected = false;             ///< by policies of the service that it came to or goes to
  bool listener_inspected = false;       ///< by those of the service that it came to: once, however often it is routed
  bool is_pending = false;               ///< it counts among those that wait for a connection,
  bool is_pending_of_caller = false;     ///< and among its caller's
  bool is_watched = false;               ///< by outlier detection
  bool is_dead = false;                  ///< a fault has its attempt get no answer
  bool faults_decided = false;           ///< of what delays and aborts it
  uint64_t delayed_by = 0;               ///< the first fault's id, as long as it waits for it; 0: none
  uint64_t aborted_by = 0;               ///< of the one that is to end it then
  uint32_t delayed_at = kNobody;         ///< slot of the service among whose delayed requests it counts
  Protection decided_by = Protection::none;

  tcp::SocketPair pair;  ///< the client's
  lb::Address endpoint;  ///< the last attempt's
  lb::Port endpoint_port{};
  uint32_t most_served = 0;  ///< requests by one connection to the endpoint; 0: no bound
  Body request_body;
  KeptBody kept;                         ///< of the body, what was sent, while another attempt may be made
  uint32_t kept_next = KeptBody::kNone;  ///< of its slices, in this attempt: which goes next; none: all have gone
  Body response_body;

  Retries retries;
  uint64_t received = 0;  ///< fingerprint of what its endpoint gets; 0: nobody judged it
  uint8_t attempts = 0;
  uint32_t backend_timeout_ms = 0;  ///< 0: none
  time::Millis moved_at = 0;        ///< something of either body
  time::Millis tried_at = 0;        ///< the attempt began
  time::Millis resume_at = 0;       ///< of the next attempt
  time::Millis delay_end = 0;       ///< that a fault has it wait for
  time::Millis connect_deadline = 0;
  time::Millis park_for = 0;  ///< how long the connection to the endpoint may wait afterwards
  std::optional<time::Millis> request_deadline;
  std::optional<time::Millis> try_deadline;
  time::Time began{};
  time::Time responded{};
  uint16_t status = 0;
  ResponseFlags flags = 0;
  ShortText<40> request_id;
  ShortText<64> route;
};
static_assert(std::is_trivially_copyable_v<ExchangeState>);

struct Exchange : ExchangeState {
  buffer::Slice head;   ///< as the client sent it: for the record, and for whoever routes again
  HeadOut request;      ///< as it goes to the endpoint; another attempt writes it anew
  PartialHead partial;  ///< of the response
  HeadOut response;
  buffer::Slice response_edits;  ///< header edits of its rule and backend: header_edits.h
  ShortText<80> policy;          ///< as AccessRecord's
  ShortText<80> dry_run_policy;
  ShortText<64> limit;
  ShortText<64> fault;
  ShortText<80> signature;

  /// A new one. Precondition: what the last one held of buffers is given back.
  void begin() {
    const uint32_t next = generation + 1;
    static_cast<ExchangeState&>(*this) = {};
    policy.length = dry_run_policy.length = limit.length = fault.length = signature.length = 0;
    generation = next;
  }
};

}  // namespace weft::proxy
