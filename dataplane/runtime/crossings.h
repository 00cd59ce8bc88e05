// SPDX-License-Identifier: Apache-2.0
/// @file The rings between workers: packets that are handed over, and notes (l4/crossing.h).
///
/// One ring of each kind for each ordered pair, so that each has one producer and one consumer and no atomic
/// read-modify-write. All are bounded; what does not fit is refused and counted.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <tl/expected.hpp>
#include <vector>

#include "l4/crossing.h"
#include "l4/verdict.h"

struct rte_mbuf;
struct rte_ring;

namespace weft::runtime {

struct Crossing {
  enum class What : uint8_t {
    take_over,  ///< a packet as it was received: the receiver has its flow
    transmit,   ///< a packet that is done with: the receiver has the port's queue
  };
  rte_mbuf* packet = nullptr;
  uint32_t ports = 0;  ///< beside a fragment without any (l4/burst.h)
  What what = What::take_over;
  uint8_t port = 0;                           ///< it came in by this one, or leaves by it
  l4::Verdict verdict = l4::Verdict::passed;  ///< of transmit
  uint8_t zero = 0;
};
static_assert(sizeof(Crossing) == 16);

class Crossings {
 public:
  static tl::expected<std::unique_ptr<Crossings>, std::string> make(uint32_t workers);
  ~Crossings();
  Crossings(const Crossings&) = delete;
  Crossings& operator=(const Crossings&) = delete;

  uint32_t workers() const { return workers_; }

  // The sender's side.
  bool send(uint32_t from, uint32_t to, const Crossing& crossing);
  uint32_t room_for_notes(uint32_t from, uint32_t to) const;
  /// Precondition: there is room.
  void send(uint32_t from, uint32_t to, const std::vector<l4::Note>& notes);

  // The receiver's side. @returns how many were there, at most N
  template <size_t N>
  uint32_t receive(uint32_t from, uint32_t to, std::array<Crossing, N>& crossings) {
    return receive(packets_[index(from, to)], crossings.data(), sizeof(Crossing), N);
  }
  template <size_t N>
  uint32_t receive(uint32_t from, uint32_t to, std::array<l4::Note, N>& notes) {
    return receive(notes_[index(from, to)], notes.data(), sizeof(l4::Note), N);
  }

 private:
  static constexpr uint32_t kRing = 1024;

  explicit Crossings(uint32_t workers) : workers_(workers) {}
  size_t index(uint32_t from, uint32_t to) const { return size_t{from} * workers_ + to; }
  static uint32_t receive(rte_ring* ring, void* elements, uint32_t size, uint32_t count);

  uint32_t workers_;
  std::vector<rte_ring*> packets_;  ///< null from a worker to itself
  std::vector<rte_ring*> notes_;
};

}  // namespace weft::runtime
