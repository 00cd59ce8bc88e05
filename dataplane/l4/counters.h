// SPDX-License-Identifier: Apache-2.0
/// @file What a worker counts about endpoints and services. Written by the worker alone, readable by any thread.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>

#include "flow/pages.h"
#include "flow/state.h"

namespace weft::l4 {

/// One writer: adding is a plain add, no locked instruction. Readers may lag, and never see a torn value. Who sees the
/// effect of a subtract() sees all that the writer did before it.
class Counter {
 public:
  void add(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void subtract(uint64_t n) { value_.store(value_.load(std::memory_order_relaxed) - n, std::memory_order_release); }
  uint64_t get() const { return value_.load(std::memory_order_acquire); }
  void reset() { value_.store(0, std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_;
};

struct alignas(64) EndpointCounters {
  Counter flows;                   ///< begun
  Counter active_flows;            ///< begun and not yet forgotten
  std::array<Counter, 2> packets;  ///< by flow::Direction
  std::array<Counter, 2> bytes;    ///< IPv4 lengths, by flow::Direction

  void reset() {
    for (Counter* counter : {&flows, &active_flows, &packets[0], &packets[1], &bytes[0], &bytes[1]}) {
      counter->reset();
    }
  }
};

struct ServiceCounters {
  Counter flows;
  Counter active_flows;    ///< remembered
  Counter closed_flows;    ///< of those, TCP's that both ends have closed
  Counter refused;         ///< packets
  Counter denied;          ///< by policies of access: requests, and packets of what is opaque
  Counter dry_run_denied;  ///< that would have been: requests and flows

  void reset() {
    for (Counter* counter : {&flows, &active_flows, &closed_flows, &refused, &denied, &dry_run_denied}) {
      counter->reset();
    }
  }
};

/// By slot (see lb/snapshot.h): 64 bytes an endpoint, 48 a service, taken at start.
struct SlotCounters {
  SlotCounters(uint32_t endpoints, uint32_t services) : endpoint(endpoints), service(services) {}

  flow::Pages<EndpointCounters> endpoint;
  flow::Pages<ServiceCounters> service;
};

}  // namespace weft::l4
