// SPDX-License-Identifier: Apache-2.0
/// @file One direction between two hosts, and what happens to packets on it. Deterministic: the same seed, packets and
/// times give the same fate.
#pragma once

#include <vector>

#include "tcp_frame.h"
#include "tcp_random.h"
#include "time/clock.h"

namespace weft::simulation {

/// Shares are from 0 to 1.
struct PathConfig {
  time::Time delay{};
  time::Time jitter{};           ///< at most, and more; packets stay in order
  uint64_t bits_per_second = 0;  ///< 0: no bound
  uint32_t queue_bytes = 0;      ///< before a bounded rate; what finds it full is lost; 0: no bound
  double loss = 0;               ///< of each packet by itself (Bernoulli)
  double burst_begins = 0;       ///< with each packet (Gilbert): then most are lost,
  double burst_ends = 1;         ///< until, with each packet, this
  double burst_loss = 0.9;
  double duplication = 0;
  double reordering = 0;  ///< packets that are held up, so that others overtake
  time::Time held_up{};   ///< for so long at most
  double corruption = 0;  ///< a bit is flipped, anywhere
  double small_loss = 0;  ///< of packets of small_bytes at most, such as acknowledgments
  uint32_t small_bytes = 0;
  uint32_t mtu = UINT16_MAX;
  bool tells_too_big = true;  ///< by an ICMP error; else it is a black hole
  time::Time dark_from{};     ///< everything is lost, until
  time::Time dark_to{};
};

class Path {
 public:
  struct Crossing {
    time::Time at{};  ///< of arrival
    Frame frame;
  };
  struct Fate {
    bool too_big = false;
    std::vector<Crossing> crossings;  ///< none: it is lost
  };

  Path(const PathConfig& config, uint64_t seed) : config_(config), random_(seed) {}

  /// Precondition: not before the last call's now.
  Fate send(const Frame& frame, time::Time now);
  const PathConfig& config() const { return config_; }

 private:
  bool happens(double share);
  bool is_lost(size_t bytes, time::Time now);
  /// When its last bit has left.
  bool leaves(size_t bytes, time::Time now, time::Time& at);

  const PathConfig config_;
  Random random_;
  bool in_burst_ = false;
  time::Time free_at_{};  ///< the sender's side, from what it has to send
  time::Time last_arrival_{};
};

}  // namespace weft::simulation
